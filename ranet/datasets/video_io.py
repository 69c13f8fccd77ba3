"""Frames of anything, one at a time.

However long a video is, only one of its frames is in memory. Video files need PyAV, the optional
extra ``ranet[video]``; folders of images do not.
"""

import contextlib
import glob
import warnings
from collections.abc import Generator, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from ranet.datasets.image_io import image_size, read_image
from ranet.datasets.index import images_by_name, index_frames, is_image
from ranet.datasets.missing_frames import MissingFrames
from ranet.datasets.numbering import skipped_numbers
from ranet.datasets.pyav import import_av
from ranet.errors import DataError
from ranet.wording import size_text, some_of

if TYPE_CHECKING:
    import av

_MISSING_END = 0.5
"""Seconds that a video may end before the time its container announces; encoders round."""


class FrameSource(Protocol):
    """A video: iterate to get ``(name, frame)`` in order, as often as you like.

    ``name`` is the name of the image without its ending, or the number of the frame in a video
    file (``00000``, ``00001``, …). ``frame`` is H×W×3 uint8 RGB, and all frames have one size.

    Iterating raises :class:`DataError` at a frame that cannot be read, with the file and frame.

    Those of :mod:`ranet.datasets.live` come once and are gone.
    """

    size: tuple[int, int]
    """(height, width) of the frames."""
    paths: tuple[Path, ...]
    """The files that the frames are read from."""
    frame_rate: Fraction | None
    """Frames a second; None if unknown, as for images."""
    count: int | None
    """Number of frames; None if unknown, and for video files only what the container claims."""
    live: bool
    """Whether the frames can be had only once, as they come."""

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]: ...


def open_frames(source: str | Path) -> FrameSource:
    """Frames of a folder of images, of images that match a pattern, or of a video file.

    Args:
        source: a folder, a pattern such as ``"frames/*.png"``, an image, or a video in any format
            that FFmpeg reads. Images come in the order of the numbers in their names.

    Raises:
        DataError: there is no such thing, or its first frame cannot be read.
        RANetError: it is a video and PyAV is not installed.
    """
    path = Path(source)
    if path.is_dir():
        return _images(index_frames(path), path)
    if path.is_file():
        return ImageFrames([path]) if is_image(path) else VideoFrames(path)
    if glob.has_magic(str(source)):
        images = images_by_name(filter(is_image, map(Path, glob.iglob(str(source)))))
        if images:
            return _images(list(images.values()), source)
        raise DataError(
            f"No image matches {source}: expected a pattern such as 'frames/*.jpg'. "
            "Check the folder and the ending."
        )
    raise DataError(
        f"No video {source}: expected a folder of images, a pattern such as 'frames/*.jpg', or a "
        "video file, but there is no such file or folder. Check the path."
    )


def _images(paths: Sequence[Path], source: str | Path) -> "ImageFrames":
    """The images of a video; a warning tells numbers that their names leave out."""
    if skipped := skipped_numbers(path.stem for path in paths):
        warnings.warn(
            f"{source} skips frame numbers: {skipped}. The frames around them are taken as "
            "neighbours. Copy the missing frames, if there are any.",
            UserWarning,
            stacklevel=3,
        )
    return ImageFrames(paths)


class ImageFrames:
    """A :class:`FrameSource` of image files.

    Args:
        paths: at least one image, in order.
    """

    live = False

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        self.size = image_size(self.paths[0])
        self.frame_rate: Fraction | None = None
        self.count: int | None = len(self.paths)

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        for path in self.paths:
            frame = read_image(path)
            if frame.shape[:2] != self.size:
                raise DataError(
                    f"{path} is {size_text(frame.shape)}, but the first frame, {self.paths[0]}, is "
                    f"{size_text(self.size)} (height×width): the frames of a video have one size. "
                    "Remove images that do not belong to it, or resize them."
                )
            yield path.stem, frame


class VideoFrames:
    """A :class:`FrameSource` of a video file.

    Frames are turned as the container asks for (phones store portrait videos lying). Pixels stay
    as they are stored: where they are not square, the frames look squeezed, and a warning says so.
    Frames are numbered as decoded, whatever their times.

    Args:
        path: the video file.
    """

    live = False

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.paths: tuple[Path, ...] = (self.path,)
        with opened_video(self.path) as (_, stream):
            self.frame_rate = _frame_rate(stream)
            self.count = stream.frames or None
            _warn_if_not_square(self.path, stream)
        frames = iter(self)
        with contextlib.closing(frames):
            _, first = next(frames)
        self.size: tuple[int, int] = first.shape[:2]

    def __iter__(self) -> Generator[tuple[str, np.ndarray], None, None]:
        shape, number = None, 0
        with opened_video(self.path) as (container, stream):
            for frame in decoded_frames(self.path, container, stream):
                image = upright(frame)
                shape = shape or image.shape
                if image.shape != shape:
                    raise DataError(
                        f"{self.path} changes its size at frame {number}, from {size_text(shape)} "
                        f"to {size_text(image.shape)} (height×width). Cut it there, or encode it "
                        "again with one size."
                    )
                yield frame_name(number), image
                number += 1


