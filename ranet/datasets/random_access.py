"""Frames of a video in any order, one at a time.

Frames have the numbers that :mod:`ranet.datasets.video_io` gives them, however they are reached. A
video file is first decoded once, by :meth:`FrameReader.count_frames`, only to learn the times of
its frames: what containers tell of their number and places is a claim. Then any frame can be sought
by its time.
"""

import bisect
import itertools
import threading
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

import numpy as np

from ranet.datasets.frames import FrameSource, ImageFrames
from ranet.datasets.video_file import Decoding, decoded, opened_video
from ranet.datasets.video_io import AnimationFrames, VideoFrames
from ranet.errors import DataError

if TYPE_CHECKING:
    import av

    _Decoding = Generator[tuple[int, av.VideoFrame], None, None]  # numbers, and frames

_NEAR = 16
"""Frames up to which decoding on is taken to be quicker than seeking."""


class FrameReader:
    """Any frame of a video, in any order and from any thread; of images, all are known at once.

    The source's own iteration stays as it is.

    Raises:
        DataError: the frames come only once.
    """

    def __init__(self, source: FrameSource) -> None:
        if not isinstance(source, ImageFrames | AnimationFrames | VideoFrames):
            raise DataError(
                "Frames that come only once, from a camera or standard input, cannot be read in "
                "any order."
            )
        self._source = source
        # Of a video file:
        self._times: list[int | None] = []  # of the known frames, in the stream's own unit
        self._numbers: dict[int | None, int] = {}  # by time
        self._keys: list[int] = []  # numbers of the frames at which decoding can begin
        self._lock = threading.Lock()
        self._decoding: _Decoding | None = None  # where decoding is
        self._last = -1  # number of the frame that came last from it

    @property
    def known(self) -> int:
        """Frames that can be read so far."""
        return len(self._times) if isinstance(self._source, VideoFrames) else self._source.count

    def count_frames(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Make all frames known, from the first to the last; in a thread of its own, if need be.

        Args:
            stop: asked after every frame whether to end early.

        Raises:
            DataError: the file is damaged or may lack frames; those that can be read are known.
        """
        if not isinstance(self._source, VideoFrames):
            return
        decoding = Decoding(self._source.path, self._source.frame_rate)
        for number, frame in enumerate(decoding):
            if frame.key_frame:
                self._keys.append(number)
            self._numbers[frame.pts] = number
            self._times.append(frame.pts)
            if stop():
                return
        if decoding.problem:
            raise DataError(decoding.problem)

    def name(self, number: int) -> str:
        """What the frame is called; DataError if it is not known."""
        if not 0 <= number < self.known:
            raise DataError(f"There is no frame {number}: frames 0 to {self.known - 1} are known.")
        return self._source.name(number)

    def read(self, number: int) -> np.ndarray:
        """H×W×3 uint8 RGB.

        Raises:
            DataError: there is no such frame, it is not known yet, or cannot be read.
        """
        self.name(number)
        if not isinstance(self._source, VideoFrames):
            return self._source.read(number)
        with self._lock:
            frame = None
            if self._decoding and 0 < number - self._last <= _NEAR:
                frame = self._wait_for(number, self._decoding)
            if frame is None:
                frame = self._wait_for(number, self._sought(number))
            if frame is None:  # from the beginning: slow, and always right
                frames = Decoding(self._source.path, self._source.frame_rate)
                frame = self._wait_for(number, (pair for pair in enumerate(frames)))
        if frame is None:
            raise DataError(
                f"Frame {number} of {self._source.path} was there when the file was opened, but is "
                "there no longer."
            )
        return self._source.shown(frame, number)

    def close(self) -> None:
        """Close what is open."""
        with self._lock:
            if self._decoding is not None:
                self._decoding.close()
            self._decoding = None

    def _wait_for(self, number: int, decoding: "_Decoding") -> "av.VideoFrame | None":
        """The frame, if it comes next or later; decoding can go on from there."""
        if decoding is not self._decoding and self._decoding is not None:
            self._decoding.close()
        self._decoding = decoding
        for self._last, frame in decoding:
            if self._last >= number:
                return frame if self._last == number else None
        return None

    def _sought(self, number: int) -> "_Decoding":
        """Frames from the last place at or before one where decoding can begin, or from later on.

        No frames, where times are missing or stand there twice: these tell nothing.
        """
        if None in self._numbers or len(self._numbers) < len(self._times) or not self._keys:
            return
        key = self._keys[max(0, bisect.bisect(self._keys, number) - 1)]
        with opened_video(self._source.path) as (container, stream):
            container.seek(self._times[key], stream=stream)
            frames = decoded(container.demux(stream), stream)
            # What is shown before the key frame may need frames before it, and be wrong.
            for frame in itertools.dropwhile(lambda frame: not frame.key_frame, frames):
                if frame.pts in self._numbers:  # unknown ones may come while they are counted
                    yield self._numbers[frame.pts], frame
