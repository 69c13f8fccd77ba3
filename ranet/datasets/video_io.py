"""Frames of anything that is a video: images, animations, video files."""

import glob
import itertools
import warnings
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image

from ranet.datasets.frames import FrameSource, ImageFrames
from ranet.datasets.image_io import picture_count, read_pictures
from ranet.datasets.index import images_by_name, index_frames, is_image
from ranet.datasets.numbering import numbers_of, skipped_numbers
from ranet.datasets.video_file import Decoding, frame_rate, opened_video, upright
from ranet.errors import DataError
from ranet.files import make_folder, output_errors

if TYPE_CHECKING:
    import av

_ANIMATIONS = {".gif", ".avif"} & Image.registered_extensions().keys()

_FAST = (cv2.IMWRITE_PNG_COMPRESSION, 1)


def open_frames(source: str | Path) -> FrameSource:
    """Frames of a folder of images, of images that match a pattern, or of a video file.

    Args:
        source: a folder, a pattern such as ``"frames/*.png"``, an image, an animated or
            multi-page one, or a video in any format that FFmpeg reads. Images come in the order of
            the numbers in their names.

    Raises:
        DataError: there is no such thing, or its first frame cannot be read.
    """
    path = Path(source)
    if path.is_dir():
        return _images(index_frames(path), path)
    if path.is_file():
        # FFmpeg reads GIF and AVIF, too, but Pillow knows that animations are no recordings.
        if not is_image(path) and path.suffix.lower() not in _ANIMATIONS:
            return VideoFrames(path)
        return ImageFrames([path]) if picture_count(path) == 1 else AnimationFrames(path)
    if glob.has_magic(str(source)):
        images = images_by_name(filter(is_image, map(Path, glob.iglob(str(source)))))
        if images:
            return _images(list(images.values()), source)
        raise DataError(f"No image matches {source}: expected a pattern such as 'frames/*.jpg'.")
    raise DataError(
        f"No video {source}: expected a folder of images, a pattern such as 'frames/*.jpg', or a "
        "video file, but there is no such file or folder."
    )


def _images(paths: Sequence[Path], source: str | Path) -> ImageFrames:
    """The images of a video; a warning tells numbers that their names leave out."""
    if skipped := skipped_numbers(path.stem for path in paths):
        warnings.warn(
            f"{source} skips frame numbers: {skipped}. The frames around them are taken as "
            "neighbours. Copy the missing frames, if there are any.",
            UserWarning,
            stacklevel=3,
        )
    return ImageFrames(paths)


class AnimationFrames(FrameSource):
    """A :class:`FrameSource` of the pictures in one image file: an animation, pages, or views.

    Args:
        path: animated WebP, PNG, GIF or AVIF, or TIFF or MPO of several pictures.
    """

    def __init__(self, path: str | Path) -> None:
        image, _ = next(read_pictures(path))
        super().__init__(image.shape[:2])
        self.paths = (Path(path),)
        self.count = picture_count(path)

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        time, duration = Fraction(0), None
        for number, (image, seconds) in enumerate(read_pictures(self.paths[0])):
            # Without a duration of its own, a picture is shown as long as the one before.
            if seconds is not None and (number == 0 or duration is not None):
                duration = Fraction(seconds).limit_denominator(1000)
            if duration is not None:
                self.times[number], self.times[number + 1] = time, time + duration
                time += duration
            yield self.name(number), self._checked(image, f"Picture {number} of {self.paths[0]}")

    def read(self, number: int) -> np.ndarray:
        """A frame; DataError as for iterating."""
        image, _ = next(read_pictures(self.paths[0], number))
        return self._checked(image, f"Picture {number} of {self.paths[0]}")


class VideoFrames(FrameSource):
    """A :class:`FrameSource` of a video file.

    Frames are turned and mirrored as the container asks for (phones store portrait videos lying,
    front cameras mirrored). Pixels stay as they are stored: where they are not square, the frames
    look squeezed, and a warning says so. Frames are numbered as decoded, whatever their times.

    Args:
        path: the video file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.paths = (self.path,)
        with opened_video(self.path) as (container, stream):
            self.count = stream.frames or None
            ratio = stream.sample_aspect_ratio
            self.frame_rate = frame_rate(container, stream)
        if ratio and ratio != 1:
            warnings.warn(
                f"The pixels of {path} are not square ({ratio.numerator}:{ratio.denominator}). "
                "Frames and masks have the stored size, and look squeezed on a screen.",
                UserWarning,
                stacklevel=2,
            )
        super().__init__(upright(next(iter(Decoding(self.path, self.frame_rate)))).shape[:2])

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        decoding = Decoding(self.path, self.frame_rate)
        for number, frame in enumerate(decoding):
            self.times[number], self.times[number + 1] = decoding.time, decoding.end
            yield self.name(number), self.shown(frame, number)
        if decoding.problem:
            warnings.warn(decoding.problem, UserWarning, stacklevel=2)

    def shown(self, frame: "av.VideoFrame", number: int) -> np.ndarray:
        """H×W×3 uint8 RGB of a decoded frame; DataError if it is of another size."""
        return self._checked(upright(frame), f"Frame {number} of {self.path}")


def position_of(source: FrameSource, number: int) -> int:
    """The position, from 0, of the frame that somebody means by a number.

    Images whose names are numbers (00001.jpg, frame_12.png) have these; other frames are counted
    from 0.

    Raises:
        DataError: no image has this number.
    """
    numbers = None
    if isinstance(source, ImageFrames):
        numbers = numbers_of(path.stem for path in source.paths)
    if numbers is None:
        return number
    if number not in numbers:
        raise DataError(
            f"{source.paths[0].parent} has no frame {number}: by their names, its frames are "
            f"numbered {numbers[0]}…{numbers[-1]}."
        )
    return numbers.index(number)


def no_such_frame(video: str | Path, number: int, count: int | None) -> DataError:
    """The error of whoever names a frame that a video does not have.

    Args:
        video: what to call it.
        number: of the frame, from 0.
        count: how many frames there are; None if unknown.
    """
    numbers = "0" if count == 1 else f"0…{(count or 0) - 1}"
    has = "frames are counted from 0" if count is None else f"it has {count}: {numbers}"
    return DataError(f"{video} has no frame {number}: {has}.")


def backwards(source: FrameSource, count: int, folder: Path) -> ImageFrames:
    """The first ``count`` frames of a video, the last of them first.

    Video files can only be decoded forwards: their frames are laid down in ``folder``, without
    loss, so that memory does not grow with their number (the disk's share does: about 0.6 MB a
    frame of 480×854).

    Args:
        source: frames that can be read more than once.
        count: at least 1.
        folder: for the frames of a video file; must stay until the last of them is read.

    Raises:
        DataError: there are fewer frames, or they cannot be read.
        OutputError: there is no room for them.
    """
    if isinstance(source, ImageFrames):
        paths = list(source.paths[:count])
    else:
        make_folder(folder)
        paths = []
        for name, frame in itertools.islice(source, count):
            _, data = cv2.imencode(".png", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), _FAST)
            paths.append(folder / f"{name}.png")
            with output_errors(paths[-1]):
                paths[-1].write_bytes(data.tobytes())  # for this process alone: not whole at once
    if len(paths) < count:
        raise DataError(f"The video has {len(paths)} frames; {count} were to be read backwards.")
    return ImageFrames(paths[::-1])
