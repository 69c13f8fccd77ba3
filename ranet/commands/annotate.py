"""Mark objects in a browser, watch them being followed, and export the masks.

Serves a page that only this machine can open. There, each object gets a box, a polygon or some
strokes of a brush, in any frame; GrabCut finds its edges; Segment follows all of them through the
video, frame by frame as you watch; Export writes indexed PNGs, an overlay, a cut-out, COCO run
lengths:

    ranet annotate surf.mp4 --out outputs/surf
    ranet annotate frames --checkpoint outputs/small_clips/model.pt --no-browser --port 8000
    ranet annotate surf.mp4 --masks outputs/surf/annotations --out outputs/surf_corrected \\
        input_size=[240,432]

Exports go to OUT, or to OUT-2, OUT-3, … where it holds something already: nothing is overwritten.
Ctrl-C ends it; marks that were not exported are saved first, for --masks.
"""

import argparse
import logging
import tempfile
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from ranet.annotator.server import AnnotatorServer
from ranet.annotator.session import Session
from ranet.cli import Terminated, number_within
from ranet.commands.parser import command_parser, parse
from ranet.commands.segment_options import add_how_to_segment
from ranet.config import InferenceConfig, load_config
from ranet.datasets.live import camera_index
from ranet.datasets.video_io import FrameSource, open_frames
from ranet.errors import DataError
from ranet.files import check_writable
from ranet.inference.marked_frames import masks_by_name
from ranet.inference.segmenter import VideoSegmenter
from ranet.model.pretrained import pretrained_path
from ranet.model.weights import load_checkpoint
from ranet.options import add_checkpoint


def main(program: str, arguments: Sequence[str]) -> None:
    """Run the command."""
    options = parse(_parser(program), arguments)
    config = load_config(InferenceConfig, options.config, options.overrides)
    check_writable(options.out.parent)
    source = _frame_source(options.video)
    masks = masks_by_name(options.masks, source) if options.masks else None
    checkpoint = options.checkpoint or pretrained_path()
    segmenter = VideoSegmenter(load_checkpoint(checkpoint, options.released_objects), config)
    # What following a video says about its folders is of no use to who sees a page.
    logging.getLogger("ranet.inference").setLevel(logging.WARNING)
    title = Path(options.video).name or options.video
    with tempfile.TemporaryDirectory(prefix="ranet-annotate-") as work:
        session = Session(title, source, segmenter, out=options.out, work=Path(work), masks=masks)
        try:
            with AnnotatorServer(session, options.port) as server:
                _serve(server, show=options.browser)
        finally:
            session.close()


def _frame_source(video: str) -> FrameSource:
    if camera_index(video) is not None:
        raise DataError(
            f"There is no file or folder named {video}, and camera {video} cannot be annotated: "
            "its frames come only once. Record a video first."
        )
    return open_frames(video)


def _serve(server: AnnotatorServer, *, show: bool) -> None:
    """Until Ctrl-C, which is how this ends."""
    print(f"Open {server.url}\nCtrl-C ends the annotator.", flush=True)
    if show:
        webbrowser.open(server.url)
    try:
        server.serve_forever()
    except Terminated:
        raise
    except KeyboardInterrupt:
        print()  # behind the ^C of the terminal


def _parser(program: str) -> argparse.ArgumentParser:
    parser = command_parser(program, __doc__)
    parser.add_argument(
        "video",
        metavar="VIDEO",
        help="a video file, a folder of images, or a pattern in quotes, such as 'frames/*.png'",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("outputs/annotated"),
        metavar="DIR",
        help="new folder for what is exported (default: %(default)s)",
    )
    parser.add_argument(
        "--masks",
        type=Path,
        metavar="DIR",
        help="marks to begin with, named as the frames that they are of",
    )
    add_checkpoint(parser)
    parser.add_argument(
        "--released-objects",
        choices=("single", "multi"),
        help="which network one of the authors' files is for (default: as its name says)",
    )
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
    return parser
