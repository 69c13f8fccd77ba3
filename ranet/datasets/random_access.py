"""Frames of a video in any order, one at a time.

Frames have the numbers that :mod:`ranet.datasets.video_io` gives them, however they are reached. A
video file is first decoded once, by :meth:`FrameReader.count_frames`, only to learn the times of
its frames: what containers tell of their number and places is a claim. Then any frame can be sought
by its time.
"""

import bisect
import contextlib
import itertools
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ranet.datasets.image_io import read_image
from ranet.datasets.pyav import import_av
from ranet.datasets.video_io import (
    FrameSource,
    ImageFrames,
    VideoFrames,
    decoded_frames,
    frame_name,
    opened_video,
    upright,
)
from ranet.errors import DataError
from ranet.wording import size_text

if TYPE_CHECKING:
    import av

_NEAR = 16
"""Frames up to which decoding on is taken to be quicker than seeking."""


class FrameReader(Protocol):
    """A video of which any frame can be read, from any thread."""

    @property
    def known(self) -> int:
        """Frames that can be read so far."""

    def count_frames(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Make all frames known, from the first to the last; in a thread of its own, if need be.

        Args:
            stop: asked after every frame whether to end early.

        Raises:
            DataError: a frame cannot be read; those before it are known.
        """

    def name(self, number: int) -> str:
        """What the frame is called."""

    def read(self, number: int) -> np.ndarray:
        """H×W×3 uint8 RGB.

        Raises:
            DataError: there is no such frame, it is not known yet, or cannot be read.
        """

    def close(self) -> None:
        """Close what is open."""


def random_access(source: FrameSource) -> FrameReader:
    """A reader of the frames of ``source``, whose own iteration stays as it is.

    Raises:
        DataError: the frames come only once.
    """
    if isinstance(source, ImageFrames):
        return ImageReader(source)
    if isinstance(source, VideoFrames):
        return VideoReader(source)
    raise DataError(
        "Frames that come only once, from a camera or standard input, cannot be read in any order. "
        "Save them as a video first."
    )


class ImageReader:
    """A :class:`FrameReader` of images."""

    def __init__(self, source: ImageFrames) -> None:
        self._source = source

    @property
    def known(self) -> int:
        """All of them."""
        return len(self._source.paths)

    def count_frames(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Nothing is to be done."""

    def name(self, number: int) -> str:
        """Of the image, without its ending."""
        return self._path(number).stem

    def read(self, number: int) -> np.ndarray:
        """See :class:`FrameReader`."""
        path = self._path(number)
        return _checked(read_image(path), self._source.size, str(path))

    def close(self) -> None:
        """Nothing is open."""

    def _path(self, number: int) -> Path:
        _check_known(number, self.known)
        return self._source.paths[number]


class VideoReader:
    """A :class:`FrameReader` of a video file."""

    def __init__(self, source: VideoFrames) -> None:
        self._source = source
        self._times: list[int | None] = []  # of the known frames, in the stream's own unit
        self._numbers: dict[int | None, int] = {}  # by time
        self._keys: list[int] = []  # numbers of the frames at which decoding can begin
        self._lock = threading.Lock()
        self._decoding: Generator[tuple[int, av.VideoFrame], None, None] | None = None
        self._last = 0  # number of the frame that came last from it

    @property
    def known(self) -> int:
        """See :class:`FrameReader`."""
        return len(self._times)

    def count_frames(self, stop: Callable[[], bool] = lambda: False) -> None:
        """See :class:`FrameReader`."""
        with opened_video(self._source.path) as (container, stream):
            frames = decoded_frames(self._source.path, container, stream)
            for number, frame in enumerate(frames):
                if frame.key_frame:
                    self._keys.append(number)
                self._numbers[frame.pts] = number
                self._times.append(frame.pts)
                if stop():
                    return

    def name(self, number: int) -> str:
        """The number with leading zeros."""
        _check_known(number, self.known)
        return frame_name(number)

    def read(self, number: int) -> np.ndarray:
        """See :class:`FrameReader`."""
        _check_known(number, self.known)
        with self._lock:
            frame = self._go_on_to(number) or self._seek(number) or self._decode_all_up_to(number)
        if frame is None:
            raise DataError(
                f"Frame {number} of {self._source.path} was there when the file was opened, but is "
                "there no longer. Open the video again."
            )
        return _checked(upright(frame), self._source.size, f"Frame {number} of {self._source.path}")

    def close(self) -> None:
        """See :class:`FrameReader`."""
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
        self._begin(self._decoded())
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

    def _decoded(self) -> "Generator[tuple[int, av.VideoFrame], None, None]":
        with opened_video(self._source.path) as (container, stream):
            yield from enumerate(decoded_frames(self._source.path, container, stream))

    def _decoded_from(self, key: int) -> "Generator[tuple[int, av.VideoFrame], None, None]":
        """The frames from a key frame on, or from a later one where the container is not exact."""
        with opened_video(self._source.path) as (container, stream), _decoding_errors(self._source):
            container.seek(self._times[key], stream=stream)
            frames = container.decode(stream)
            # What is shown before the key frame may need frames before it, and be wrong.
            for frame in itertools.dropwhile(lambda frame: not frame.key_frame, frames):
                if frame.pts in self._numbers:  # unknown ones may come while they are counted
                    yield self._numbers[frame.pts], frame


@contextlib.contextmanager
def _decoding_errors(source: VideoFrames) -> Iterator[None]:
    try:
        yield
    except import_av().error.FFmpegError as error:
        raise DataError(
            f"{source.path} is damaged or has changed: {error.strerror}. Copy the file again."
        ) from error


def _check_known(number: int, known: int) -> None:
    if not 0 <= number < known:
        raise DataError(
            f"There is no frame {number}: frames 0 to {known - 1} are known. Choose one of these."
        )


def _checked(image: np.ndarray, size: tuple[int, int], called: str) -> np.ndarray:
    if image.shape[:2] != size:
        raise DataError(
            f"{called} is {size_text(image.shape)}, but the first frame is {size_text(size)} "
            "(height×width): the frames of a video have one size. Remove it, or resize it."
        )
    return image
