"""Frames of anything, one at a time, and videos of frames.

However long a video is, only one of its frames is in memory. Video files need PyAV, the optional
extra ``ranet[video]``; folders of images do not.
"""

import contextlib
import glob
import warnings
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np

from ranet.datasets.image_io import image_size, read_image
from ranet.datasets.index import images_by_name, index_frames, is_image
from ranet.datasets.missing_frames import MissingFrames
from ranet.datasets.numbering import skipped_numbers
from ranet.errors import DataError, OutputError, RANetError
from ranet.files import atomic_path, output_errors
from ranet.wording import size_text, some_of

if TYPE_CHECKING:
    import av

_ENCODER = "libx264"
"""FFmpeg has other encoders for H.264; they need special hardware or know no constant quality."""

_MISSING_END = 0.5
"""Seconds that a video may end before the time its container announces; encoders round."""


class FrameSource(Protocol):
    """A video: iterate to get ``(name, frame)`` in order, as often as you like.

    ``name`` is the name of the image without its ending, or the number of the frame in a video
    file (``00000``, ``00001``, …). ``frame`` is H×W×3 uint8 RGB, and all frames have one size.

    Iterating raises :class:`DataError` at a frame that cannot be read, with the file and frame.
    """

    size: tuple[int, int]
    """(height, width) of the frames."""
    paths: tuple[Path, ...]
    """The files that the frames are read from."""
    frame_rate: Fraction | None
    """Frames a second; None if unknown, as for images."""
    count: int | None
    """Number of frames; None if unknown, and for video files only what the container claims."""

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

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.paths = (self.path,)
        with _opened(self.path) as (_, stream):
            self.frame_rate = _frame_rate(stream)
            self.count = stream.frames or None
            _warn_if_not_square(self.path, stream)
        frames = iter(self)
        with contextlib.closing(frames):
            _, first = next(frames)
        self.size: tuple[int, int] = first.shape[:2]

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        shape, number = None, 0
        with _opened(self.path) as (container, stream):
            for frame in _decoded(self.path, container, stream):
                image = np.rot90(frame.to_ndarray(format="rgb24"), k=round(frame.rotation / 90))
                shape = shape or image.shape
                if image.shape != shape:
                    raise DataError(
                        f"{self.path} changes its size at frame {number}, from {size_text(shape)} "
                        f"to {size_text(image.shape)} (height×width). Cut it there, or encode it "
                        "again with one size."
                    )
                yield f"{number:05d}", np.ascontiguousarray(image)
                number += 1


class VideoWriter:
    """Writes frames as an H.264 video (MP4, yuv420p) that browsers and players show.

    Use it in a ``with`` statement: the file appears, whole, when the block ends without an error,
    and not at all otherwise. Sides of odd length are padded by one pixel, as the format demands.

    Args:
        path: ends in .mp4; missing folders are created.
        frame_rate: frames a second.
        crf: quality, 0 (lossless) … 51; 18 looks like the original.

    Raises:
        OutputError: the ending is another, the file cannot be written, or no frame was given.
        RANetError: PyAV is not installed, or was built without x264.
    """

    def __init__(self, path: str | Path, *, frame_rate: Fraction | float, crf: int = 18) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() != ".mp4":
            raise OutputError(
                f"Cannot write {self.path}: videos are written as .mp4, but its ending is "
                f"{self.path.suffix!r}."
            )
        self._av = _import_av()
        _check_encoder(self._av)
        self._rate = Fraction(frame_rate).limit_denominator(100_000)
        self._crf = crf
        self._stack = contextlib.ExitStack()
        self._size: tuple[int, int] | None = None  # known from the first frame on

    def __enter__(self) -> Self:
        self._temporary = self._stack.enter_context(atomic_path(self.path))
        return self

    def write(self, frame: np.ndarray) -> None:
        """Append a frame: H×W×3 uint8 RGB, of the size of the first.

        Raises:
            OutputError: the file cannot be written.
            ValueError: this is no frame, or one of another size.
        """
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
            raise ValueError(f"Frames are H×W×3 uint8, but got {frame.dtype} of {frame.shape}.")
        height, width = frame.shape[:2]
        if self._size is None:
            self._start(height, width)
            self._size = (height, width)
        if (height, width) != self._size:
            raise ValueError(
                f"The first frame is {size_text(self._size)}, this one {size_text(frame.shape)}."
            )
        padded = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        picture = self._av.VideoFrame.from_ndarray(padded, format="rgb24")
        colorspace = self._av.video.reformatter.Colorspace.ITU709
        self._encode(picture.reformat(format="yuv420p", dst_colorspace=colorspace))

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error_type is None:
            with self._stack:
                if self._size is None:
                    raise OutputError(f"Cannot write {self.path}: a video needs a frame or more.")
                self._encode(None)
        else:  # the caller's error stays as it is, even if it looks like one of writing
            with contextlib.suppress(_AbandonedError), self._stack:
                raise _AbandonedError

    def _start(self, height: int, width: int) -> None:
        # "faststart": a browser can play the video before all of it has arrived
        options = {"movflags": "faststart"}
        with output_errors(self.path):
            container = self._av.open(str(self._temporary), "w", options=options)
        self._stack.callback(container.close)
        self._stream = container.add_stream(
            _ENCODER, rate=self._rate, options={"crf": str(self._crf)}
        )
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = "yuv420p"
        # Without these, players guess the colours from the size. 1 is BT.709, with limited range.
        codec = self._stream.codec_context
        codec.colorspace = codec.color_primaries = codec.color_trc = codec.color_range = 1

    def _encode(self, frame: "av.VideoFrame | None") -> None:
        """Encode a frame, or what is left if None, and write what comes out."""
        with output_errors(self.path):
            self._stream.container.mux(self._stream.encode(frame))


class _AbandonedError(Exception):
    """Makes the temporary file vanish when the caller's block failed."""


def _import_av() -> ModuleType:
    try:
        import av
    except ImportError as error:
        raise RANetError(
            f"Video files need PyAV, which cannot be imported ({error}). Install it with "
            "`pip install av`, or give a folder of images in place of the video."
        ) from error
    return av


def _check_encoder(av: ModuleType) -> None:
    """Say before the work that no video can be written at its end."""
    try:
        av.Codec(_ENCODER, "w")
    except av.codec.codec.UnknownCodecError as error:
        raise RANetError(
            f"Videos are written by the encoder {_ENCODER}, which this build of PyAV "
            f"{av.__version__} lacks. Install PyAV's own wheel with "
            "`pip install --force-reinstall --only-binary=av av`, or do without the video."
        ) from error


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple["av.container.InputContainer", "av.VideoStream"]]:
    """The container of a video file, and its video stream."""
    av = _import_av()
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


def _decoded(
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
            for frame in packet.decode():
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
    except _import_av().error.FFmpegError as error:
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
    if stream.duration is not None:  # MP4, MOV, AVI, …
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
