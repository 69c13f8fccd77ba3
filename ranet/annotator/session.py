"""A person's work on one video: marks, masks, exports. All that the page shows comes from here."""

import contextlib
import logging
import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import validate_call

from ranet import VideoSegmenter
from ranet.annotator.journal import Journal
from ranet.annotator.marks import FrameMarks, Marks
from ranet.datasets.frames import FrameSource
from ranet.datasets.image_io import read_labels, write_labels
from ranet.datasets.random_access import FrameReader
from ranet.errors import DataError, RANetError
from ranet.files import atomic_folder, output_errors
from ranet.inference.outputs import Outputs, write_outputs
from ranet.inference.video import segment_video
from ranet.palette import PALETTE

_logger = logging.getLogger(__name__)

_SAVE_EVERY = 2.0
"""Seconds of work that are done again, at most, when a stopped segmentation goes on."""

MISTAKE = (
    "Something went wrong, which is a mistake of this program: {}. The terminal tells more; "
    "please report it."
)


class BusyError(RANetError):
    """One thing at a time: something else is being done."""


class StoppedError(Exception):
    """Ends the work of a job whose stop was asked for."""


class Job(threading.Thread):
    """Work on the frames of a video, which others watch and may stop.

    Args:
        doing: what to call it, such as ``segmenting``.
        total: frames that it is about, as far as anybody knows.
        work: called with this; it calls :meth:`advance` after every frame.
        done: frames that were done before.
    """

    def __init__(
        self, doing: str, total: int, work: Callable[["Job"], None], done: int = 0
    ) -> None:
        super().__init__(name=doing)
        self.doing, self.total, self.done = doing, total, done
        self.frame: int | None = None  # number of the one that was done last
        self.state: Literal["running", "done", "stopped", "failed"] = "running"
        self.error: str | None = None
        self.stopping = threading.Event()
        self._work, self._before, self._began = work, done, time.monotonic()

    def advance(self, frame: int, done: int) -> None:
        """A frame is done, now so many are; raises StoppedError if it should be the last one."""
        self.frame, self.done = frame, done
        if self.stopping.is_set():
            raise StoppedError

    def run(self) -> None:
        """In the thread: the work, and how it ended."""
        try:
            self._work(self)
            self.state = "done"
        except StoppedError:
            self.state = "stopped"
        except RANetError as error:
            self.state, self.error = "failed", str(error)
        except Exception as error:  # nobody else would hear of it
            _logger.exception("%s failed", self.doing)
            self.state = "failed"
            self.error = MISTAKE.format(f"{type(error).__name__}: {error}")

    def as_json(self) -> dict[str, Any]:
        """What the page shows of it."""
        running, new, left = self.is_alive(), self.done - self._before, self.total - self.done
        seconds = (time.monotonic() - self._began) / new * max(0, left) if new > 0 else None
        return {
            "doing": self.doing,
            "state": "running" if running else self.state,
            "stopping": running and self.stopping.is_set(),
            "done": min(self.done, self.total),
            "total": self.total,
            "frame": self.frame,
            "seconds_left": seconds if running else None,
            "error": self.error,
        }


@dataclass
class Segmentation:
    """The masks that some marks lead to, which can be seen as they come."""

    marks: Marks
    backward: bool
    """Whether the frames before the first marked one are segmented, too."""
    folder: Path
    frames: set[int] = field(default_factory=set)
    """Numbers of those that have a mask."""
    complete: bool = False

    @property
    def masks(self) -> Path:
        """``<name of the frame>.png``."""
        return self.folder / ("masks" if self.complete else "seen")


