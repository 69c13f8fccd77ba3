"""Anybody's video, from the masks of some of its frames to a mask of every frame, and more.

Masks come first. What is made of them follows in a second go through the frames, but for frames
that come only once: there, all is made at the same time.
"""

import hashlib
import itertools
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from ranet.datasets.frames import FrameSource, ImageFrames
from ranet.datasets.image_io import read_labels, write_labels
from ranet.datasets.labels import naming_mask
from ranet.datasets.video_io import backwards, no_such_frame
from ranet.errors import DataError
from ranet.inference.canvas import Frame
from ranet.inference.marked_frames import MarkedFrames, Mask, Way
from ranet.inference.network import CHANGES_NO_MASK
from ranet.inference.outputs import (
    Outputs,
    WriteFrame,
    check_free,
    check_outputs,
    opened_outputs,
    write_outputs,
)
from ranet.inference.running import (
    FRAMES_AHEAD,
    MASKS_BEHIND,
    progress_bar,
    read_ahead,
    write_behind,
)
from ranet.inference.segmenter import VideoSegmenter
from ranet.inference.unfinished import (
    Position,
    UnfinishedRun,
    recall,
    remembered,
    unfinished_run,
)
from ranet.interrupt import StopRequest
from ranet.lock import only_writer
from ranet.wording import count

_logger = logging.getLogger(__name__)


class _ReadyFrame(NamedTuple):
    number: int  # in the video, from 0
    name: str
    pixels: np.ndarray  # H×W×3 uint8 RGB
    ready: Frame  # what a step takes for it


def segment_video(
    segmenter: VideoSegmenter,
    source: FrameSource,
    masks: Mapping[int, Mask],
    out: Path,
    *,
    backward: bool = False,
    outputs: Outputs | None = None,
    frame_rate: Fraction | None = None,
    made_with: Mapping[str, Any] | None = None,
    restart: bool = False,
    save_every: float = 10.0,
    after_frame: WriteFrame = lambda number, name, frame, labels: None,
) -> None:
    """Segment a video, write a mask per frame, and make of them what is wanted.

    Everything appears when it is done, the masks last. A run that is interrupted, or fails after
    its state was saved, goes on when it is called again with the same arguments; the masks are the
    same as without interruption (but for a few pixels after online learning on a GPU, which adds up
    in any order). Frames that come only once cannot: there, Ctrl-C ends the video,
    and so does a frame that cannot be read, which is an error all the same.

    Args:
        segmenter: what segments.
        source: the video.
        masks: of the annotated frames by their number, from 0; what they mean:
            :mod:`ranet.inference.marked_frames`.
        out: folder for the masks, ``<name of the frame>.png``; new, or empty.
        backward: segment the frames before the first annotated one, too; otherwise they get no
            mask.
        outputs: what else is wanted; its paths may lie in ``out``.
        frame_rate: of the videos among these, if the source has none.
        made_with: what else decides the masks, for runs that go on: the checkpoint.
        restart: forget what an unfinished run has left.
        save_every: seconds between two states from which a run can go on.
        after_frame: called with every frame that is segmented, whose mask may not be on the disk
            yet.

    Raises:
        DataError: a frame or mask cannot be read, or the masks do not fit the video. What came
            only once is kept up to there.
        OutputError: something cannot be written, ``out`` is not empty or another run writes to it,
            an output would replace the video, or an unfinished run had other settings.
        KeyboardInterrupt: the state is saved.
    """
    outputs = outputs or Outputs()
    check_outputs(outputs, out, source, frame_rate)
    marked = MarkedFrames(masks, source.size)
    _check_frames(marked, source, backward=backward)
    settings = _settings(segmenter, source, marked, backward=backward, made_with=made_with or {})
    place = out.resolve()
    # The lock lies beside the folder, which is not there yet.
    with only_writer(out, place.parent / f".{place.name}.lock"):
        check_free(out, str(out))
        with unfinished_run(out, settings, segmenter.method.state_types, restart=restart) as run:
            work = _Work(segmenter, source, marked, run, after_frame, save_every)
            inside = outputs.moved(out, run.masks)
            if source.live:
                work.live(inside, frame_rate)
            else:
                work.masks(marked.ways(backward=backward), out)
                if inside.wanted():
                    write_outputs(source, run.masks, inside, frame_rate=frame_rate)
            run.finish(out)
    work.report(out)
    if work.broken is not None:
        error, last = work.broken
        kept = f"{count(work.written, 'mask')} up to frame {last}"
        raise DataError(f"{error} Kept {kept}, in {out}.") from error


