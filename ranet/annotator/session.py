"""A person's work on one video: marks, masks, exports. All that the page shows comes from here."""

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ranet.annotator.annotation import Annotations, FrameAnnotation, History
from ranet.annotator.edits import Edit, Scene
from ranet.annotator.export import ExportRequest, free_folder, write_export, write_marks
from ranet.annotator.job import BusyError, Job
from ranet.annotator.segmentation import Segmentation
from ranet.datasets.image_io import read_marks
from ranet.datasets.random_access import random_access
from ranet.datasets.video_io import FrameSource
from ranet.errors import DataError, RANetError
from ranet.inference.first_mask import checked_labels, naming_mask
from ranet.inference.marked_frames import Mask
from ranet.inference.segmenter import VideoSegmenter
from ranet.palette import PALETTE

_logger = logging.getLogger(__name__)


class Session:
    """One video, one person; may be called from many threads.

    Args:
        title: what to call the video.
        source: the video; its frames can be read more than once.
        segmenter: what segments; nobody else uses it meanwhile.
        out: where exports go: to this folder, or to ``out-2``, … where it holds something already.
        work: an empty folder for masks that are not exported yet, which the caller removes.
        masks: marks to begin with, by the number of their frame.

    Raises:
        DataError: the frames come only once, or a mask does not fit.
    """

    def __init__(
        self,
        title: str,
        source: FrameSource,
        segmenter: VideoSegmenter,
        *,
        out: Path,
        work: Path,
        masks: dict[int, Mask] | None = None,
    ) -> None:
        self.title, self.source = title, source
        self.reader = random_access(source)
        self.history = History(_annotations_of(masks or {}, source.size))
        self.job: Job | None = None
        """What is being done, or was done last."""
        self.exported: list[Path] = []
        """Folders that were written, the last one at the end."""
        self._segmenter, self._out, self._work = segmenter, out, work
        self._segmentation: Segmentation | None = None
        self._segmented_version = 0  # of the marks
        self._made = 0  # segmentations
        self._jobs = 0  # begun so far
        self._saved_version = 0  # of the marks
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._trouble: str | None = None
        self._counting = threading.Thread(target=self._count_frames, name="count-frames")
        self._counting.start()

    # --- what there is ---

    def image(self, number: int) -> np.ndarray:
        """H×W×3 uint8 RGB of a frame; DataError where there is none."""
        return self.reader.read(number)

    def labels(self, number: int) -> np.ndarray:
        """H×W uint8: what is marked in a frame, in front of what was found in it."""
        self.reader.name(number)
        with self._lock:
            marks = self._marks(number)
            found = self._found(number)
        if found is None:
            return marks.labels
        behind = np.where(np.isin(found, list(marks.ids)), 0, found)
        return np.where(marks.labels > 0, marks.labels, behind).astype(np.uint8)

    def as_json(self) -> dict[str, Any]:
        """All that the page shows, but for pictures."""
        with self._lock:
            now, segmentation = self.history.now, self._segmentation
            marked = now.marked()
            ids = {number: now.frames[number].ids for number in marked}
            return {
                "title": self.title,
                "size": list(self.source.size),
                "frame_rate": float(self.source.frame_rate or 0) or None,
                "frames": self.reader.known,
                "counting": self._counting.is_alive(),
                "trouble": self._trouble,
                "objects": [
                    {
                        "id": label,
                        "colour": "#" + bytes(PALETTE[label]).hex(),
                        "frames": [number for number, held in ids.items() if label in held],
                    }
                    for label in now.objects
                ],
                "marked": list(marked),
                "can_undo": self.history.can_undo,
                "can_redo": self.history.can_redo,
                "found": _spans(segmentation.frames) if segmentation else [],
                "complete": bool(segmentation and segmentation.complete),
                "can_go_on": self._can_go_on(),
                "backward": bool(segmentation and segmentation.backward),
                "job": {"number": self._jobs, **self.job.as_json()} if self.job else None,
                "exported": [str(path.resolve()) for path in self.exported],
            }

    # --- marks ---

    def edit(self, frame: int, edit: Edit) -> None:
        """Change the marks of a frame.

        Raises:
            DataError: there is no such frame or object, or it cannot be done.
        """
        self.reader.name(frame)
        with self._lock:
            now = self.history.now
            now.check_object(edit.object)
            scene = Scene(lambda: self.reader.read(frame), self._found(frame))
            marks = edit.applied(self._marks(frame), scene)
            self.history.do(now.with_frame(frame, marks), frame)

    def add_object(self, frame: int) -> int:
        """Add an object, to be marked in ``frame``; its id."""
        with self._lock:
            before = self.history.now
            self.history.do(before.with_new_object(), frame)
            (added,) = set(self.history.now.objects) - set(before.objects)
            return added

    def remove_object(self, label: int, frame: int) -> None:
        """Remove an object and all of its marks; ``frame`` is looked at."""
        with self._lock:
            self.history.do(self.history.now.without_object(label), frame)

    def undo(self) -> int:
        """Undo; the number of the frame where that can be seen. DataError if there is nothing."""
        with self._lock:
            return self.history.undo()

    def redo(self) -> int:
        """Undo the undoing, likewise."""
        with self._lock:
            return self.history.redo()

    # --- work ---

    def segment(self, *, backward: bool) -> None:
        """Begin to segment; where the same was stopped before, go on with it.

        Raises:
            BusyError: something is being done.
            DataError: nothing is marked.
        """
        with self._lock:
            self._check_idle()
            if self._can_go_on() and self._segmentation.backward == backward:
                segmentation = self._segmentation
            else:
                segmentation = self._new_segmentation(backward=backward)
            self._begin(
                "segmenting",
                segmentation.total(self._number_of_frames()),
                lambda job: segmentation.run(self._segmenter, job),
                segmentation.done,
            )

    def export(self, request: ExportRequest) -> None:
        """Begin to write marks, masks and what else is asked for.

        Raises:
            BusyError: something is being done.
            DataError: there is nothing to be written.
        """
        with self._lock:
            self._check_idle()
            marks, version = self._named_marks(), self.history.version
            segmentation = self._segmentation
            if segmentation is None and not marks:
                raise DataError("There is nothing to export yet: mark an object first.")
            out = free_folder(self._out)

            def write(job: Job) -> None:
                if segmentation is None:
                    write_marks(marks, out)
                else:
                    write_export(request, self.source, marks, segmentation.masks, out, job)
                self.exported.append(out)
                self._saved_version = version

            self._begin("exporting", self._number_of_frames(), write)

    def stop(self) -> None:
        """Ask what is being done to end."""
        if self.job:
            self.job.stop()

    def close(self) -> None:
        """End what is being done, and save marks that were not exported."""
        with self._lock:  # from here on nothing else begins
            self._closing.set()
        self.stop()
        if self.job:
            self.job.wait()
        self._counting.join()
        self.reader.close()
        self._save_marks()

    def _can_go_on(self) -> bool:
        """Whether a segmentation of these very marks was begun and has not come to its end."""
        begun = self._segmentation
        return bool(
            begun and not begun.complete and self._segmented_version == self.history.version
        )

    def _new_segmentation(self, *, backward: bool) -> Segmentation:
        """In the place of the one before."""
        folder = self._work / f"{self._made:04d}"
        marks = self.history.now.marked()
        segmentation = Segmentation(self.source, marks, folder, backward=backward)
        if self._segmentation:
            self._segmentation.remove()
        self._segmentation = segmentation
        self._segmented_version = self.history.version
        self._made += 1
        return segmentation

    def _begin(self, doing: str, total: int, work: Callable[[Job], None], done: int = 0) -> None:
        self._jobs += 1
        self.job = Job(doing, total, work, done)

    def _check_idle(self) -> None:
        if self._closing.is_set():
            raise BusyError("The annotator is being ended: start it again in the terminal.")
        if self.job and self.job.running:
            raise BusyError(f"Still {self.job.doing}: wait until it has ended, or stop it.")

    def _save_marks(self) -> None:
        marks = self._named_marks()
        if marks and self.history.version != self._saved_version:
            out = free_folder(self._out)
            write_marks(marks, out)
            self.exported.append(out)
            _logger.info("marks that were not exported are saved in %s", out)

    def _count_frames(self) -> None:
        try:
            self.reader.count_frames(self._closing.is_set)
        except RANetError as error:
            self._trouble = str(error)

    def _number_of_frames(self) -> int:
        claimed = self.source.count or 0
        return max(claimed, self.reader.known) if self._counting.is_alive() else self.reader.known

    def _marks(self, number: int) -> FrameAnnotation:
        frames = self.history.now.frames
        return frames[number] if number in frames else FrameAnnotation.empty(self.source.size)

    def _named_marks(self) -> dict[str, np.ndarray]:
        return {self.reader.name(n): labels for n, labels in self.history.now.marked().items()}

    def _found(self, number: int) -> np.ndarray | None:
        return self._segmentation and self._segmentation.labels(number, self.reader)


def _annotations_of(masks: dict[int, Mask], size: tuple[int, int]) -> Annotations:
    """Of masks that there are already."""
    frames = {}
    for number, mask in masks.items():
        labels = read_marks(mask) if isinstance(mask, Path) else mask
        with naming_mask(mask if isinstance(mask, Path) else f"of frame {number}"):
            labels, _ = checked_labels(labels, size)
        frames[number] = FrameAnnotation(labels, np.zeros(size, bool))
    ids = {label for marks in frames.values() for label in marks.ids}
    return Annotations(tuple(sorted(ids)) or (1,), frames)


def _spans(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """First and last of the numbers that follow each other."""
    spans: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][1] + 1:
            spans[-1] = spans[-1][0], number
        else:
            spans.append((number, number))
    return spans
