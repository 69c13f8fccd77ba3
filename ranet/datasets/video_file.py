"""Video files through FFmpeg: the picture a player shows, frame by frame, and what is missing."""

import contextlib
import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ranet.errors import DataError
from ranet.wording import count, some_of

if TYPE_CHECKING:
    import av

_HOLE = 1.5
"""Frame durations between two frames from which on one is missing."""

_FEW = 0.05
"""Share of frames with a hole before them up to which holes are unusual."""

_MISSING_END = 0.5
"""Seconds that a video of variable rate may end before what its container announces."""

_JUMP = 10
"""Seconds forwards that broadcasts (MPEG-TS) jump only where something else was joined on."""


@contextlib.contextmanager
def opened_video(path: Path) -> Iterator[tuple["av.container.InputContainer", "av.VideoStream"]]:
    """The container of a video file, and the stream that players show.

    Raises:
        DataError: it cannot be opened, or holds no such stream.
    """
    import av  # not before it is needed: cv2 brings libraries of the same names

    try:
        container = av.open(f"file:{path}")  # or a colon in the name would end a protocol
    except (av.error.FFmpegError, OSError) as error:
        size = f"{path.stat().st_size} bytes" if path.is_file() else "no such file"
        raise DataError(
            f"Cannot open the video {path} ({size}): it is none, or damaged ({error.strerror})."
        ) from error
    with container:
        stream = _shown_stream(path, container)
        # Threads for several frames at once would lose frames around a damaged one.
        stream.thread_type = "SLICE"
        yield container, stream


def _shown_stream(path: Path, container: "av.container.InputContainer") -> "av.VideoStream":
    """The default video; covers and thumbnails are none."""
    from av.stream import Disposition as kinds

    no_video = kinds.attached_pic | kinds.timed_thumbnails | kinds.still_image | kinds.dependent
    streams = [stream for stream in container.streams.video if not stream.disposition & no_video]
    if not streams:
        found = [
            "a picture" if stream.type == "video" else stream.type for stream in container.streams
        ]
        raise DataError(
            f"{path} has no video: expected a stream of frames, found {found or 'nothing'}."
        )
    # An image sequence (AVIF, HEIF) also holds one of its images alone.
    return max(streams, key=lambda s: (bool(s.disposition & kinds.default), s.frames != 1))


def frame_rate(
    container: "av.container.InputContainer", stream: "av.VideoStream"
) -> Fraction | None:
    """Frames a second: what is claimed, unless the first frames tell otherwise; None: unknown.

    Recorders that do not know their rate claim some other number, such as 1000.
    """
    claimed: Fraction | None = stream.average_rate or stream.guessed_rate or None
    times = [packet.dts for packet in itertools.islice(container.demux(stream), 50)]
    pairs = itertools.pairwise(time for time in times if time is not None)
    steps = [after - before for before, after in pairs if after > before]
    if not steps:
        return claimed
    measured = 1 / (Fraction(statistics.median(steps)) * stream.time_base)
    if claimed is None or not 0.9 < claimed / measured < 1.1:
        return measured.limit_denominator(1000)
    return claimed


def upright(frame: "av.VideoFrame") -> np.ndarray:
    """H×W×3 uint8 RGB, turned and mirrored as the container asks for, by FFmpeg's rules."""
    pixels = frame.to_ndarray(format="rgb24")
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is not None:
        pixels = _displayed(pixels, np.frombuffer(matrix, np.int32).astype(float).tolist())
    return np.ascontiguousarray(pixels)


def _displayed(pixels: np.ndarray, matrix: list[float]) -> np.ndarray:
    """Pixels by a display matrix of nine numbers; one that is not invertible says nothing."""
    a, b, _, c, d, *_ = matrix
    across, down = math.hypot(a, c), math.hypot(b, d)
    if not across or not down:
        return pixels
    angle = round(math.degrees(math.atan2(b / down, a / across)))  # clockwise
    if angle % 180 == 0:
        return pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    if angle % 90 == 0:
        return np.swapaxes(pixels, 0, 1)[:: -1 if b < 0 else 1, :: -1 if c < 0 else 1]
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -angle, 1)
    return cv2.warpAffine(pixels, turn, (width, height))


def decoded(
    packets: Iterable["av.Packet"],
    stream: "av.VideoStream",
    failed: Callable[[Exception], None] = lambda error: None,
) -> Iterator["av.VideoFrame"]:
    """The frames of packets, as far as these can be read and decoded.

    Args:
        packets: of the stream.
        stream: of an opened container.
        failed: is called with every error.
    """
    from av.error import FFmpegError

    # A packet without data, as for a repeated frame, would end the decoder, as None does.
    coming = itertools.chain((packet for packet in packets if packet.size), [None])
    while True:
        try:
            frames = stream.decode(next(coming))
        except StopIteration:
            return
        except FFmpegError as error:
            failed(error)
        else:
            yield from frames


