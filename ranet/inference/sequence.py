"""One video from frames to masks on disk, with the time it took.

The masks of a video appear as one folder when all of them are written, never a part of them. A
thread reads the next frames and another one writes the masks, while the follower is at work.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from ranet.datasets.image_io import write_labels
from ranet.files import atomic_folder
from ranet.inference.first_mask import checked_labels, naming_first_mask
from ranet.inference.overlap import read_ahead, write_behind
from ranet.inference.transfer import Frame

_Name = TypeVar("_Name")

FRAMES_AHEAD = 4
"""Frames of a video that are read before they are needed."""

MASKS_BEHIND = 8
"""Masks of a video that may wait to be written."""


class Follower(Protocol):
    """What follows objects: :class:`~ranet.inference.segmenter.VideoSegmenter`, or a baseline."""

    step_seconds: float
    """Wall time of the last step."""

    online_seconds: float
    """Wall time that the last start spent on online learning."""

    def start(self, frame: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Take the objects of the first frame as given; returns its labels."""

    def prepare(self, frame: np.ndarray) -> Frame:
        """What :meth:`step` takes for a frame; called by the thread that reads the next ones."""

    def step(self, frame: Frame) -> np.ndarray:
        """Labels of the next frame."""


class CopyFirstMask:
    """The baseline that any method must leave far behind: nothing ever moves."""

    step_seconds = 0.0
    online_seconds = 0.0

    def start(self, frame: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Remember the labels; all frames will have them."""
        self._labels, _ = checked_labels(labels, frame.shape[:2])
        return self._labels

    def prepare(self, frame: np.ndarray) -> Frame:
        """The frame as it is."""
        return frame

    def step(self, frame: Frame) -> np.ndarray:
        """The labels of the first frame."""
        return self._labels


@dataclass(frozen=True)
class Timing:
    """How long a video took, in milliseconds, and where."""

    step_ms: list[float] = field(default_factory=list)
    """Each frame but the first, whose mask is given: upload, crop, network, paste back, labels.

    On CUDA the thread that reads the frames uploads them, so that a step only waits for what is
    left of that when it begins. Of several videos at once, a frame's share of the step."""
    total_ms: float = 0.0
    """All of it: decoding, online learning, encoding the template, the steps, writing masks.

    Of several videos at once, its share of that."""
    online_ms: float = 0.0
    """Online learning, before the first step."""
    videos_at_once: float = 1.0
    """How many videos were followed at the same time, on average over the steps."""
    device: str | None = None
    """What it ran on; None: not noted, as for what follows."""
    ways: list[str] | None = None
    """How the steps were computed, see :attr:`VideoSegmenter.ways`; none: plainly."""
    peak_bytes: int | None = None
    """The most memory that was in use until its end."""
    memory_counted: str | None = None
    """What the memory is of, see :func:`ranet.device.peak_memory`."""
    revision: str | None = None
    """The code that segmented it, see :func:`ranet.provenance.revision`."""


def segment_sequence(
    follower: Follower,
    frames: Iterable[tuple[str, np.ndarray]],
    labels: np.ndarray,
    folder: Path,
    *,
    labels_from: str | Path,
    after_frame: Callable[[np.ndarray, np.ndarray], None] = lambda frame, labels: None,
) -> Timing:
    """Segment a video from its first frame on and write a mask per frame.

    Args:
        follower: what segments.
        frames: names and frames H×W×3 uint8, in order; a thread reads a few ahead.
        labels: H×W uint8 of the first frame's objects; they are written as its mask.
        folder: where the masks ``<name>.png`` appear, all at once; one that exists is replaced.
        labels_from: what to call the labels in a message: their file.
        after_frame: called with each frame and its labels, in this thread; the mask may not be on
            the disk yet.

    Raises:
        DataError: a frame cannot be read, or the labels do not fit the first.
        OutputError: a mask cannot be written.
    """
    began, step_ms = time.perf_counter(), []
    with (
        atomic_folder(folder, replace=True) as unfinished,
        read_ahead(prepared(frames, follower.prepare), FRAMES_AHEAD) as coming,
        masks_written(unfinished) as write,
    ):
        for index, (name, frame, ready) in enumerate(coming):
            if index == 0:
                with naming_first_mask(labels_from):
                    result = follower.start(frame, labels)
            else:
                result = follower.step(ready)
                step_ms.append(1000 * follower.step_seconds)
            write(name, result)
            after_frame(frame, result)
    return Timing(
        step_ms,
        total_ms=1000 * (time.perf_counter() - began),
        online_ms=1000 * follower.online_seconds,
    )


def prepared(
    frames: Iterable[tuple[_Name, np.ndarray]],
    prepare: Callable[[np.ndarray], Frame],
    *,
    first_step: int = 1,
) -> Iterator[tuple[_Name, np.ndarray, Frame]]:
    """Names, frames, and what a step takes for them.

    Args:
        frames: names and frames H×W×3 uint8.
        prepare: makes it.
        first_step: position, from 0, of the first frame that a step takes; those before it are
            left as they are.
    """
    for index, (name, frame) in enumerate(frames):
        yield name, frame, prepare(frame) if index >= first_step else frame


@contextlib.contextmanager
def masks_written(folder: Path) -> Iterator[Callable[[str, np.ndarray], None]]:
    """What writes the mask of the frame of a name, ``<name>.png``, in a thread.

    See :func:`~ranet.inference.overlap.write_behind`; the masks should not change afterwards.
    """

    def write(name: str, labels: np.ndarray) -> None:
        write_labels(folder / f"{name}.png", labels)

    with write_behind(write, MASKS_BEHIND) as hand_over:
        yield hand_over
