"""Frames, one at a time: however long a video is, only one of them is in memory."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from ranet.datasets.image_io import image_size, read_image
from ranet.errors import DataError
from ranet.wording import size_text


class FrameSource:
    """A video: iterate to get ``(name, frame)`` in order, as often as you like.

    ``name`` is the name of the image without its ending, or the number of the frame in a video
    file (``00000``, ``00001``, …). ``frame`` is H×W×3 uint8 RGB, and all frames have one size.

    Iterating raises :class:`DataError` at an image that cannot be read, with the file, and at one
    of another size. Of a damaged video file all comes that can be decoded, and a warning follows.

    Those of :mod:`ranet.datasets.live` come once and are gone.
    """

    live: bool = False
    """Whether the frames can be had only once, as they come."""
    paths: tuple[Path, ...] = ()
    """The files that the frames are read from."""
    frame_rate: Fraction | None = None
    """Frames a second; None if unknown, as for images."""
    count: int | None = None
    """Number of frames; None if unknown, and for video files only what the container claims."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        """(height, width) of the frames."""
        self.times: dict[int, Fraction] = {}
        """When frames are shown, in seconds from the first, by their number, as far as they were
        read; behind the last, when it ends. Empty: one as long as the other."""

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        raise NotImplementedError

    def name(self, number: int) -> str:
        """What a frame is called, whether there is one of that number or not."""
        return f"{number:05d}"

    def _checked(self, image: np.ndarray, called: str | Path) -> np.ndarray:
        """The image; DataError if it is of another size than the first frame."""
        if image.shape[:2] != self.size:
            raise DataError(
                f"{called} is {size_text(image.shape)}, but the first frame is "
                f"{size_text(self.size)} (height×width): the frames of a video have one size."
            )
        return image


class ImageFrames(FrameSource):
    """A :class:`FrameSource` of image files.

    Args:
        paths: at least one image, in order.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        super().__init__(image_size(paths[0]))
        self.paths = tuple(paths)
        self.count = len(self.paths)

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        for number, path in enumerate(self.paths):
            yield path.stem, self.read(number)

    def name(self, number: int) -> str:
        """What a frame is called: as its image, without the ending."""
        there = 0 <= number < len(self.paths)
        return self.paths[number].stem if there else super().name(number)

    def read(self, number: int) -> np.ndarray:
        """A frame; DataError as for iterating."""
        path = self.paths[number]
        return self._checked(read_image(path), path)
