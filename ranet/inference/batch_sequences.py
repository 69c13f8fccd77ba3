"""Several videos at once, from frames to masks on disk, with the time they took.

When a video ends, the next one takes its place at once, so that the batch stays full while there
are videos. The masks of each appear as one folder when all of them are written.
"""

import itertools
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ranet.files import atomic_folder
from ranet.inference.batch_segmenter import BatchSegmenter
from ranet.inference.first_mask import naming_first_mask
from ranet.inference.overlap import read_ahead
from ranet.inference.sequence import FRAMES_AHEAD, Timing, masks_written, prepared
from ranet.inference.tracker import FollowedVideo
from ranet.inference.transfer import Frame
from ranet.wording import count, some_of


@dataclass(frozen=True)
class Job:
    """A video to segment."""

    name: str
    frames: Iterable[tuple[str, np.ndarray]]  # names and frames H×W×3 uint8, in order
    labels: np.ndarray  # H×W uint8 of the first frame's objects
    labels_from: str | Path  # what to call the labels in a message: their file
    folder: Path  # where the masks appear, all at once; one that exists is replaced


def segment_together(
    segmenter: BatchSegmenter,
    jobs: Iterable[Job],
    *,
    at_once: int,
    after_frames: Callable[[Sequence[str]], None] = lambda names: None,
) -> Iterator[tuple[Job, Timing]]:
    """Segment videos, several at once, and write a mask per frame.

    However long they are, a few frames and masks of each are in memory. What ends this early (an
    error, Ctrl-C, closing it) leaves no masks of the videos that are not finished.

    Args:
        segmenter: what segments.
        jobs: of one group, see :meth:`BatchSegmenter.group`; each is taken when its turn comes.
        at_once: how many are followed at the same time.
        after_frames: called with the names of the videos that were taken a frame further.

    Yields:
        Each job when its masks are there, and its times. The time of a step is divided among the
        frames in it, and all of the time among the videos under way.

    Raises:
        DataError: a frame cannot be read, or labels do not fit the first.
        OutputError: a mask cannot be written.
    """
    coming = iter(jobs)
    underway: list[_Underway] = []
    lap = _Stopwatch().lap
    try:
        while True:
            for job in itertools.islice(coming, at_once - len(underway)):
                underway.append(_Underway(job, segmenter))
                underway[-1].start()
                underway[-1].total_ms += lap()
                after_frames([job.name])
            if not underway:
                return
            if not any(video.ended for video in underway):  # as those of one frame have already
                _step(segmenter, underway)
                _divide(lap(), underway)
                after_frames([video.job.name for video in underway])
            for video in [video for video in underway if video.ended]:
                underway.remove(video)
                yield video.job, video.timing()
    finally:
        for video in underway:
            video.close()


class _Underway:
    """A video between its first frame and its last mask."""

    def __init__(self, job: Job, segmenter: BatchSegmenter) -> None:
        self.job, self._segmenter = job, segmenter
        self.total_ms = 0.0
        self._step_ms: list[float] = []
        self._videos_stepped = 0  # over all steps
        self._exchange = _frames_for_masks(job, segmenter)
        self.frame: Frame | None = next(self._exchange)

    @property
    def ended(self) -> bool:
        """Whether all masks are written."""
        return self.frame is None

    def start(self) -> None:
        """Take the first frame with the labels given."""
        with naming_first_mask(self.job.labels_from):
            self.video: FollowedVideo = self._segmenter.start(self.frame, self.job.labels)
        self._go_on(self.video.labels)

    def take(self, labels: np.ndarray, step_ms: float, videos: int) -> None:
        """Take the labels of a frame, of a step with so many videos; go on to the next."""
        self._step_ms.append(step_ms / videos)
        self._videos_stepped += videos
        self._go_on(labels)

    def timing(self) -> Timing:
        """How long it took, when it has ended."""
        steps = len(self._step_ms)
        at_once = self._videos_stepped / steps if steps else 1.0
        return Timing(self._step_ms, total_ms=self.total_ms, videos_at_once=at_once)

    def close(self) -> None:
        """Drop what was written, unless it has ended."""
        self._exchange.close()

    def _go_on(self, labels: np.ndarray) -> None:
        try:
            self.frame = self._exchange.send(labels)
        except StopIteration:
            self.frame = None


def _frames_for_masks(job: Job, segmenter: BatchSegmenter) -> Generator[Frame, np.ndarray, None]:
    """Yields each frame, all but the first prepared, and is sent its labels.

    Ends when their folder has appeared.
    """
    with (
        atomic_folder(job.folder, replace=True) as unfinished,
        read_ahead(prepared(job.frames, segmenter.prepare), FRAMES_AHEAD) as coming,
        masks_written(unfinished) as write,
    ):
        for name, _, ready in coming:
            labels = yield ready
            write(name, labels)


def _step(segmenter: BatchSegmenter, underway: Sequence[_Underway]) -> None:
    """Take all videos a frame further."""
    try:
        results = segmenter.step([u.video for u in underway], [u.frame for u in underway])
    except Exception as error:
        names = some_of([u.job.name for u in underway])
        error.add_note(f"In a step with {count(underway, 'video')}: {names}.")
        raise
    for video, labels in zip(underway, results, strict=True):
        video.take(labels, 1000 * segmenter.step_seconds, len(underway))


def _divide(milliseconds: float, underway: Sequence[_Underway]) -> None:
    for video in underway:
        video.total_ms += milliseconds / len(underway)


class _Stopwatch:
    """Tells the milliseconds between two looks at it."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap(self) -> float:
        """Milliseconds since the last call, or since it was made."""
        last, self._last = self._last, time.perf_counter()
        return 1000 * (self._last - last)