def no_such_frame(video: str | Path, number: int, count: int | None) -> DataError:
    """The error of whoever names a frame that a video does not have.

    Args:
        video: what to call it.
        number: of the frame, from 0.
        count: how many frames there are; None if unknown.
    """
    has = "frames are counted from 0" if count is None else f"it has {count}: {_numbers(count)}"
    return DataError(
        f"{video} has no frame {number}: {has}. Objects are marked in an existing frame."
    )


def _numbers(count: int) -> str:
    return "0" if count == 1 else f"0…{count - 1}"


def frame_name(number: int) -> str:
    """What a frame of a video file is called; images have names of their own."""
    return f"{number:05d}"


def upright(frame: "av.VideoFrame") -> np.ndarray:
    """H×W×3 uint8 RGB, turned as the container asks for."""
    pixels = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(pixels, k=round(frame.rotation / 90)))


@contextlib.contextmanager
def opened_video(path: Path) -> Iterator[tuple["av.container.InputContainer", "av.VideoStream"]]:
    """The container of a video file, and its video stream."""
    av = import_av()
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, OSError) as error:
        size = f"{path.stat().st_size} bytes" if path.is_file() else "no such file"
        raise DataError(
            f"Cannot open the video {path} ({size}): {error.strerror}. It is no video, or it is "
            "damaged or truncated. Copy it again, or extract its frames into a folder."
        ) from error
    with container:
        if not container.streams.video:
            raise DataError(
                f"{path} has no video: expected a stream of frames, but found "
                f"{[stream.type for stream in container.streams] or 'nothing'}. Give a video file."
            )
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        yield container, stream


def decoded_frames(
    path: Path, container: "av.container.InputContainer", stream: "av.VideoStream"
) -> Iterator["av.VideoFrame"]:
    """The frames of a stream; damage and a missing end are errors that name the frame."""
    number, end = 0, 0.0
    missing = MissingFrames(_frame_rate(stream), accounted=_is_accounted(container))
    try:
        for packet in container.demux():
            missing.see_packet(packet)
            if packet.stream.index != stream.index:
                continue
            for frame in cast("list[av.VideoFrame]", packet.decode()):
                if frame.is_corrupt:
                    raise _damaged(path, number, end, "its data are incomplete")
                missing.see_frame(frame.time)
                if missing.damage:
                    reason = f"there is {missing.damage}, and a piece of the file is unreadable"
                    raise _damaged(path, number, missing.damage.before, reason)
                yield frame
                number += 1
            if packet.is_corrupt:
                raise _damaged(path, number, end, "a piece of the file is incomplete")
            if packet.pts is not None:
                end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    except import_av().error.FFmpegError as error:
        raise _damaged(path, number, end, error.strerror) from error
    announced = _announced_end(stream)
    if announced is not None and end < announced - _MISSING_END:
        reason = f"the video ends after {end:.2f} of {announced:.2f} seconds"
        raise _damaged(path, number, end, reason)
    if number == 0:
        raise _damaged(path, number, end, "there are no frames")
    if missing.unusual:
        _warn_of_holes(path, missing)


def _damaged(path: Path, number: int, seconds: float, reason: str) -> DataError:
    return DataError(
        f"{path} is damaged or truncated at frame {number} (counted from 0; at about "
        f"{seconds:.1f} s): {reason}. Copy the file again, or extract the good frames into a "
        "folder."
    )


def _warn_of_holes(path: Path, missing: MissingFrames) -> None:
    warnings.warn(
        f"{path} may lack frames, though nothing in it is unreadable: there is "
        f"{some_of([str(hole) for hole in missing.holes], at_most=3)}. Frames are numbered as they "
        "are decoded. If it was not recorded that way, copy it again from its source.",
        UserWarning,
        stacklevel=4,
    )


def _is_accounted(container: "av.container.InputContainer") -> bool:
    """Whether all bytes of a file are those of its packets and short headers.

    They are in Matroska, but for transparency, which lies beside the packets it belongs to.
    """
    transparent = any(stream.metadata.get("alpha_mode") == "1" for stream in container.streams)
    return container.format.name == "matroska,webm" and not transparent


def _frame_rate(stream: "av.VideoStream") -> Fraction | None:
    """Frames a second, as the container tells or FFmpeg guesses."""
    rate = stream.average_rate or stream.guessed_rate
    return Fraction(rate.numerator, rate.denominator) if rate else None


def _announced_end(stream: "av.VideoStream") -> float | None:
    """When the last frame ends, in seconds, as the container says; None if it does not."""
    if stream.duration is not None and stream.time_base is not None:  # MP4, MOV, AVI, …
        return float((stream.duration + (stream.start_time or 0)) * stream.time_base)
    tag = stream.metadata.get("DURATION")  # Matroska, WebM: "00:00:03.600000000"
    if tag is None:
        return None
    hours, minutes, seconds = tag.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _warn_if_not_square(path: Path, stream: "av.VideoStream") -> None:
    ratio = stream.sample_aspect_ratio
    if ratio and ratio != 1:
        warnings.warn(
            f"The pixels of {path} are not square ({ratio.numerator}:{ratio.denominator}). Frames "
            "and masks have the stored size, and look squeezed on a screen.",
            UserWarning,
            stacklevel=3,
        )
