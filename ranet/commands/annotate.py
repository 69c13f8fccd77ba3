"""Mark objects in a browser, watch them being followed, and export the masks.

Serves a page that only this machine can open. There, each object gets a box, a polygon or some
strokes of a brush, in any frame; GrabCut finds its edges; Segment follows all of them through the
video, frame by frame as you watch; Export writes indexed PNGs, an overlay, a cut-out, COCO run
lengths:

    ranet annotate surf.mp4 --out outputs/surf
    ranet annotate frames --checkpoint outputs/small_clips/model.pt --no-browser --port 8000
    ranet annotate surf.mp4 --masks outputs/surf/annotations --out outputs/surf_corrected \\
        input_size=[240,432]

Every change of the marks is kept on the disk, in a .journal beside OUT, until the next one: however
the annotator ends, the same command goes on with them, and --fresh begins anew. Exports go to OUT,
or to OUT-2, OUT-3, … where it holds something already: nothing is overwritten. Ctrl-C ends it;
marks that were not exported are saved first, as masks.
"""

import argparse
import hashlib
import logging
import signal
import tempfile
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ranet.cli import Terminated, number_within
from ranet.commands.parser import (
    add_checkpoint,
    add_how_to_segment,
    add_path,
    add_released_objects,
)
from ranet.errors import DataError
from ranet.files import check_writable

if TYPE_CHECKING:
    from ranet.annotator.server import AnnotatorServer
    from ranet.datasets.frames import FrameSource

_logger = logging.getLogger(__name__)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument(
        "video",
        metavar="VIDEO",
        help="a video file, a folder of images, or a pattern in quotes, such as 'frames/*.png'",
    )
    told = "new folder for what is exported (default: %(default)s)"
    add_path(parser, "--out", "DIR", told, default=Path("outputs/annotated"))
    told = "marks to begin with, named as the frames that they are of"
    add_path(parser, "--masks", "DIR", told)
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="begin anew; the journal of earlier marks is kept under another name",
    )
    add_checkpoint(parser)
    add_released_objects(parser)
    parser.add_argument(
        "--port",
        type=number_within(int, 0, 65535),
        default=0,
        metavar="N",
        help="where the page is served (default: a free one)",
    )
    parser.add_argument(
        "--no-browser",
        dest="browser",
        action="store_false",
        help="print the address only, open nothing",
    )
    add_how_to_segment(parser, "dtype=bfloat16")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from ranet.annotator.journal import journal_path, open_journal
    from ranet.annotator.marks import marks_of_masks
    from ranet.config import InferenceConfig, load_config
    from ranet.inference.marked_frames import masks_by_name

    config = load_config(InferenceConfig, options.config, options.overrides)
    out = options.out.absolute()
    check_writable(out.parent)
    source = _frame_source(options.video)
    masks = masks_by_name(options.masks, source) if options.masks else {}
    place, beginning = journal_path(out, options.video), marks_of_masks(masks, source.size)
    from ranet import VideoSegmenter, load_checkpoint
    from ranet.annotator.server import AnnotatorServer
    from ranet.annotator.session import Session

    with (
        tempfile.TemporaryDirectory(prefix="ranet-annotate-") as work,
        open_journal(place, _identity(source, masks), beginning, fresh=options.fresh) as journal,
    ):
        if journal.resumed:
            _logger.info("going on with the marks in %s; --fresh begins anew, and keeps it", place)
        network = load_checkpoint(options.checkpoint, options.released_objects)
        segmenter = VideoSegmenter(network, config)
        # What following a video says about its folders is of no use to who sees a page.
        logging.getLogger("ranet.inference").setLevel(logging.WARNING)
        title = Path(options.video).name or options.video
        session = Session(title, source, segmenter, journal, out=out, work=Path(work))
        try:
            server = AnnotatorServer(session, options.port)
            print(f"Open {server.url}\nCtrl-C ends the annotator.", flush=True)
            if options.browser:
                webbrowser.open(server.url)
            _end_when_hung_up(server)
            server.run()
        except Terminated:
            raise
        except KeyboardInterrupt:
            print()  # behind the ^C of the terminal
        finally:
            session.close()


def _end_when_hung_up(server: "AnnotatorServer") -> None:
    """Have a closed terminal end it as Ctrl-C does, unless that is ignored, as under nohup."""
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    if hangup is not None and signal.getsignal(hangup) is signal.SIG_DFL:
        signal.signal(hangup, server.handle_exit)


def _frame_source(video: str) -> "FrameSource":
    from ranet.datasets.live import camera_index
    from ranet.datasets.video_io import open_frames

    if camera_index(video) is not None:
        raise DataError(
            f"There is no file or folder named {video}, and camera {video} cannot be annotated: "
            "its frames come only once. Record a video first."
        )
    return open_frames(video)


def _identity(source: "FrameSource", masks: Mapping[int, Path]) -> dict[str, Any]:
    """What marks must be made with to fit: the same files, and the same masks, if any are given."""
    files = "\n".join(f"{path.name} {path.stat().st_size}" for path in source.paths)
    drawn = hashlib.sha256()
    for number, path in sorted(masks.items()):
        drawn.update(f"{number} ".encode() + path.read_bytes())
    return {
        "size": list(source.size),
        "files": hashlib.sha256(files.encode()).hexdigest(),
        "masks": drawn.hexdigest() if masks else None,
    }
