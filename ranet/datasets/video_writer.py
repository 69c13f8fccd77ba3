"""Video files of frames: what browsers and players show, and what lies over other videos."""

import contextlib
import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from ranet.errors import OutputError, RANetError
from ranet.files import abandon, atomic_path, output_errors
from ranet.wording import size_text

if TYPE_CHECKING:
    import av

_TICKS = 90_000
"""At least as many units of time are in a second of a video."""


class _Format(NamedTuple):
    suffix: str
    encoder: str
    channels: int
    array_format: str  # of the frames given, as FFmpeg calls it
    pixel_format: str  # of the video; sides are even in all of these
    crf: int
    container_options: dict[str, str]
    encoder_options: dict[str, str]


_OPAQUE = _Format(
    suffix=".mp4",
    encoder="libx264",  # FFmpeg's others need special hardware or know no constant quality
    channels=3,
    array_format="rgb24",
    pixel_format="yuv420p",
    crf=18,
    # A browser can play the video before all of it has arrived.
    container_options={"movflags": "faststart"},
    # With frames that refer to later ones, MP4 would not keep how long the last one is shown.
    encoder_options={"bf": "0"},
)

_TRANSPARENT = _Format(
    suffix=".webm",
    encoder="libvpx-vp9",
    channels=4,
    array_format="rgba",
    pixel_format="yuva420p",
    crf=20,
    container_options={},
    # b 0: the quality is what is constant, not the rate. The encoder codes colours and transparency
    # apart; frames that are never shown (auto-alt-ref) would bring the two out of step.
    encoder_options={
        "b": "0",
        "auto-alt-ref": "0",
        "deadline": "good",
        "cpu-used": "5",
        "row-mt": "1",
    },
)


