"""Frames that come once and are gone: from a camera, or from another program through a pipe."""

import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

from ranet.datasets.frames import FrameSource
from ranet.errors import DataError
from ranet.wording import size_text

PIXEL_FORMATS: dict[str, tuple[int, int | None]] = {
    "rgb24": (3, None),
    "bgr24": (3, cv2.COLOR_BGR2RGB),
    "gray": (1, cv2.COLOR_GRAY2RGB),
    "rgba": (4, cv2.COLOR_RGBA2RGB),
    "bgra": (4, cv2.COLOR_BGRA2RGB),
}
"""Channels of 8 bits a pixel, and OpenCV's conversion, if any, by ``ffmpeg -pix_fmt``'s names."""


class RawFrames(FrameSource):
    """A :class:`~ranet.datasets.frames.FrameSource` of bytes, as ``ffmpeg -f rawvideo`` writes.

    Args:
        stream: frame after frame, row after row, without any header; buffered.
        size: (height, width) of the frames.
        pixel_format: one of :data:`PIXEL_FORMATS`.
        name: what to call the stream in a message.
    """

    live = True

    def __init__(
        self,
        stream: BinaryIO,
        size: tuple[int, int],
        pixel_format: str = "rgb24",
        *,
        name: str = "standard input",
    ) -> None:
        super().__init__(size)
        self._called = name
        self._stream = stream
        self._format_name = pixel_format
        self._channels, self._to_rgb = PIXEL_FORMATS[pixel_format]

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        shape = (*self.size, self._channels)
        expected = int(np.prod(shape))
        number = 0
        while data := self._stream.read(expected):
            if len(data) < expected:
                raise DataError(
                    f"{self._called} ends within frame {number} (counted from 0): expected "
                    f"{expected} bytes for {size_text(self.size)} (height×width) in "
                    f"{self._format_name}, but {len(data)} came."
                )
            pixels = np.frombuffer(data, np.uint8).reshape(shape)
            rgb = pixels if self._to_rgb is None else cv2.cvtColor(pixels, self._to_rgb)
            yield self.name(number), rgb
            number += 1
        if number == 0:
            raise DataError(
                f"No frame came from {self._called}: expected raw frames, as "
                "`ffmpeg -i … -f rawvideo -pix_fmt rgb24 -` writes them."
            )


def camera_index(source: str) -> int | None:
    """The camera that somebody means who names a video so; None: another video.

    A file or folder of that name comes first.
    """
    return int(source) if source.isdecimal() and not Path(source).exists() else None


class CameraFrames(FrameSource):
    """A :class:`~ranet.datasets.frames.FrameSource` of a camera, through OpenCV.

    It ends when the camera delivers nothing more. Frames that the camera takes while one is being
    segmented may be lost; the others keep their times.

    Args:
        index: which camera, from 0.

    Raises:
        DataError: there is no such camera, or it gives no picture.
    """

    live = True

    def __init__(self, index: int) -> None:
        logging = cv2.utils.logging  # without a line for each way in which it cannot be opened
        level = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
        try:
            self._capture = cv2.VideoCapture(index)
            delivered, first = self._capture.read()
        finally:
            logging.setLogLevel(level)
        if not delivered:
            self._capture.release()
            raise DataError(
                f"Camera {index} gives no picture: expected a camera of that index, from 0, that "
                f"no other program uses and you may use (on Linux: read /dev/video{index})."
            )
        super().__init__(first.shape[:2])
        self._first = first
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.frame_rate = Fraction(rate).limit_denominator(1000) if rate > 0 else None

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        delivered, frame, number = True, self._first, 0
        began = time.monotonic()
        try:
            while delivered:
                self.times[number] = Fraction(time.monotonic() - began).limit_denominator(1000)
                self._checked(frame, f"Frame {number} of the camera")
                yield self.name(number), cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
                delivered, frame = self._capture.read()
                number += 1
        finally:
            self._capture.release()
