"""Frames that are missing in the middle of a video file.

Most damage is an error of the decoder or a mark on a frame. But where FFmpeg meets bytes of a
Matroska file (MKV, WebM) that it does not understand, it looks for the next frame and says nothing.
Two traces are left: a hole in the times of the frames, and bytes that belong to no packet. Both at
one place are damage. A hole alone is not: in a video of variable frame rate a frame may be shown
for as long as nothing moves. Where the holes of a video are few, they are worth a warning.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av

_HOLE = 1.5
"""Frame durations between two frames from which on one is missing."""

_FEW = 0.05
"""Share of frames with a hole before them up to which holes are unusual."""

_HEADERS = 64
"""Bytes that Matroska may have between two packets: those of a block and of a cluster."""

_REORDERING = 1.0
"""Seconds by which packets may come earlier or later than their frames are shown."""


@dataclass(frozen=True)
class Hole:
    """A time without frames that others of the video would have filled."""

    number: int  # of the frame behind it, counted from 0
    before: float  # seconds: when the last frame before it is shown
    after: float  # seconds: when the first one behind it is shown

    def __str__(self) -> str:
        return (
            f"no frame between {self.before:.2f} and {self.after:.2f} s, before frame {self.number}"
        )


class MissingFrames:
    """Looks for holes while a video is read: show it every packet of the file, and every frame.

    Args:
        frame_rate: frames a second that the container tells; None: unknown, no holes are found.
        accounted: whether all bytes of the file are packets and short headers, as in Matroska
            without transparency.
    """

    def __init__(self, frame_rate: Fraction | None, *, accounted: bool) -> None:
        self.holes: list[Hole] = []
        """All that were found so far."""
        self._longest_step = None if not frame_rate else _HOLE / frame_rate
        self._accounted = accounted
        self._skipped: list[float] = []  # times of packets before which bytes were skipped
        self._position = self._read_to = 0  # of the last packet, in bytes
        self._frames, self._time = 0, None

    def see_packet(self, packet: "av.Packet") -> None:
        """Look at the next packet of the file, of whichever stream, before it is decoded."""
        if not self._accounted or packet.pos is None or packet.pts is None:
            return
        if packet.pos == self._position:  # several packets in one block ("lacing")
            self._read_to += packet.size
            return
        if self._position and packet.pos - self._read_to > _HEADERS:
            self._skipped.append(float(packet.pts * packet.time_base))
        self._position, self._read_to = packet.pos, packet.pos + packet.size

    def see_frame(self, time: float | None) -> None:
        """Look at the next frame, shown at ``time`` in seconds; None: unknown."""
        known = None not in (self._longest_step, self._time, time)
        if known and time - self._time > self._longest_step:
            self.holes.append(Hole(self._frames, self._time, time))
        self._frames, self._time = self._frames + 1, time

    @property
    def damage(self) -> Hole | None:
        """The last hole if it is where bytes of the file were skipped, otherwise None."""
        for hole in self.holes[-1:]:
            begin, end = hole.before - _REORDERING, hole.after + _REORDERING
            if any(begin < time < end for time in self._skipped):
                return hole
        return None

    @property
    def unusual(self) -> bool:
        """Whether the video has holes, but so few that it is hardly made that way."""
        return 0 < len(self.holes) <= max(1, _FEW * self._frames)