class _Work:
    """One call of :func:`segment_video`."""

    def __init__(
        self,
        segmenter: VideoSegmenter,
        source: FrameSource,
        marked: MarkedFrames,
        run: UnfinishedRun,
        after_frame: WriteFrame,
        save_every: float,
    ) -> None:
        self._segmenter, self._source, self._marked = segmenter, source, marked
        self._run, self._after_frame, self._save_every = run, after_frame, save_every
        self._began = time.perf_counter()
        self.written = 0
        """Masks."""
        self.broken: tuple[DataError, int] | None = None
        """What ended frames that come only once, if it was no end, and the last one's number."""
        self._read = 0  # frames, until the source ends

    def live(self, outputs: Outputs, frame_rate: Fraction | None) -> None:
        """Masks and outputs at once, until the frames end or Ctrl-C is pressed."""
        _logger.info("these frames come only once: Ctrl-C ends the video and keeps what there is")
        (way,) = self._marked.ways(backward=False)
        with (
            opened_outputs(outputs, self._source, frame_rate) as write,
            StopRequest() as stop,
            progress_bar("segmenting", None) as progress,
            write_behind(_call, MASKS_BEHIND) as later,
        ):
            # Not read ahead: a thread that waits for a frame could not be stopped.
            arriving = self._until(stop, self._frames(way))
            for frame, labels in self._followed(way, arriving, Position()):
                later(self._write, way, frame.name, labels)
                later(write, frame.number, frame.name, frame.pixels, labels)
                self._after_frame(frame.number, frame.name, frame.pixels, labels)
                progress.update()
            if self.broken is None:
                self._check_reached(way, progress.n)

    def masks(self, ways: list[Way], out: Path) -> None:
        """All masks that are not there yet."""
        sizes = [_length(way, self._source) for way in ways]
        total = None if None in sizes else sum(size or 0 for size in sizes)
        position = self._run.position
        if position != Position():
            _logger.info("going on with the unfinished run beside %s", out)
        done = position.frames + sum(size or 0 for size in sizes[: position.ways])
        with progress_bar("segmenting", total, done) as progress:
            for index in range(position.ways, len(ways)):
                self._go(ways[index], self._run.position, progress)
                self._run.save(Position(ways=index + 1))

    def report(self, out: Path) -> None:
        """Say what was done."""
        ms = 1000 * (time.perf_counter() - self._began) / max(1, self.written)
        masks = sum(path.suffix == ".png" for path in out.iterdir())
        _logger.info("%s in %s, %.0f ms a frame", count(masks, "mask"), out, ms)

    def _go(self, way: Way, position: Position, progress: tqdm) -> None:
        """One way from ``position`` to its end, with the state saved every so often."""
        done, saved = position.frames, time.monotonic()
        with (
            read_ahead(self._frames(way), FRAMES_AHEAD) as frames,
            write_behind(_call, MASKS_BEHIND) as later,
            StopRequest() as stop,
        ):
            for frame, labels in self._followed(way, frames, position):
                later(self._write, way, frame.name, labels)
                self._after_frame(frame.number, frame.name, frame.pixels, labels)
                progress.update()
                done += 1
                if stop.requested or time.monotonic() - saved >= self._save_every:
                    # By the same thread, and so behind the masks up to here.
                    memory = remembered(self._segmenter.video)
                    later(self._run.save, Position(position.ways, done, memory))
                    saved = time.monotonic()
                if stop.requested:
                    raise KeyboardInterrupt
        self._check_reached(way, done)

    def _frames(self, way: Way) -> Iterator[_ReadyFrame]:
        """From where the way begins."""
        numbered: Iterator[tuple[int, tuple[str, np.ndarray]]]
        if way.backward:
            reversed_frames = backwards(self._source, way.first + 1, self._run.laid_down)
            numbered = zip(itertools.count(way.first, -1), reversed_frames, strict=False)
        else:
            numbered = itertools.islice(self._numbered(), way.first, None)
        for number, (name, pixels) in numbered:
            yield _ReadyFrame(number, name, pixels, self._segmenter.prepare(pixels))

    def _numbered(self) -> Iterator[tuple[int, tuple[str, np.ndarray]]]:
        for number, named in enumerate(self._source):
            self._read = number + 1
            yield number, named

    def _until(self, stop: StopRequest, frames: Iterator[_ReadyFrame]) -> Iterator[_ReadyFrame]:
        """Frames that come before someone asks to stop, or one cannot be read."""
        number = None
        try:
            for frame in frames:
                number = frame.number
                yield frame
                if stop.requested:
                    return
        except DataError as error:
            # Ctrl-C reaches the program that sends the frames, too, which may end within one.
            if number is None and not stop.requested:
                raise
            if number is not None and not stop.requested:
                self.broken = error, number

    def _followed(
        self, way: Way, frames: Iterator[_ReadyFrame], position: Position
    ) -> Iterator[tuple[_ReadyFrame, np.ndarray]]:
        """The frames behind ``position`` with their labels."""
        for index, frame in enumerate(frames):
            labels = None
            if index == 0:
                with naming_mask(self._marked.name(frame.number)):
                    labels = self._segmenter.start(frame.pixels, self._labels(way, frame.number))
            if position.memory is not None and index == position.frames - 1:
                recall(self._segmenter.video, position.memory)
            if index >= position.frames:
                yield frame, self._step(way, frame) if labels is None else labels

    def _step(self, way: Way, frame: _ReadyFrame) -> np.ndarray:
        labels = self._segmenter.step(frame.ready)
        if frame.number not in way.marked:
            return labels
        with naming_mask(self._marked.name(frame.number)):
            return self._segmenter.correct(frame.pixels, self._labels(way, frame.number))

    def _labels(self, way: Way, number: int) -> np.ndarray:
        return self._marked.labels(number, way.marked[number])

    def _write(self, way: Way, name: str, labels: np.ndarray) -> None:
        """Write a mask; backwards, what was found forwards stays in front."""
        path = self._run.masks / f"{name}.png"
        if way.backward and path.exists():
            forwards = read_labels(path)
            labels = np.where(forwards > 0, forwards, labels)
        write_labels(path, labels)
        self.written += 1

    def _check_reached(self, way: Way, done: int) -> None:
        """Raise DataError where a video, of which nobody knew the length, ended too early."""
        last = max(way.marked)
        if not way.backward and way.first + done <= last:
            raise no_such_frame("The video", last, self._read)


