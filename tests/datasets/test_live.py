"""Frames of a camera, which is a fake here, and of another program."""

import io
from fractions import Fraction

import cv2
import numpy as np
import pytest

from ranet.commands import segment
from ranet.datasets import live
from ranet.datasets.live import PIXEL_FORMATS, CameraFrames, RawFrames
from ranet.errors import DataError

SIZE = (4, 6)


def frames(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *SIZE, 3), dtype=np.uint8)


class Dribble(io.RawIOBase):
    """A pipe, which hands over less than was asked for."""

    def __init__(self, data: bytes) -> None:
        self._stream = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        return self._stream.readinto(memoryview(buffer)[:5])


def test_raw_frames_in_pieces():
    sent = frames(3)
    source = RawFrames(io.BufferedReader(Dribble(sent.tobytes())), SIZE)
    assert (source.size, source.count, source.frame_rate, source.live) == (SIZE, None, None, True)
    names, came = zip(*source, strict=True)
    assert names == ("00000", "00001", "00002")
    assert np.array_equal(np.stack(came), sent)


@pytest.mark.parametrize(
    ("pixel_format", "send"),
    [
        ("bgr24", lambda rgb: rgb[..., ::-1]),
        ("rgba", lambda rgb: np.dstack([rgb, rgb[..., 0]])),
        ("bgra", lambda rgb: np.dstack([rgb[..., ::-1], rgb[..., 0]])),
    ],
)
def test_pixel_formats(pixel_format, send):
    (rgb,) = frames(1)
    ((_, came),) = RawFrames(io.BytesIO(send(rgb).tobytes()), SIZE, pixel_format)
    assert np.array_equal(came, rgb)


def test_grey_frames():
    grey = frames(1)[0, ..., 0]
    ((_, came),) = RawFrames(io.BytesIO(grey.tobytes()), SIZE, "gray")
    assert np.array_equal(came, np.dstack([grey] * 3))
    assert tuple(PIXEL_FORMATS) == segment._PIXEL_FORMATS


def test_a_truncated_frame():
    source = iter(RawFrames(io.BytesIO(frames(2).tobytes()[:-10]), SIZE))
    assert next(source)[0] == "00000"
    with pytest.raises(
        DataError, match=r"within frame 1 .*expected 72 bytes for 4×6 .* but 62 cam"
    ):
        next(source)


def test_nothing_came():
    with pytest.raises(DataError, match="No frame came from standard input"):
        list(RawFrames(io.BytesIO(), SIZE))


REAL_CAPTURE = cv2.VideoCapture


class FakeCapture:
    """OpenCV's camera, that delivers three frames."""

    released = 0

    def __init__(self, index: int) -> None:
        self.left = list(frames(3)) if index == 1 else []

    def read(self):
        return (True, self.left.pop(0)[..., ::-1].copy()) if self.left else (False, None)

    def get(self, what: int) -> float:
        assert what == cv2.CAP_PROP_FPS
        return 29.97

    def release(self) -> None:
        FakeCapture.released += 1


@pytest.fixture(autouse=True)
def fake_camera(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    monkeypatch.setattr(FakeCapture, "released", 0)


def test_a_camera():
    source = CameraFrames(1)
    assert (source.size, source.frame_rate, source.live) == (SIZE, Fraction(2997, 100), True)
    names, came = zip(*source, strict=True)
    assert names == ("00000", "00001", "00002")
    assert np.array_equal(np.stack(came), frames(3))
    assert FakeCapture.released == 1


def test_frames_of_a_camera_have_the_times_at_which_they_came(monkeypatch):
    clock = iter([50.0, 50.0, 50.25, 52.0])
    monkeypatch.setattr(live.time, "monotonic", lambda: next(clock))
    source = CameraFrames(1)
    assert len(list(source)) == 3
    assert source.times == {0: 0, 1: Fraction(1, 4), 2: 2}


def test_no_camera():
    with pytest.raises(DataError, match=r"Camera 0 gives no picture.*/dev/video0"):
        CameraFrames(0)
    assert FakeCapture.released == 1


def test_opencv_says_nothing_of_a_missing_camera(monkeypatch, capfd):
    monkeypatch.setattr(cv2, "VideoCapture", REAL_CAPTURE)
    level = cv2.utils.logging.getLogLevel()
    with pytest.raises(DataError, match="Camera 99 gives no picture"):
        CameraFrames(99)
    assert capfd.readouterr().err == ""
    assert cv2.utils.logging.getLogLevel() == level
