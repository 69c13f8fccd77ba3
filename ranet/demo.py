"""The main job from end to end on videos drawn here: what the two demos run.

:func:`show` segments and scores videos with a network that is there already, or trains one first,
beside copying the first mask, which anything has to beat, and leaves pictures and a report.
"""

import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ranet.config import EvalConfig, TrainConfig
from ranet.datasets.image_io import read_image, read_labels, write_image
from ranet.datasets.index import VideoSequence, index_davis
from ranet.datasets.synthetic import write_synthetic_davis
from ranet.datasets.video_writer import VideoWriter
from ranet.inference.davis import Method, copying, evaluate_split
from ranet.inference.davis import network as of_network
from ranet.report import Pictures
from ranet.report.page import write_report
from ranet.training.run import train
from ranet.visual.contact_sheet import Strip
from ranet.visual.overlay import overlay
from ranet.visual.panels import video_sheet
from ranet.wording import aligned_table, count

_logger = logging.getLogger(__name__)

_COPYING = "copying the first mask"
_FRAME_RATE = 8  # of the overlay video
_SHEET_VIDEOS, _SHEET_FRAMES = 3, 5  # rows and columns of the contact sheet


@dataclass(frozen=True)
class DemoVideos:
    """What a demo draws: the arguments of :func:`.write_synthetic_davis`."""

    train: int
    val: int
    frames: int
    size: tuple[int, int]
    max_objects: int
    clutter: float
    seed: int = 0

    def __str__(self) -> str:
        height, width = self.size
        videos = count(self.train + self.val, "video")
        return f"{videos} of {count(self.frames, 'frame')} of {height}×{width}"


SHOWN = DemoVideos(train=0, val=3, frames=12, size=(240, 432), max_objects=3, clutter=1.0)
"""Few and short, with all that makes it hard: look-alikes, and obstacles that hide the objects."""

TRAINED_ON = DemoVideos(train=60, val=8, frames=16, size=(120, 216), max_objects=2, clutter=0.4)
"""Small and less crowded: a network that learns for minutes from nothing is to be seen at work."""


def show(
    videos: DemoVideos, network: Path | TrainConfig, config: EvalConfig, out: Path, workers: int
) -> None:
    """Draw videos, follow their objects with a network, score that, and show it.

    What an earlier run has finished is kept; a training that was interrupted goes on.

    Args:
        videos: what to draw, into ``out/videos``; those of val are followed.
        network: a checkpoint; or how to train one on those of train, with ``out/videos`` as its
            source of data.
        config: how to segment and score.
        out: folder for everything.
        workers: processes that draw videos, and threads that score.

    Raises:
        RANetError: ``out`` cannot be written, or holds videos or results of another demo; or the
            checkpoint cannot be read.
    """
    with _told(f"drawing {videos}"):
        write_synthetic_davis(out / "videos", **asdict(videos), workers=workers)
    if isinstance(network, TrainConfig):
        name = "network trained here"
        with _told(f"training on {videos.train} of them, {network.steps} steps"):
            network = train(network, resume=network.output.exists())
    else:
        name = network.stem.replace("_", "-")
    with _told(f"following the objects of {videos.val} first frames with {name}, and scoring"):
        scores = _score(config, {name: of_network(config, network)}, out, workers)
    with _told("drawing an overlay video, a contact sheet and a report"):
        _show(name, out)
    print(_summary(scores, out))


def _score(
    config: EvalConfig, methods: Mapping[str, Method], out: Path, workers: int
) -> dict[str, float]:
    """Masks and scores of the val videos in ``out/network`` and ``out/copying``: J&F by name."""
    folders = {_COPYING: out / "copying", **dict.fromkeys(methods, out / "network")}
    scores = {}
    for name, method in {_COPYING: copying(), **methods}.items():
        _logger.info("%s:", name)
        report = evaluate_split(
            config, method, out / "videos", folders[name], overwrite=True, workers=workers
        )
        scores[name] = report.scores.averages["J&F-Mean"]
    return scores


def _show(name: str, out: Path) -> None:
    """Write the overlay video, the contact sheet and the report of what was segmented."""
    sequences = index_davis(out / "videos", year=2017, split="val")
    masks = {name: out / "network" / "masks", _COPYING: out / "copying" / "masks"}
    _write_overlay_video(sequences, masks[name], out / "overlay.mp4")
    strips = [strip for each in sequences[:_SHEET_VIDEOS] for strip in _strips(each, masks)]
    write_image(out / "sheet.png", video_sheet(strips))
    write_report(
        [folder.parent for folder in masks.values()],
        out,
        names=list(masks),
        pictures=Pictures(every=3, worst=6),
    )


def _write_overlay_video(sequences: Sequence[VideoSequence], masks: Path, path: Path) -> None:
    """An MP4 of the sequences, one after the other, with predicted masks drawn over them."""
    with VideoWriter(path, frame_rate=_FRAME_RATE) as video:
        for sequence in sequences:
            for frame in sequence.frames:
                labels = read_labels(masks / sequence.name / f"{frame.stem}.png")
                video.write(overlay(read_image(frame), labels))


def _strips(sequence: VideoSequence, masks: Mapping[str, Path]) -> Iterator[Strip]:
    """Some frames of a sequence with the true masks, then with those of each method."""
    numbers = np.linspace(0, len(sequence.frames) - 1, _SHEET_FRAMES).round().astype(int)
    frames = [sequence.frames[n] for n in numbers]
    files = {"truth": [sequence.annotations[n] for n in numbers]}
    for name, folder in masks.items():
        files[name] = [folder / sequence.name / f"{frame.stem}.png" for frame in frames]
    images = list(map(read_image, frames))
    for title, paths in files.items():
        yield Strip(f"{sequence.name}: {title}", numbers, images, list(map(read_labels, paths)))


def _summary(scores: Mapping[str, float], out: Path) -> str:
    """The scores beside each other, where everything is, and how to go on."""
    table = [
        (name, f"{100 * score:.1f}", f"{100 * (score - scores[_COPYING]):+.1f}")
        for name, score in scores.items()
    ]
    python = Path(sys.executable)
    if python.is_relative_to(Path.cwd()):  # as in the virtual environment of a clone
        python = python.relative_to(Path.cwd())
    head = ("unseen drawn videos", "J&F", "over copying")
    return "\n".join(
        [
            "",
            *aligned_table([head, *table]),
            "",
            f"video with the masks:       {out / 'overlay.mp4'}",
            f"frames, truth and masks:    {out / 'sheet.png'}",
            f"scores, curves and player:  {out / 'report.html'}",
            f"the masks themselves:       {out / 'network' / 'masks'}",
            "",
            "Your own video, with a box (top,left,bottom,right in pixels) around an object of its",
            "first frame, or --mask FILE in its place:",
            f"  {python} -m ranet segment --video VIDEO --box 120,200,310,420 \\",
            "      --out outputs/mine --overlay outputs/mine.mp4",
        ]
    )


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Say what is being done, and then how long it took."""
    _logger.info("%s …", what)
    start = time.perf_counter()
    yield
    _logger.info("    %.0f s", time.perf_counter() - start)
