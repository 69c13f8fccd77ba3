"""What a video's masks become besides masks: an overlay, a cut-out, run lengths.

All are made in one go through the frames and their labels: while they come from a camera, or from
the finished masks on disk.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from ranet.datasets.frames import FrameSource, ImageFrames
from ranet.datasets.image_io import read_labels, write_image
from ranet.datasets.mask_exports import CocoWriter, MaskExport, YouTubeVisWriter, ZipWriter
from ranet.datasets.video_writer import VideoWriter
from ranet.errors import OutputError
from ranet.files import atomic_folder, check_writable, output_errors
from ranet.inference.running import FRAMES_AHEAD, progress_bar, read_ahead
from ranet.visual.overlay import cut_out, overlay
from ranet.wording import some_of

WriteFrame = Callable[[int, str, np.ndarray, np.ndarray], None]
"""Takes the number and name of a frame, the frame H×W×3 and its labels H×W."""

Draw = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""What shows labels H×W in a frame H×W×3."""

FRAME_RATE = Fraction(24)
"""Of videos made from a source that has none, as folders of images: that of DAVIS."""


@dataclass(frozen=True)
class Outputs:
    """Where to; None: not wanted."""

    overlay: Path | None = None
    """An .mp4 file: the objects over the frames."""
    cut_out: Path | None = None
    """A .webm file with transparency, or a new folder of PNGs: the objects on nothing."""
    coco: Path | None = None
    """A .json file in the layout of COCO, see :mod:`ranet.datasets.mask_exports`."""
    youtube_vis: Path | None = None
    """A .json file in the layout of YouTube-VIS."""
    zip: Path | None = None
    """A .zip file of the masks."""

    def wanted(self) -> dict[str, Path]:
        """Paths by what they are."""
        every = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: path for name, path in every.items() if path is not None}

    def moved(self, folder: Path, to: Path) -> "Outputs":
        """The same, but what lies in ``folder`` lies in ``to``."""
        inside = {
            name: to / path.resolve().relative_to(folder.resolve())
            for name, path in self.wanted().items()
            if path.resolve().is_relative_to(folder.resolve())
        }
        return replace(self, **inside)


def check_outputs(
    outputs: Outputs, masks: Path, source: FrameSource, frame_rate: Fraction | None = None
) -> None:
    """Say before the work what could not appear after it, or must not.

    Args:
        outputs: what is wanted.
        masks: the folder of masks, in which they may lie.
        source: the video, which is never overwritten.
        frame_rate: as for :func:`opened_outputs`.

    Raises:
        OutputError: a path is the video, or that of a folder, or of another output; it cannot be
            written, or has a wrong ending.
        RANetError: a library is missing.
    """
    for what, path in outputs.wanted().items():
        called = f"The {what.replace('_', '-')} {path}"
        check_writable(path.parent)
        with output_errors(path):  # a name may be too long
            is_video = path.exists() and any(path.samefile(read) for read in source.paths)
        if is_video:
            raise OutputError(f"{called} is the video itself, which it would replace.")
        if masks.resolve().is_relative_to(path.resolve()):
            raise OutputError(f"{called} is the folder of the masks, or holds it.")
        if _is_folder(what, path):
            check_free(path, called)
        elif path.is_dir():
            raise OutputError(f"{called} is to be a file, but is a folder.")
    places = [path.resolve() for path in outputs.wanted().values()]
    for place in places:
        if sum(other.is_relative_to(place) for other in places) > 1:
            raise OutputError(f"Two of the outputs would be at {place}.")
    # They know what endings they take, and what they need.
    _exports(outputs, source)
    _videos(outputs, source, frame_rate)


def check_free(folder: Path, called: str) -> None:
    """Raise OutputError where a new folder cannot appear; nobody's files are ever replaced."""
    check_writable(folder)
    names = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    if names:
        raise OutputError(f"{called} is not empty: it holds {some_of(names)}.")


@contextlib.contextmanager
def opened_outputs(
    outputs: Outputs, source: FrameSource, frame_rate: Fraction | None = None
) -> Iterator[WriteFrame]:
    """A function that appends a frame to all outputs; they appear when the block ends well.

    Videos show each frame as long as the source does; one that does not tell gets a rate.

    Args:
        outputs: what is wanted.
        source: the video that the frames are of.
        frame_rate: of videos, if the source tells none.

    Raises:
        OutputError: one cannot be written; then none that was still open appears.
    """
    with contextlib.ExitStack() as stack:
        # What is opened first appears last: a folder, which no further attempt would replace, so
        # that it is not there if another output cannot be finished.
        images = None
        if outputs.cut_out and _is_folder("cut_out", outputs.cut_out):
            images = stack.enter_context(atomic_folder(outputs.cut_out))
        videos = _videos(outputs, source, frame_rate)
        for video, _ in videos:
            stack.enter_context(video)
        exports = [stack.enter_context(export) for export in _exports(outputs, source)]

        def write(number: int, name: str, frame: np.ndarray, labels: np.ndarray) -> None:
            if images:
                write_image(images / f"{name}.png", cut_out(frame, labels))
            for video, draw in videos:
                video.write(draw(frame, labels), source.times.get(number))
                video.end = source.times.get(number + 1)
            for export in exports:
                export.write(name, number, labels)

        yield write


def write_outputs(
    source: FrameSource, masks: Path, outputs: Outputs, *, frame_rate: Fraction | None = None
) -> None:
    """Make the outputs of frames that are segmented; frames without a mask are left out.

    Args:
        source: the video, which can be read again.
        masks: ``<name of the frame>.png``.
        outputs: what is wanted.
        frame_rate: of videos, if the source has none.

    Raises:
        DataError: a frame or mask cannot be read.
        OutputError: an output cannot be written.
    """
    total = sum(path.suffix == ".png" for path in masks.iterdir())
    doing = f"writing {' and '.join(what.replace('_', '-') for what in outputs.wanted())}"
    with (
        opened_outputs(outputs, source, frame_rate) as write,
        read_ahead(source, FRAMES_AHEAD) as frames,
        progress_bar(doing, total) as progress,
    ):
        for number, (name, frame) in enumerate(frames):
            mask = masks / f"{name}.png"
            if mask.exists():
                write(number, name, frame, read_labels(mask))
                progress.update()


def _is_folder(what: str, path: Path) -> bool:
    return what == "cut_out" and (not path.suffix or path.is_dir())


def _videos(
    outputs: Outputs, source: FrameSource, frame_rate: Fraction | None
) -> list[tuple[VideoWriter, Draw]]:
    """The writers of videos, not yet opened, each with what draws its frames."""
    rate = source.frame_rate or frame_rate or FRAME_RATE
    videos: list[tuple[VideoWriter, Draw]] = []
    if outputs.cut_out and not _is_folder("cut_out", outputs.cut_out):
        writer = VideoWriter(outputs.cut_out, frame_rate=rate, transparent=True)
        videos.append((writer, cut_out))
    if outputs.overlay:
        videos.append((VideoWriter(outputs.overlay, frame_rate=rate), overlay))
    return videos


def _exports(outputs: Outputs, source: FrameSource) -> list[MaskExport]:
    """What writes masks into one file, not yet opened."""
    paths = source.paths if isinstance(source, ImageFrames) else ()
    images = {path.stem: path.name for path in paths}
    kinds = ((outputs.coco, CocoWriter), (outputs.youtube_vis, YouTubeVisWriter))
    wanted = (*kinds, (outputs.zip, ZipWriter))
    return [kind(path, images) for path, kind in wanted if path]
