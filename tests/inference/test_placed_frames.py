"""Frames go to a GPU ahead of their steps, in the order that keeps them whole.

What CUDA does is played by objects that note who did what; ``tests/test_cuda.py`` has the rest.
"""

import contextlib
import threading

import numpy as np
import pytest
import torch
from colour_network import ColourNetwork
from moving_squares import moving

from ranet.config import InferenceConfig
from ranet.datasets.image_io import read_labels
from ranet.errors import DataError
from ranet.inference import canvas
from ranet.inference.canvas import PlacedFrame, to_host
from ranet.inference.segmenter import VideoSegmenter
from ranet.inference.sequences import Job, segment
from ranet.inference.tracker import Tracker

SIZE = (48, 80)
CONFIG = InferenceConfig(input_size=SIZE, frame_size=SIZE, smallest_crop=8, device="cpu")
VIDEO = moving(SIZE, 8, {1: (4, 6), 2: (20, 50)}, step=(1, -1), side=14)


def named_frames():
    return [(f"{index:05d}", frame) for index, (frame, _) in enumerate(VIDEO)]


def job(folder):
    return Job(folder.name, named_frames(), {"00000": VIDEO[0][1]}, folder)


class FakeCuda:
    """What is used of ``torch.cuda``, on a CPU; ``log`` has what was done, and in which thread."""

    def __init__(self):
        self.log = []
        self.current = threading.local()

    def note(self, what):
        own = threading.current_thread() is threading.main_thread()
        self.log.append((what, "main" if own else "reader"))

    def current_stream(self, device=None):
        return getattr(self.current, "stream", FakeStream(self, "default"))

    @contextlib.contextmanager
    def stream(self, stream):
        before, self.current.stream = self.current_stream(), stream
        yield
        self.current.stream = before


class FakeStream:
    def __init__(self, cuda, name):
        self.cuda, self.name = cuda, name

    def record_event(self):
        self.cuda.note(f"{self.name} records")
        return FakeEvent(self.cuda)

    def wait_event(self, event):
        self.cuda.note(f"{self.name} waits")


class FakeEvent:
    def __init__(self, cuda):
        self.cuda = cuda

    def synchronize(self):
        self.cuda.note("host waits")


@pytest.fixture
def cuda(monkeypatch):
    fake = FakeCuda()
    monkeypatch.setattr(torch.cuda, "stream", fake.stream)
    monkeypatch.setattr(torch.cuda, "current_stream", fake.current_stream)
    monkeypatch.setattr(
        torch.Tensor,
        "record_stream",
        lambda tensor, stream: fake.note(f"memory kept for {stream.name}"),
    )
    monkeypatch.setattr(canvas, "page_locked", lambda shape: torch.empty(shape).byte())
    return fake


def tracker_with(cuda):
    """A tracker that takes its CPU for a GPU where frames are prepared."""
    tracker = Tracker(ColourNetwork(), CONFIG)
    tracker._ahead = FakeStream(cuda, "ahead")
    place = tracker._place

    def noted(canvas, frames):
        cuda.note(f"placed on {cuda.current_stream().name}")
        return place(canvas, frames)

    tracker._place = noted
    return tracker


def expected_labels():
    plain = VideoSegmenter(ColourNetwork(), CONFIG)
    return [plain.start(*VIDEO[0]), *(plain.step(frame) for frame, _ in VIDEO[1:])]


def written_labels(folder):
    return [read_labels(path) for path in sorted(folder.iterdir())]


def test_a_cpu_takes_frames_as_they_are():
    frame = VIDEO[1][0]
    segmenter = VideoSegmenter(ColourNetwork(), CONFIG)
    assert segmenter.prepare(frame) is frame
    assert segmenter.tracker.prepare(frame) is frame


def test_a_cpu_copies_a_frame_once():
    tracker = Tracker(ColourNetwork(), CONFIG)
    video, image = tracker.start(*VIDEO[0]), torch.rand(1, 3, *SIZE)
    tracker._place = lambda canvas, frames: image
    assert tracker._images([video], [VIDEO[1][0]]) is image


def test_the_reading_thread_places_frames_before_their_steps(tmp_path, cuda):
    tracker = tracker_with(cuda)
    list(segment(tracker, [job(tmp_path / "masks")]))
    np.testing.assert_array_equal(written_labels(tmp_path / "masks"), expected_labels())
    # The first frame is placed where it is marked, too.
    assert [what for what, thread in cuda.log if thread == "main"] == [
        "placed on default",
        *["default waits", "memory kept for default"] * (len(VIDEO) - 1),
    ]
    ahead = [what for what, thread in cuda.log if thread == "reader"]
    assert ahead == ["placed on ahead", "ahead records"] * len(VIDEO)


def test_so_it_is_with_several_videos_at_once(tmp_path, cuda):
    list(segment(tracker_with(cuda), [job(tmp_path / name) for name in "ab"], at_once=2))
    for name in "ab":
        np.testing.assert_array_equal(written_labels(tmp_path / name), expected_labels())
    main = [what for what, thread in cuda.log if thread == "main"]
    assert main.count("placed on default") == 2
    assert main.count("default waits") == 2 * (len(VIDEO) - 1)
    ahead = [what for what, thread in cuda.log if thread == "reader"]
    assert ahead.count("placed on ahead") == ahead.count("ahead records") == 2 * len(VIDEO)


def test_frames_may_be_prepared_or_not_in_one_step(cuda):
    tracker = tracker_with(cuda)
    videos = [tracker.start(*VIDEO[0]) for _ in range(3)]
    frame = VIDEO[1][0]
    labels = tracker.step(videos, [frame, tracker.prepare(frame), frame])
    for found in labels:
        np.testing.assert_array_equal(found, expected_labels()[1])


def test_a_prepared_frame_is_checked_as_any(cuda):
    tracker = tracker_with(cuda)
    video = tracker.start(*VIDEO[0])
    with pytest.raises(DataError, match=r"uint8 RGB .*found shape \(48, 80\)"):
        tracker.prepare(VIDEO[1][1])
    prepared = tracker.prepare(np.zeros((40, 60, 3), np.uint8))
    assert isinstance(prepared, PlacedFrame)
    with pytest.raises(DataError, match="This frame is 40×60, but its video began with 48×80"):
        tracker.step([video], [prepared])


@pytest.mark.parametrize("parts", [1, 3])
def test_labels_of_all_canvases_come_after_one_wait(parts, cuda):
    tensors = [torch.randint(0, 9, (2, 5 + part, 7)).byte() for part in range(parts)]
    arrays = to_host(tensors, torch.device("cuda"))
    assert [what for what, _ in cuda.log] == ["default records", "host waits"]
    for array, tensor in zip(arrays, tensors, strict=True):
        np.testing.assert_array_equal(array, tensor.numpy())


def test_labels_of_a_cpu_are_not_copied():
    tensor = torch.randint(0, 9, (2, 5, 7)).byte()
    (array,) = to_host([tensor], torch.device("cpu"))
    assert array.ctypes.data == tensor.data_ptr()
