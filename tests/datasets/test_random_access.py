"""Any frame of a video, in any order, is the one that reading it in order gives."""

import av
import numpy as np
import pytest

from ranet.datasets.image_io import write_image
from ranet.datasets.random_access import FrameReader
from ranet.datasets.video_io import open_frames
from ranet.errors import DataError

ORDER = (0, 25, 3, 4, 29, 12, 11, 13, 0, 28)


def busy_frame(number):
    """Noise under a square that moves."""
    image = np.random.default_rng(7).integers(60, 120, (64, 96, 3), dtype=np.uint8)
    image[20:40, 2 * number : 2 * number + 20] = (250, 200, 20)
    return image


def encoded(path, codec, count=30, options=None):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(count):
            picture = av.VideoFrame.from_ndarray(busy_frame(number), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


OPEN_GROUPS = {"g": "8", "bf": "3", "x264-params": "open-gop=1:keyint=8:scenecut=0"}


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("closed.mp4", "libx264", {"g": "8", "bf": "2"}),
        ("open.mp4", "libx264", OPEN_GROUPS),
        ("open.mkv", "libx264", OPEN_GROUPS),
        ("stream.ts", "libx264", OPEN_GROUPS),
        ("one_key.webm", "libvpx-vp9", {}),
        ("old.avi", "mpeg4", {"g": "8"}),
        ("raw.h264", "libx264", {"g": "8", "bf": "2"}),
    ],
)
def test_frames_of_a_video_file(tmp_path, name, codec, options):
    source = open_frames(encoded(tmp_path / name, codec, options=options))
    in_order = dict(source)
    reader = FrameReader(source)
    reader.count_frames()
    assert reader.known == len(in_order) == 30
    for number in ORDER:
        assert (reader.read(number) == in_order[reader.name(number)]).all(), number
    reader.close()
    assert (reader.read(5) == in_order["00005"]).all()


def test_frames_are_known_while_they_are_counted(tmp_path):
    source = open_frames(encoded(tmp_path / "a.mp4", "libx264", options={"g": "4"}))
    reader = FrameReader(source)
    reader.count_frames(stop=lambda: reader.known == 10)
    in_order = [frame for _, frame in source]
    assert (reader.read(9) == in_order[9]).all()
    assert (reader.read(2) == in_order[2]).all()
    with pytest.raises(DataError, match=r"no frame 10: frames 0 to 9 are known"):
        reader.read(10)


def test_frames_before_damage_can_be_read(tmp_path):
    path = encoded(tmp_path / "a.mkv", "libx264", options={"g": "4"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    reader = FrameReader(open_frames(path))
    with pytest.raises(DataError, match="may lack frames"):
        reader.count_frames()
    assert 0 < reader.known < 30
    assert reader.read(reader.known - 1).shape == (64, 96, 3)


def test_a_file_that_is_replaced_is_told(tmp_path):
    path = encoded(tmp_path / "a.mp4", "libx264", options={"g": "4"})
    reader = FrameReader(open_frames(path))
    reader.count_frames()
    encoded(path, "libx264", count=3)
    with pytest.raises(DataError, match=r"Frame 20 of .*a.mp4 was there"):
        reader.read(20)


def test_images(tmp_path):
    for number in range(3):
        write_image(tmp_path / f"{number + 8}.png", busy_frame(number))
    reader = FrameReader(open_frames(tmp_path))
    reader.count_frames()
    assert (reader.known, reader.name(2)) == (3, "10")
    assert (reader.read(2) == busy_frame(2)).all()
    assert (reader.read(0) == busy_frame(0)).all()
    with pytest.raises(DataError, match="no frame -1"):
        reader.read(-1)


def test_an_image_of_another_size_is_told(tmp_path):
    write_image(tmp_path / "0.png", busy_frame(0))
    write_image(tmp_path / "1.png", busy_frame(0)[:30])
    reader = FrameReader(open_frames(tmp_path))
    with pytest.raises(DataError, match=r"1.png is 30×96, but the first frame is 64×96"):
        reader.read(1)


def test_what_comes_once_cannot_be_read_in_any_order():
    with pytest.raises(DataError, match="cannot be read in any order"):
        FrameReader(object())