def _call(function: Callable[..., None], *arguments: Any) -> None:
    function(*arguments)


def _length(way: Way, source: FrameSource) -> int | None:
    """Frames on a way; None: unknown."""
    if way.backward:
        return way.first + 1
    return source.count and source.count - way.first


def _check_frames(marked: MarkedFrames, source: FrameSource, *, backward: bool) -> None:
    """Raise DataError where annotated frames do not exist, or cannot be left backwards."""
    last = marked.numbers[-1]
    # A video file's count is a claim: whether the frame exists shows when all are read.
    if isinstance(source, ImageFrames) and last >= len(source.paths):
        raise no_such_frame("The video", last, len(source.paths))
    if backward and source.live:
        raise DataError(
            "Frames that come only once, from a camera or standard input, cannot be segmented "
            "backwards."
        )


def _settings(
    segmenter: VideoSegmenter,
    source: FrameSource,
    marked: MarkedFrames,
    *,
    backward: bool,
    made_with: Mapping[str, Any],
) -> dict[str, Any]:
    """All that decides the masks, so that a run only goes on with what it began with."""
    files = "\n".join(f"{path.name} {path.stat().st_size}" for path in source.paths)
    return {
        **made_with,
        "video": [path.name for path in source.paths[:1]],
        "files": hashlib.sha256(files.encode()).hexdigest(),
        "annotated frames": marked.fingerprints,
        "backward": backward,
        "inference": segmenter.config.model_dump(mode="json", exclude=CHANGES_NO_MASK),
    }
