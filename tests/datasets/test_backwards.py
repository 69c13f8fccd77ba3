import numpy as np
import pytest

from ranet.datasets.image_io import write_image
from ranet.datasets.video_io import backwards, open_frames
from ranet.datasets.video_writer import VideoWriter
from ranet.errors import DataError


def busy_frame(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (32, 48, 3), dtype=np.uint8)


@pytest.fixture(params=["images", "film"])
def source(request, tmp_path):
    if request.param == "images":
        for number in range(5):
            write_image(tmp_path / "frames" / f"{number:05d}.png", busy_frame(number))
        return open_frames(tmp_path / "frames")
    with VideoWriter(tmp_path / "film.mp4", frame_rate=25) as writer:
        for number in range(5):
            writer.write(busy_frame(number))
    return open_frames(tmp_path / "film.mp4")


def test_the_same_frames_the_other_way_round(source, tmp_path):
    forwards = list(source)[:4]
    reversed_ = list(backwards(source, 4, tmp_path / "spool"))
    assert [name for name, _ in reversed_] == ["00003", "00002", "00001", "00000"]
    for (_, frame), (_, wanted) in zip(reversed_, forwards[::-1], strict=True):
        assert np.array_equal(frame, wanted)


def test_too_few(source, tmp_path):
    with pytest.raises(DataError, match="has 5 frames; 6 were to be read"):
        backwards(source, 6, tmp_path / "spool")
