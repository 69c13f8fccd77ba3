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

_NEAR = 16
"""Frames up to which decoding on is taken to be quicker than seeking."""


class FrameReader:
    """Any frame of a video, in any order and from any thread; of images, all are known at once."""

    def __init__(self, source: ImageFrames | AnimationFrames | VideoFrames) -> None:
        self._source = source

    @property
    def known(self) -> int:
        """Frames that can be read so far."""
        return self._source.count or 0

    def count_frames(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Make all frames known, from the first to the last; in a thread of its own, if need be.

        Args:
            stop: asked after every frame whether to end early.

        Raises:
            DataError: the file is damaged or may lack frames; those that can be read are known.
        """

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
        return self._source.read(number)

    def close(self) -> None:
        """Close what is open."""


def random_access(source: FrameSource) -> FrameReader:
    """A reader of the frames of ``source``, whose own iteration stays as it is.

    Raises:
        DataError: the frames come only once.
    """
    if isinstance(source, VideoFrames):
        return _VideoReader(source)
    if isinstance(source, ImageFrames | AnimationFrames):
        return FrameReader(source)
    raise DataError(
        "Frames that come only once, from a camera or standard input, cannot be read in any order."
    )


class _VideoReader(FrameReader):
    """Of a video file."""

    def __init__(self, source: VideoFrames) -> None:
        super().__init__(source)
        self._times: list[int | None] = []  # of the known frames, in the stream's own unit
        self._numbers: dict[int | None, int] = {}  # by time
        self._keys: list[int] = []  # numbers of the frames at which decoding can begin
        self._lock = threading.Lock()
        self._decoding: Generator[tuple[int, av.VideoFrame], None, None] | None = None
        self._last = 0  # number of the frame that came last from it

    @property
    def known(self) -> int:
        return len(self._times)

    def count_frames(self, stop: Callable[[], bool] = lambda: False) -> None:
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

    def read(self, number: int) -> np.ndarray:
        self.name(number)
        with self._lock:
            frame = self._go_on_to(number) or self._seek(number) or self._decode_all_up_to(number)
        if frame is None:
            raise DataError(
                f"Frame {number} of {self._source.path} was there when the file was opened, but is "
                "there no longer."
            )
        return self._source.shown(frame, number)

    def close(self) -> None:
        with self._lock:
            self._begin(None)

    def _go_on_to(self, number: int) -> "av.VideoFrame | None":
        """The frame, if it is one of the next."""
        return self._wait_for(number) if 0 < number - self._last <= _NEAR else None

    def _seek(self, number: int) -> "av.VideoFrame | None":
        """The frame, from the last place before it at which decoding can begin."""
        # Times that are missing, or stand there twice, tell nothing.
        if None in self._numbers or len(self._numbers) < len(self._times) or not self._keys:
            return None
        key = self._keys[max(0, bisect.bisect(self._keys, number) - 1)]
        self._begin(self._decoded_from(key))
        return self._wait_for(number)

    def _decode_all_up_to(self, number: int) -> "av.VideoFrame | None":
        """The frame, from the beginning: slow, and always right."""
        frames = Decoding(self._source.path, self._source.frame_rate)
        self._begin((n, frame) for n, frame in enumerate(frames))
        return self._wait_for(number)

    def _begin(self, decoding: "Generator[tuple[int, av.VideoFrame], None, None] | None") -> None:
        if self._decoding is not None:
            self._decoding.close()
        self._decoding, self._last = decoding, -1

    def _wait_for(self, number: int) -> "av.VideoFrame | None":
        """The frame, if it comes next or later."""
        for found, frame in self._decoding or ():
            self._last = found
            if found >= number:
                return frame if found == number else None
        return None

    def _decoded_from(self, key: int) -> "Generator[tuple[int, av.VideoFrame], None, None]":
        """The frames from a key frame on, or from a later one where the container is not exact."""
        with opened_video(self._source.path) as (container, stream):
            container.seek(self._times[key], stream=stream)
            frames = decoded(container.demux(stream), stream)
            # What is shown before the key frame may need frames before it, and be wrong.
            for frame in itertools.dropwhile(lambda frame: not frame.key_frame, frames):
                if frame.pts in self._numbers:  # unknown ones may come while they are counted
                    yield self._numbers[frame.pts], frame