class Session:
    """One video, one person; may be called from many threads.

    What the page asks for raises DataError where it cannot be done, BusyError while something else
    is being done, OutputError where a change cannot be written (it is not made, then), and
    pydantic's ValidationError for arguments that are none.

    Args:
        title: what to call the video.
        source: the video; its frames can be read more than once.
        segmenter: what segments; nobody else uses it meanwhile.
        journal: the marks, which fit the video.
        out: where exports go: to this folder, or to ``out-2``, … where it holds something already.
        work: an empty folder for masks that are not exported yet, which the caller removes.

    Raises:
        DataError: the frames come only once.
    """

    def __init__(
        self,
        title: str,
        source: FrameSource,
        segmenter: VideoSegmenter,
        journal: Journal,
        *,
        out: Path,
        work: Path,
    ) -> None:
        self.title, self.source, self.journal = title, source, journal
        self.job: Job | None = None  # what is being done, or was done last
        self.exported: list[Path] = []
        """Folders that were written, the last one at the end."""
        self._reader = FrameReader(source)
        self._segmenter, self._out, self._work = segmenter, out, work
        self._segmentation: Segmentation | None = None
        self._saved = journal.now  # the marks that were exported last, or begun with
        self._jobs = 0  # begun so far
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._trouble: str | None = None
        self._counting = threading.Thread(target=self._count_frames, name="count-frames")
        self._counting.start()

    def image(self, number: int) -> np.ndarray:
        """H×W×3 uint8 RGB of a frame; DataError where there is none."""
        return self._reader.read(number)

    def labels(self, number: int) -> np.ndarray:
        """H×W uint8: what is marked in a frame, in front of what was found in it."""
        self._reader.name(number)
        with self._lock:
            marks, found = self._marks(number), self._found(number)
        if found is None:
            return marks.labels
        behind = np.where(np.isin(found, list(marks.ids)), 0, found)
        return np.where(marks.labels > 0, marks.labels, behind).astype(np.uint8)

    def as_json(self) -> dict[str, Any]:
        """All that the page shows, but for pictures."""
        with self._lock:
            now, segmentation = self.journal.now, self._segmentation
            ids = {number: now.frames[number].ids for number in now.labels()}
            return {
                "title": self.title,
                "size": list(self.source.size),
                "frame_rate": float(self.source.frame_rate or 0) or None,
                "frames": self._reader.known,
                "counting": self._counting.is_alive(),
                "trouble": self._trouble,
                "resumed": self.journal.resumed,
                "objects": [
                    {
                        "id": label,
                        "colour": "#" + bytes(PALETTE[label]).hex(),
                        "frames": [number for number, held in ids.items() if label in held],
                    }
                    for label in now.objects
                ],
                "marked": list(ids),
                "can_undo": self.journal.can_step(-1),
                "can_redo": self.journal.can_step(1),
                "found": _spans(frozenset(segmentation.frames) if segmentation else ()),
                "complete": bool(segmentation and segmentation.complete),
                "can_go_on": self._can_go_on(),
                "backward": bool(segmentation and segmentation.backward),
                "job": {"number": self._jobs, **self.job.as_json()} if self.job else None,
                "exported": [str(path.resolve()) for path in self.exported],
            }

    @validate_call
    def edit(
        self,
        frame: int,
        object: int,
        kind: Literal["box", "polygon", "brush", "eraser", "refine", "clear"],
        **arguments: Any,
    ) -> None:
        """Change the marks of an object in a frame, by a method of :class:`FrameMarks`."""
        self._reader.name(frame)
        with self._lock:
            now, marks, found = self.journal.now, self._marks(frame), self._found(frame)
            now.check(object)
            if found is not None and kind in ("brush", "eraser", "refine"):
                marks = marks.with_found(object, found)
            if kind == "refine":
                arguments["image"] = self._reader.read(frame)
            marks = getattr(marks, kind)(object, **arguments)
            self.journal.do(Marks(now.objects, {**now.frames, frame: marks}), frame)

    @validate_call
    def add_object(self, frame: int) -> int:
        """Add an object, to be marked in ``frame``; its id."""
        self._reader.name(frame)
        with self._lock:
            marks, added = self.journal.now.with_new_object()
            self.journal.do(marks, frame)
            return added

    @validate_call
    def remove_object(self, object: int, frame: int) -> None:
        """Remove an object and all of its marks; ``frame`` is looked at."""
        self._reader.name(frame)
        with self._lock:
            self.journal.do(self.journal.now.without(object), frame)

    @validate_call
    def step(self, by: Literal[-1, 1]) -> int:
        """Undo or redo; the number of the frame where that can be seen."""
        with self._lock:
            return self.journal.step(by)

    @validate_call
    def segment(self, backward: bool = False) -> None:
        """Begin to segment; where the same was stopped before, go on with it.

        Args:
            backward: also the frames before the first marked one.
        """
        with self._lock:
            self._check_idle()
            marks, last = self.journal.now, self._segmentation
            if not marks.labels():
                raise DataError("There is nothing to follow yet: mark an object first.")
            if last is None or last.backward != backward or not self._can_go_on():
                folder = self._work / f"{self._jobs:04d}"
                self._segmentation = Segmentation(marks, backward, folder)
                if last:
                    shutil.rmtree(last.folder, ignore_errors=True)
            before = 0 if backward else min(marks.labels())
            total = self._number_of_frames() - before
            self._begin("segmenting", total, self._follow, len(self._segmentation.frames))

    @validate_call
    def export(
        self,
        overlay: bool = True,
        cut_out: Literal["png", "webm"] | None = None,
        coco: bool = False,
    ) -> None:
        """Begin to write marks, masks and what is made of them to a folder; it appears whole.

        Args:
            overlay: ``overlay.mp4``: the objects over the frames.
            cut_out: ``cut_out/`` or ``cut_out.webm``: the objects on nothing.
            coco: ``masks.json``: run lengths.
        """
        made = {
            "overlay": overlay and "overlay.mp4",
            "cut_out": cut_out and {"png": "cut_out", "webm": "cut_out.webm"}[cut_out],
            "coco": coco and "masks.json",
        }
        with self._lock:
            self._check_idle()
            marks, segmentation = self.journal.now, self._segmentation
            found = segmentation if segmentation and segmentation.frames else None
            if found is None and not marks.labels():
                raise DataError("There is nothing to export yet: mark an object first.")

            def write(job: Job) -> None:
                with self._new_folder(marks) as folder:
                    if found is None:
                        return
                    with output_errors(folder):
                        shutil.copytree(found.masks, folder / "masks")
                    outputs = Outputs(
                        **{what: folder / name for what, name in made.items() if name}
                    )
                    if outputs.wanted():
                        write_outputs(_Watched(self.source, job), found.masks, outputs)

            self._begin("exporting", self._number_of_frames(), write)

    @validate_call
    def stop(self) -> None:
        """Ask what is being done to end after the frame that it is at."""
        if self.job:
            self.job.stopping.set()

    def close(self) -> None:
        """End what is being done, and save marks that changed and were not exported as masks."""
        with self._lock:  # from here on nothing else begins
            self._closing.set()
        if self.job:
            self.job.stopping.set()
            self.job.join()
        self._counting.join()
        self._reader.close()
        if self.journal.now.labels() and self.journal.now is not self._saved:
            with self._new_folder(self.journal.now):
                pass
            _logger.info("marks that were not exported are saved in %s", self.exported[-1])

    def _begin(self, doing: str, total: int, work: Callable[[Job], None], done: int = 0) -> None:
        self._jobs += 1
        self.job = Job(doing, total, work, done)
        self.job.start()

    def _check_idle(self) -> None:
        if self._closing.is_set():
            raise BusyError("The annotator is being ended: start it again in the terminal.")
        if self.job and self.job.is_alive():
            raise BusyError(f"Still {self.job.doing}: wait until it has ended, or stop it.")

    def _can_go_on(self) -> bool:
        """Whether a segmentation of these very marks was begun and has not come to its end."""
        begun = self._segmentation
        return bool(begun and not begun.complete and begun.marks is self.journal.now)

    def _follow(self, job: Job) -> None:
        """Segment, from the beginning or from where it was stopped."""
        segmentation = self._segmentation

        def show(number: int, name: str, frame: np.ndarray, labels: np.ndarray) -> None:
            write_labels(segmentation.masks / f"{name}.png", labels)
            segmentation.frames.add(number)
            job.advance(number, len(segmentation.frames))

        segment_video(
            self._segmenter,
            self.source,
            segmentation.marks.labels(),
            segmentation.folder / "masks",
            backward=segmentation.backward,
            save_every=_SAVE_EVERY,
            after_frame=show,
        )
        segmentation.complete = True  # what was shown so far stays: someone may be reading it

    @contextlib.contextmanager
    def _new_folder(self, marks: Marks) -> Iterator[Path]:
        """A folder to fill, with the marks in it; it appears whole."""
        number, out = 1, self._out
        with output_errors(out):
            while out.exists() and not (out.is_dir() and not any(out.iterdir())):
                number += 1
                out = self._out.with_name(f"{self._out.name}-{number}")
        with atomic_folder(out) as folder:
            for frame, labels in marks.labels().items():
                write_labels(folder / "annotations" / f"{self.source.name(frame)}.png", labels)
            yield folder
        self.exported.append(out)
        self._saved = marks

    def _count_frames(self) -> None:
        try:
            self._reader.count_frames(self._closing.is_set)
        except RANetError as error:
            self._trouble = str(error)

    def _number_of_frames(self) -> int:
        claimed = (self.source.count or 0) if self._counting.is_alive() else 0
        return max(claimed, self._reader.known)

    def _marks(self, number: int) -> FrameMarks:
        return self.journal.now.frames.get(number) or FrameMarks.empty(self.source.size)

    def _found(self, number: int) -> np.ndarray | None:
        """H×W uint8: what the network gave this frame; None: nothing yet."""
        begun = self._segmentation
        if begun is None or number not in begun.frames:
            return None
        return read_labels(begun.masks / f"{self.source.name(number)}.png")


class _Watched:
    """A :class:`FrameSource` that tells a job of every frame that is taken from it."""

    def __init__(self, source: FrameSource, job: Job) -> None:
        self._source, self._job = source, job

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        for number, named in enumerate(self._source):
            self._job.advance(number, number + 1)
            yield named


def _spans(numbers: Collection[int]) -> list[tuple[int, int]]:
    """First and last of the numbers that follow each other."""
    firsts = sorted(n for n in numbers if n - 1 not in numbers)
    lasts = sorted(n for n in numbers if n + 1 not in numbers)
    return list(zip(firsts, lasts, strict=True))
