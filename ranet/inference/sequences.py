"""Videos from frames to folders of masks, one after the other or several at once.

The masks of a video appear as one folder when all of them are written, never a part of them. A
thread reads the next frames and another one writes the masks, while the network is at work. When a
video ends, the next one takes its place, so that a batch stays full while there are videos.
"""

import contextlib
import itertools
import time
from collections.abc import (
    Callable,
    Collection,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ranet.datasets.image_io import MaskReader, read_marks, write_labels
from ranet.datasets.labels import checked_labels, naming_mask
from ranet.files import atomic_folder
from ranet.inference.canvas import Frame
from ranet.inference.running import FRAMES_AHEAD, MASKS_BEHIND, read_ahead, write_behind
from ranet.inference.tracker import Tracker
from ranet.wording import count, some_of


@dataclass(frozen=True)
class Job:
    """A video to segment."""

    name: str
    frames: Iterable[tuple[str, np.ndarray]]
    """Names and frames H×W×3 uint8, in order."""
    marks: Mapping[str, np.ndarray | Path]
    """Where objects begin: labels H×W uint8, or their file, by the name of the frame; at least one.
    Objects that are followed already are not marked anew."""
    folder: Path
    """Where the masks appear, all at once; one that exists is replaced."""
    read: MaskReader = read_marks
    """For files of marks."""
    wanted: Collection[str] | None = None
    """Names of the frames whose masks are written; None: all."""
    group: Any = None
    """Only videos of one group are followed in one step."""


@dataclass
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
    """How the steps were computed, see :attr:`.Tracker.ways`; none: plainly."""
    peak_bytes: int | None = None
    """The most memory that was in use until its end."""
    memory_counted: str | None = None
    """What the memory is of, see :func:`ranet.device.peak_memory`."""
    revision: str | None = None
    """The code that segmented it, see :func:`ranet.provenance.revision`."""


@dataclass
class _Still:
    """A video of which nothing moves."""

    labels: np.ndarray
    ids: tuple[int, ...]


class CopyFirstMask:
    """The baseline that any method must leave far behind, with the calls of a :class:`.Tracker`."""

    device = torch.device("cpu")
    step_seconds = online_seconds = 0.0
    ways = ()

    def start(self, frame: np.ndarray, labels: np.ndarray) -> _Still:
        """Remember the labels; all frames will have them."""
        return _Still(*checked_labels(labels, frame.shape[:2]))

    def group(self, size: tuple[int, int], objects: int) -> None:
        """All videos can be in one step."""

    def prepare(self, frame: np.ndarray) -> Frame:
        """The frame as it is."""
        return frame

    def step(self, videos: Sequence[_Still], frames: Sequence[Frame]) -> list[np.ndarray]:
        """The labels of the first frames."""
        return [video.labels for video in videos]

    def add_objects(self, video: _Still, frame: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """The labels, with further objects before them."""
        labels, ids = checked_labels(labels, frame.shape[:2])
        video.labels, video.ids = np.where(labels > 0, labels, video.labels), video.ids + ids
        return video.labels


def segment(
    tracker: Tracker | CopyFirstMask,
    jobs: Iterable[Job],
    at_once: int = 1,
    before_frames: Callable[[int], None] = lambda frames: None,
) -> Iterator[tuple[Job, Timing]]:
    """Segment videos, and write a mask per frame.

    However long they are, a few frames and masks of each are in memory. What ends this early (an
    error, Ctrl-C, closing it) leaves no masks of the videos that are not finished.

    Args:
        tracker: what follows them.
        jobs: one group after the other; each is taken when its turn comes.
        at_once: how many are followed at the same time: one, where objects begin in later frames
            or with online learning.
        before_frames: called with how many frames come next; what it raises ends all.

    Yields:
        Each job when its masks are there, and its times. The time of a step is divided among the
        frames in it, and all of the time among the videos under way.

    Raises:
        DataError: a frame or a mark cannot be read, or marks do not fit their frame.
        OutputError: a mask cannot be written.
    """
    for _, group in itertools.groupby(jobs, key=lambda job: job.group):
        yield from _segment_group(tracker, group, at_once, before_frames)


def _segment_group(
    tracker: Tracker | CopyFirstMask,
    jobs: Iterator[Job],
    at_once: int,
    before_frames: Callable[[int], None],
) -> Iterator[tuple[Job, Timing]]:
    videos: list[_Video] = []
    last = time.perf_counter()

    def share_time(among: Sequence[_Video]) -> None:
        nonlocal last
        now = time.perf_counter()
        for video in among:
            video.timing.total_ms += 1000 * (now - last) / len(among)
        last = now

    try:
        while True:
            for job in itertools.islice(jobs, at_once - len(videos)):
                before_frames(1)
                videos.append(_Video(job, tracker))
                videos[-1].go_on()
                share_time(videos[-1:])
            if not videos:
                return
            if all(video.step for video in videos):  # those of one frame have ended already
                before_frames(len(videos))
                _step(tracker, videos)
                share_time(videos)
            for video in [video for video in videos if video.step is None]:
                videos.remove(video)
                yield video.job, video.timing
    finally:
        for video in videos:
            video.frames.close()


def _step(tracker: Any, videos: Sequence["_Video"]) -> None:
    """Take all videos a frame further."""
    try:
        results = tracker.step(*zip(*(video.step for video in videos), strict=True))
    except Exception as error:
        names = some_of([video.job.name for video in videos])
        error.add_note(f"In a step with {count(videos, 'video')}: {names}.")
        raise
    for video, labels in zip(videos, results, strict=True):
        timing, steps = video.timing, video.timing.step_ms
        before = timing.videos_at_once * len(steps)
        steps.append(1000 * tracker.step_seconds / len(videos))
        timing.videos_at_once = (before + len(videos)) / len(steps)
        video.go_on(labels)


class _Video:
    """A video between its first frame and its last mask; closing ``frames`` drops its masks."""

    def __init__(self, job: Job, tracker: Any) -> None:
        self.job, self.timing = job, Timing()
        self.frames = _frames(job, self.timing, tracker)
        self.step: tuple[Any, Frame] | None = None  # what the next takes; None: it has ended

    def go_on(self, labels: np.ndarray | None = None) -> None:
        """To the next step, with the labels of the last one if there was any."""
        try:
            self.step = self.frames.send(labels)
        except StopIteration:
            self.step = None


def _frames(
    job: Job, timing: Timing, tracker: Any
) -> Generator[tuple[Any, Frame], np.ndarray | None, None]:
    """Yields what each step takes of a video, and is sent the labels; in the end they are there."""
    prepared = ((name, frame, tracker.prepare(frame)) for name, frame in job.frames)
    video = None
    with (
        atomic_folder(job.folder, replace=True) as folder,
        read_ahead(prepared, FRAMES_AHEAD) as frames,
        write_behind(write_labels, MASKS_BEHIND) as later,
    ):
        for name, frame, ready in frames:
            marks = job.marks.get(name)
            if video is not None:
                labels = yield video, ready
                if marks is not None:
                    read = _labels(job, marks)
                    new = np.where(np.isin(read, video.ids), 0, read)
                    if new.any():
                        with _naming(job, name, "mask"):
                            labels = tracker.add_objects(video, frame, new)
            elif marks is not None:
                with _naming(job, name, "first mask"):
                    video = tracker.start(frame, _labels(job, marks))
                timing.online_ms = 1000 * tracker.online_seconds
                labels = video.labels
            else:  # before the first marks, all is background
                labels = np.zeros(frame.shape[:2], np.uint8)
            if job.wanted is None or name in job.wanted:
                later(folder / f"{name}.png", labels)


def _labels(job: Job, marks: np.ndarray | Path) -> np.ndarray:
    return job.read(marks) if isinstance(marks, Path) else marks


def _naming(job: Job, frame: str, what: str) -> contextlib.AbstractContextManager[None]:
    marks = job.marks[frame]
    return naming_mask(
        marks if isinstance(marks, Path) else f"of frame {frame} of {job.name}", what
    )