class Decoding:
    """One go through a video file, from its first frame; iterate once.

    All that can be decoded comes, with errors of the decoder and marks of damage noted. Besides,
    where FFmpeg meets bytes of a Matroska file (MKV, WebM) that it does not understand, it looks
    for the next frame and says nothing: a hole is left in the times of the frames. In a video of
    variable frame rate there are many, as a frame may be shown for as long as nothing moves; where
    they are few, they are worth a word.

    Args:
        path: of the file.
        rate: frames a second; None: unknown.

    Raises:
        DataError: while iterating: the file cannot be opened, or nothing in it be decoded.
    """

    def __init__(self, path: Path, rate: Fraction | None) -> None:
        self.frames = 0
        """How many frames came so far."""
        self.time = self.end = Fraction(0)
        """Seconds from the first frame to when the last one begins, and ends; rising."""
        self._path, self._rate = path, rate
        self._unit = Fraction(1, 1000)  # of the container's times, in seconds
        self._step = 1 / (rate or Fraction(25))  # between the last two frames
        self._offset: Fraction | None = None  # from the times of the container to ours
        self._failed: list[str] = []  # packets: where and why
        self._incomplete: list[int] = []  # numbers of frames
        self._holes: list[str] = []  # times without frames that others would have filled
        self._container_end = Fraction(0)  # of the frames, by the container's own times
        self._ending = ""  # what is wrong with the end

    def __iter__(self) -> Iterator["av.VideoFrame"]:
        with opened_video(self._path) as (container, stream):
            self._unit = stream.time_base
            jumps = container.format.name in ("mpegts", "mpeg")
            for frame in decoded(container.demux(stream), stream, self._fail):
                self._see(frame, jumps=jumps)
                yield frame
                self.frames += 1
            if not self.frames:
                reason = self._failed[0] if self._failed else "there is none"
                raise DataError(f"{self._path} is damaged: no frame can be decoded, {reason}.")
            self._ending = self._how_it_ended(container, stream)

    @property
    def problem(self) -> str:
        """What is damaged or seems to be missing, when all is read; empty if nothing is."""
        found = []
        if self._failed:
            frames = count(self._failed, "frame")
            found.append(f"{frames} could not be decoded, the first {self._failed[0]}")
        if self._incomplete:
            frames = count(self._incomplete, "frame")
            found.append(f"{frames} came incomplete, the first as frame {self._incomplete[0]}")
        told = "is damaged" if found else "may lack frames"
        if 0 < len(self._holes) <= max(1, _FEW * self.frames):
            found.append(f"there is {some_of(self._holes, at_most=3)}")
        if self._ending:
            found.append(self._ending)
        if not found:
            return ""
        return (
            f"{self._path} {told}: {'; '.join(found)}. The {count(self.frames, 'frame')} that can "
            "be decoded are numbered through."
        )

    def _fail(self, error: Exception) -> None:
        self._failed.append(
            f"before frame {self.frames}, at about {float(self.time):.1f} s ({error.strerror})"
        )

    def _see(self, frame: "av.VideoFrame", *, jumps: bool) -> None:
        """Note what a frame tells; ``jumps``: whether its times may jump."""
        if frame.is_corrupt:
            self._incomplete.append(self.frames)
        before, expected = self.time, self.time + self._step if self.frames else Fraction(0)
        if frame.pts is None:
            self.time = expected
        else:
            time = frame.pts * self._unit
            if self._offset is None:
                self._offset = expected - time
            self.time = time + self._offset
            step = self.time - before
            if self.frames and (step < -self._step or (jumps and step > _JUMP)):
                self._offset += expected - self.time  # another video was joined on
                self.time = expected
            elif self.frames and step <= 0:
                self.time = before + self._step / 100
            elif self.frames:
                self._step = step
        if self._rate and self.time - before > _HOLE / self._rate:
            missing = round((self.time - before) * self._rate) - 1
            self._holes.append(
                f"no frame between {float(before):.2f} and {float(self.time):.2f} s, before frame "
                f"{self.frames} (about {missing} missing)"
            )
        lasts = (frame.duration or 0) * self._unit
        usual = 1 / self._rate if self._rate else self._step
        self.end = self.time + (lasts if lasts > usual / 2 else usual)
        self._container_end = max(self._container_end, self.end - (self._offset or 0))

    def _how_it_ended(
        self, container: "av.container.InputContainer", stream: "av.VideoStream"
    ) -> str:
        size, cut_off = self._path.stat().st_size, 0
        if container.format.name.startswith(("mov", "avi")):
            cut_off = sum(entry.pos + entry.size > size for entry in stream.index_entries)
        if cut_off:
            return f"the file ends before {count(cut_off, 'frame')} of its index"
        announced = _announced_end(stream)
        end = float(self._container_end)
        constant = self._rate and not self._holes
        if announced is None or announced - end < (0.75 / self._rate if constant else _MISSING_END):
            return ""
        missing = f", so that about {round((announced - end) * self._rate)} are missing"
        return (
            f"the frames end after {end:.2f} of the {announced:.2f} s that the file announces"
            f"{missing if self._rate else ''}"
        )


def _announced_end(stream: "av.VideoStream") -> float | None:
    """When the last frame ends, in seconds, as the container says; None if it does not."""
    if stream.duration is not None and stream.time_base is not None:  # MP4, MOV, AVI, …
        return float((stream.duration + (stream.start_time or 0)) * stream.time_base)
    tag = stream.metadata.get("DURATION")  # Matroska, WebM: "00:00:03.600000000"
    if tag is None:
        return None
    hours, minutes, seconds = tag.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
