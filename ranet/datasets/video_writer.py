"""Video files of frames: what browsers and players show, and what lies over other videos.

Both kinds need PyAV, the optional extra ``ranet[video]``.
"""

import contextlib
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType, ModuleType, TracebackType
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from ranet.datasets.pyav import import_av
from ranet.errors import OutputError, RANetError
from ranet.files import abandon, atomic_path, output_errors
from ranet.wording import size_text

if TYPE_CHECKING:
    import av


class _Writer:
    """What :class:`VideoWriter` and :class:`TransparentVideoWriter` share: all but the format."""

    suffix: ClassVar[str]
    encoder: ClassVar[str]
    channels: ClassVar[int]
    array_format: ClassVar[str]  # of the frames given, as FFmpeg calls it
    pixel_format: ClassVar[str]  # of the video; sides are even in all of these
    container_options: ClassVar[Mapping[str, str]]
    encoder_options: ClassVar[Mapping[str, str]]

    def __init__(self, path: str | Path, *, frame_rate: Fraction | float, crf: int) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() != self.suffix:
            raise OutputError(
                f"Cannot write {self.path}: such videos are written as {self.suffix}, but its "
                f"ending is {self.path.suffix!r}."
            )
        self._av = import_av()
        _check_encoder(self._av, self.encoder)
        self._rate = Fraction(frame_rate).limit_denominator(100_000)
        self._crf = crf
        self._stack = contextlib.ExitStack()
        self._size: tuple[int, int] | None = None  # known from the first frame on

    def __enter__(self) -> Self:
        self._temporary = self._stack.enter_context(atomic_path(self.path))
        return self

    def write(self, frame: np.ndarray) -> None:
        """Append a frame, of the size of the first.

        Raises:
            OutputError: the file cannot be written.
            ValueError: this is no frame, or one of another size.
        """
        expected = (frame.dtype, frame.ndim, frame.shape[-1]) == (np.uint8, 3, self.channels)
        if not expected or not frame.size:
            raise ValueError(
                f"Frames are H×W×{self.channels} uint8, but got {frame.dtype} of {frame.shape}."
            )
        height, width = frame.shape[:2]
        if self._size is None:
            self._start(height, width)
            self._size = (height, width)
        if (height, width) != self._size:
            raise ValueError(
                f"The first frame is {size_text(self._size)}, this one {size_text(frame.shape)}."
            )
        padded = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        picture = self._av.VideoFrame.from_ndarray(padded, format=self.array_format)
        colorspace = self._av.video.reformatter.Colorspace.ITU709
        self._encode(picture.reformat(format=self.pixel_format, dst_colorspace=colorspace))

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
        else:
            abandon(self._stack)

    def _start(self, height: int, width: int) -> None:
        with output_errors(self.path):
            container = self._av.open(
                str(self._temporary), "w", options=dict(self.container_options)
            )
        self._stack.callback(container.close)
        options = {"crf": str(self._crf), **self.encoder_options}
        self._stream = container.add_stream(self.encoder, rate=self._rate, options=options)
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = self.pixel_format
        # Without these, players guess the colours from the size. 1 is BT.709, with limited range.
        codec = self._stream.codec_context
        codec.colorspace = codec.color_primaries = codec.color_trc = codec.color_range = 1

    def _encode(self, frame: "av.VideoFrame | None") -> None:
        """Encode a frame, or what is left if None, and write what comes out."""
        with output_errors(self.path):
            self._stream.container.mux(self._stream.encode(frame))


class VideoWriter(_Writer):
    """Writes frames H×W×3 uint8 RGB as an H.264 video (MP4, yuv420p), which everything shows.

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

    suffix = ".mp4"
    # FFmpeg's other encoders for H.264 need special hardware or know no constant quality.
    encoder = "libx264"
    channels = 3
    array_format, pixel_format = "rgb24", "yuv420p"
    # A browser can play the video before all of it has arrived.
    container_options = MappingProxyType({"movflags": "faststart"})
    encoder_options = MappingProxyType({})

    def __init__(self, path: str | Path, *, frame_rate: Fraction | float, crf: int = 18) -> None:
        super().__init__(path, frame_rate=frame_rate, crf=crf)


class TransparentVideoWriter(_Writer):
    """Writes frames H×W×4 uint8 RGBA as a VP9 video with transparency (WebM, yuva420p).

    Browsers show what lies below it, and editors take it as a layer. FFmpeg's own VP9 decoder drops
    the transparency: read it with ``ffmpeg -c:v libvpx-vp9 -i …``. Otherwise as
    :class:`VideoWriter`.

    Args:
        path: ends in .webm; missing folders are created.
        frame_rate: frames a second.
        crf: quality, 0 (best) … 63.

    Raises:
        OutputError: the ending is another, the file cannot be written, or no frame was given.
        RANetError: PyAV is not installed, or was built without libvpx.
    """

    suffix = ".webm"
    encoder = "libvpx-vp9"
    channels = 4
    array_format, pixel_format = "rgba", "yuva420p"
    container_options = MappingProxyType({})
    # b 0: the quality is what is constant, not the rate. The encoder codes colours and transparency
    # apart; frames that are never shown (auto-alt-ref) would bring the two out of step.
    encoder_options = MappingProxyType(
        {"b": "0", "auto-alt-ref": "0", "deadline": "good", "cpu-used": "5", "row-mt": "1"}
    )

    def __init__(self, path: str | Path, *, frame_rate: Fraction | float, crf: int = 20) -> None:
        super().__init__(path, frame_rate=frame_rate, crf=crf)


def _check_encoder(av: ModuleType, encoder: str) -> None:
    """Say before the work that no video can be written at its end."""
    try:
        av.Codec(encoder, "w")
    except av.codec.codec.UnknownCodecError as error:
        raise RANetError(
            f"This video would be written by the encoder {encoder}, which this build of PyAV "
            f"{av.__version__} lacks. Install PyAV's own wheel with "
            "`pip install --force-reinstall --only-binary=av av`, or do without the video."
        ) from error
