"""Videos with transparency; those without are tested with the reader, in test_video_io.py."""

import av
import numpy as np
import pytest

from ranet.datasets.video_io import open_frames
from ranet.datasets.video_writer import VideoWriter
from ranet.errors import OutputError


def cut(shift: int) -> np.ndarray:
    """An opaque orange square on nothing."""
    frame = np.zeros((48, 64, 4), np.uint8)
    frame[10:30, 8 + shift : 32 + shift] = (230, 120, 40, 255)
    return frame


def with_transparency(path) -> list[np.ndarray]:
    """The frames H×W×4, from the decoder that knows transparency."""
    decoder = av.CodecContext.create("libvpx-vp9", "r")
    with av.open(str(path)) as container:
        decoded = [f for packet in container.demux(video=0) for f in decoder.decode(packet)]
    assert {frame.format.name for frame in decoded} == {"yuva420p"}
    return [frame.to_ndarray(format="rgba") for frame in decoded]


def test_transparency_and_colours_come_back(tmp_path):
    path = tmp_path / "cut.webm"
    with VideoWriter(path, frame_rate=12, transparent=True) as writer:
        for shift in range(6):
            writer.write(cut(shift))
    frames = with_transparency(path)
    assert len(frames) == 6
    for shift, frame in enumerate(frames):
        wanted = cut(shift)
        assert np.abs(frame[..., 3].astype(int) - wanted[..., 3]).mean() < 2
        inside = frame[13:27, 11 + shift : 29 + shift]
        assert np.abs(inside.astype(int) - (230, 120, 40, 255)).max() <= 16
    plain = open_frames(path)
    assert (plain.size, plain.frame_rate, len(list(plain))) == ((48, 64), 12, 6)


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(OutputError, match=r"\.webm"):
        VideoWriter(tmp_path / "cut.mp4", frame_rate=12, transparent=True)
    with (
        pytest.raises(ValueError, match="H×W×4 uint8"),
        VideoWriter(tmp_path / "cut.webm", frame_rate=12, transparent=True) as writer,
    ):
        writer.write(cut(0)[..., :3])
