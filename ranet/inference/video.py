"""Anybody's video, from its first mask to a folder of masks and an overlay."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ranet.datasets.video_io import FrameSource
from ranet.datasets.video_writer import VideoWriter
from ranet.errors import DataError, OutputError
from ranet.files import atomic_folder, check_writable
from ranet.inference.sequence import Follower, write_masks
from ranet.lock import only_writer
from ranet.visual.overlay import overlay
from ranet.wording import count, some_of

_logger = logging.getLogger(__name__)

OVERLAY_FRAME_RATE = Fraction(24)
"""Of overlays where the source has none, as folders of images: that of DAVIS."""


def segment_video(
    follower: Follower,
    source: FrameSource,
    labels: np.ndarray,
    out: Path,
    *,
    labels_from: str,
    start: int = 0,
    overlay_path: Path | None = None,
) -> None:
    """Segment a video, write a mask per frame, and show them over the frames.

    Masks and overlay appear when all is done, the overlay first; a run that fails or is interrupted
    before leaves nothing.

    Args:
        follower: what segments.
        source: the video.
        labels: H×W uint8 of the objects in frame ``start``.
        out: folder for the masks, ``<name of the frame>.png``; new, or empty.
        labels_from: what to call the labels in a message.
        start: number of the frame, from 0, in which the objects are marked; those before it get
            no mask.
        overlay_path: an .mp4 file, which may lie in ``out``; None: no overlay.

    Raises:
        DataError: the video is shorter than ``start``, damaged, or the labels do not fit it.
        OutputError: something cannot be written, ``out`` is not empty or another run writes to it,
            or the overlay would replace the video.
    """
    if overlay_path is not None:
        _check_overlay(overlay_path, out, source)
    frames = source.count and max(source.count - start, 0)
    with contextlib.ExitStack() as stack:
        place = out.resolve()
        # The lock lies beside the folder, which is not there yet.
        stack.enter_context(only_writer(out, place.parent / f".{place.name}.lock"))
        _check_free(out)
        bar = stack.enter_context(tqdm(total=frames, unit="frame", disable=None))
        unfinished = stack.enter_context(atomic_folder(out))
        # Left before the folder: a video that cannot be finished takes the masks with it.
        draw = _overlay_writer(source, _moved(overlay_path, out, unfinished), stack)

        def after_frame(frame: np.ndarray, result: np.ndarray) -> None:
            draw(frame, result)
            bar.update()

        try:
            timing = write_masks(
                follower,
                _from(source, start),
                labels,
                unfinished,
                labels_from=labels_from,
                after_frame=after_frame,
            )
        except KeyboardInterrupt:
            _logger.info(
                "stopped after %s: nothing was kept, %s is as before", count(bar.n, "frame"), out
            )
            raise
    written = len(timing.step_ms) + 1
    _logger.info(
        "%s in %s, %.0f ms a frame", count(written, "mask"), out, timing.total_ms / written
    )


def _check_free(out: Path) -> None:
    """Raise OutputError where a new folder cannot appear; nobody's files are ever replaced."""
    check_writable(out)
    names = sorted(path.name for path in out.iterdir()) if out.exists() else []
    if names:
        raise OutputError(
            f"{out} is not empty: it holds {some_of(names)}. Choose a new folder for the masks, "
            "or remove this one."
        )


def _check_overlay(path: Path, out: Path, source: FrameSource) -> None:
    """Raise OutputError where the overlay could not appear once the work is done, or must not."""
    check_writable(path.parent)
    if path.exists() and any(path.samefile(read) for read in source.paths):
        raise OutputError(
            f"The overlay {path} is the video itself, which it would replace. Choose another name "
            "for the overlay."
        )
    if path.is_dir() or out.resolve().is_relative_to(path.resolve()):
        raise OutputError(
            f"The overlay {path} is to be a file, but it is a folder, or that of the masks. Choose "
            "another name for it."
        )


def _moved(path: Path | None, out: Path, unfinished: Path) -> Path | None:
    """The path of the overlay while ``out`` is still ``unfinished``."""
    if path is None or not path.resolve().is_relative_to(out.resolve()):
        return path
    return unfinished / path.resolve().relative_to(out.resolve())


def _from(source: FrameSource, start: int) -> Iterator[tuple[str, np.ndarray]]:
    """The frames from number ``start`` on."""
    frames = islice(source, start, None)
    first = next(frames, None)
    if first is None:
        raise DataError(
            f"The video has no frame {start} (counted from 0)"
            + (f": it has {source.count}." if source.count else ".")
            + " Objects are marked in an existing frame."
        )
    yield first
    yield from frames


def _overlay_writer(
    source: FrameSource, path: Path | None, stack: contextlib.ExitStack
) -> Callable[[np.ndarray, np.ndarray], None]:
    """A function of frame and labels that appends to the overlay, if one is asked for."""
    if path is None:
        return lambda frame, labels: None
    rate = source.frame_rate or OVERLAY_FRAME_RATE
    writer = stack.enter_context(VideoWriter(path, frame_rate=rate))
    return lambda frame, labels: writer.write(overlay(frame, labels))