class VideoWriter:
    """Writes frames as a video that browsers show.

    It is H.264 (MP4, yuv420p), which everything shows; if it is transparent, VP9 (WebM, yuva420p),
    of which browsers show what lies below it, and which editors take as a layer. FFmpeg's own VP9
    decoder drops the transparency: read it with ``ffmpeg -c:v libvpx-vp9 -i …``.

    Use it in a ``with`` statement: the file appears, whole, when the block ends without an error,
    and not at all otherwise. Sides of odd length are padded by one pixel, as the format demands.

    Args:
        path: ends in .mp4, or in .webm if it is transparent; missing folders are created.
        frame_rate: frames a second, where no times are given.
        transparent: whether frames are H×W×4 uint8 RGBA; otherwise H×W×3 uint8 RGB.
        crf: quality, 0 (best) … 51, or 63 if transparent; None: looks like the original.

    Raises:
        OutputError: the ending is another, the file cannot be written, or no frame was given.
        RANetError: PyAV was built without x264 or libvpx.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        frame_rate: Fraction | float,
        transparent: bool = False,
        crf: int | None = None,
    ) -> None:
        self.path = Path(path)
        self._format = _TRANSPARENT if transparent else _OPAQUE
        if self.path.suffix.lower() != self._format.suffix:
            raise OutputError(
                f"Cannot write {self.path}: such videos are written as {self._format.suffix}, but "
                f"its ending is {self.path.suffix!r}."
            )
        import av  # as in video_file.py

        self._av = av
        if self._format.encoder not in self._av.codecs_available:
            raise RANetError(
                f"Such videos are written by the encoder {self._format.encoder}, which this build "
                f"of PyAV {self._av.__version__} lacks; PyAV's own wheel has it: "
                "`pip install --force-reinstall --only-binary=av av`."
            )
        self._rate = Fraction(frame_rate).limit_denominator(100_000)
        # So that a frame's duration is a whole number of them.
        ticks = self._rate.numerator * math.ceil(_TICKS / self._rate.numerator)
        self._time_base = Fraction(1, ticks)
        quality = self._format.crf if crf is None else crf
        self._options = {"crf": str(quality), **self._format.encoder_options}
        self._stack = contextlib.ExitStack()
        self._size: tuple[int, int] | None = None  # known from the first frame on
        self._waiting: av.VideoFrame | None = None  # until it is known how long it is shown
        self._begin = self._time = Fraction(0)  # seconds: of the first frame, and of the last
        self._durations: dict[int, int] = {}  # of frames that are being encoded, by their time
        self.end: Fraction | None = None
        """Seconds at which the last frame ends; None: it is shown as long as the one before."""

    def __enter__(self) -> Self:
        self._temporary = self._stack.enter_context(atomic_path(self.path))
        return self

    def write(self, frame: np.ndarray, time: Fraction | None = None) -> None:
        """Append a frame, of the size of the first.

        Args:
            frame: H×W×3 or H×W×4 uint8.
            time: when it is shown, in seconds, later than the one before; None: a frame's duration
                after that.

        Raises:
            OutputError: the file cannot be written.
            ValueError: this is no frame, or one of another size.
        """
        channels = self._format.channels
        expected = (frame.dtype, frame.ndim, frame.shape[-1]) == (np.uint8, 3, channels)
        if not expected or not frame.size:
            raise ValueError(f"Frames are H×W×{channels} uint8, not {frame.dtype} {frame.shape}.")
        size = frame.shape[:2]
        if self._size is None:
            self._start(size)
            self._begin = self._time = time or Fraction(0)
        elif size != self._size:
            raise ValueError(
                f"The first frame is {size_text(self._size)}, this one {size_text(frame.shape)}."
            )
        else:
            self._encode_waiting(self._time + 1 / self._rate if time is None else time)
        padded = np.pad(frame, ((0, size[0] % 2), (0, size[1] % 2), (0, 0)), mode="edge")
        picture = self._av.VideoFrame.from_ndarray(padded, format=self._format.array_format)
        colorspace = self._av.video.reformatter.Colorspace.ITU709
        self._waiting = picture.reformat(
            format=self._format.pixel_format, dst_colorspace=colorspace
        )
        self._waiting.pts, self._waiting.time_base = self._ticks(self._time), self._time_base
        self._size = size

    def __exit__(self, *error: object) -> None:
        if error[0] is not None:
            abandon(self._stack)
            return
        with self._stack:
            if self._size is None:
                raise OutputError(f"Cannot write {self.path}: a video needs a frame or more.")
            self._encode_waiting(self._time + 1 / self._rate if self.end is None else self.end)
            self._encode(None)

    def _start(self, size: tuple[int, int]) -> None:
        with self._errors():
            container = self._av.open(
                f"file:{self._temporary}", "w", options=self._format.container_options
            )
        self._stack.callback(container.close)
        self._stream = container.add_stream(self._format.encoder, rate=self._rate)
        codec = self._stream.codec_context
        codec.height, codec.width = (side + side % 2 for side in size)
        codec.pix_fmt, codec.framerate = self._format.pixel_format, self._rate
        codec.time_base = self._time_base
        codec.options = self._options
        # Without these, players guess the colours from the size. 1 is BT.709, with limited range.
        codec.colorspace = codec.color_primaries = codec.color_trc = codec.color_range = 1

    def _ticks(self, time: Fraction) -> int:
        return round((time - self._begin) / self._time_base)

    def _encode_waiting(self, until: Fraction) -> None:
        """Encode the frame that is shown until a time."""
        self._durations[self._waiting.pts] = max(1, self._ticks(until) - self._waiting.pts)
        self._encode(self._waiting)
        self._time = until

    def _encode(self, frame: "av.VideoFrame | None") -> None:
        """Encode a frame, or what is left if None, and write what comes out."""
        with self._errors():
            for packet in self._stream.encode(frame):
                packet.duration = self._durations.pop(packet.pts)
                self._stream.container.mux(packet)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        with output_errors(self.path):
            try:
                yield
            except self._av.error.FFmpegError as error:
                if isinstance(error, OSError):
                    raise
                raise OutputError(f"Cannot write {self.path}: {error.strerror}.") from error
