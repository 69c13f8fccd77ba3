"""Videos from frames to folders of masks, whose frames and masks pass through threads."""

import threading
import time

import numpy as np
import pytest
from colour_network import ColourNetwork
from moving_squares import draw, moving

from ranet.config import InferenceConfig
from ranet.datasets.image_io import read_labels, write_labels
from ranet.errors import DataError, OutputError
from ranet.inference import sequences
from ranet.inference.segmenter import VideoSegmenter
from ranet.inference.sequences import CopyFirstMask, Job, segment
from ranet.inference.tracker import Tracker

SIZE = (48, 80)
CONFIG = InferenceConfig(input_size=SIZE, frame_size=SIZE, smallest_crop=8, device="cpu")
LENGTHS = {"a": 6, "b": 3, "c": 1, "d": 4, "e": 2}
VIDEOS = {
    name: moving(SIZE, frames, {1: (2 + 3 * n, 6), 2: (20, 50)}, step=(1, -1), side=14)
    for n, (name, frames) in enumerate(LENGTHS.items())
}


@pytest.fixture(autouse=True)
def no_thread_stays():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def one_video():
    return Tracker(ColourNetwork(), CONFIG)


class Recording:
    """Follows several videos, notes how many each step has, and may fail at the third step."""

    def __init__(self, error=None):
        self.batch = Tracker(ColourNetwork(), CONFIG)
        self.start, self.prepare = self.batch.start, self.batch.prepare
        self.step_seconds, self.steps, self.error = 0.01, [], error
        self.online_seconds = 0.0

    def step(self, videos, frames):
        if len(self.steps) == 2 and self.error:
            raise self.error
        self.steps.append(len(videos))
        return self.batch.step(videos, frames)


def frames(name, damaged=None):
    for index, (frame, _) in enumerate(VIDEOS[name]):
        if index == damaged:
            raise DataError(f"{name}/{index} is damaged")
        yield f"{index:05d}", frame


def jobs(folder, **damaged):
    for name, video in VIDEOS.items():
        marks = {"00000": video[0][1]}
        yield Job(name, frames(name, damaged.get(name)), marks, folder / name)


def names_of(folder):
    return sorted(path.name for path in folder.iterdir())


def labels_in(folder):
    return [read_labels(path) for path in sorted(folder.iterdir())]


@pytest.mark.parametrize("at_once", [1, 2, 9])
def test_masks_are_those_of_one_frame_after_the_other(tmp_path, at_once):
    advanced = []
    follower = one_video() if at_once == 1 else Recording()
    done = segment(follower, jobs(tmp_path), at_once=at_once, before_frames=advanced.append)
    timings = {job.name: timing for job, timing in done}
    assert timings.keys() == LENGTHS.keys()
    assert sum(advanced) == sum(LENGTHS.values())
    plain = VideoSegmenter(ColourNetwork(), CONFIG)
    for name, video in VIDEOS.items():
        expected = [plain.start(*video[0]), *(plain.step(frame) for frame, _ in video[1:])]
        assert names_of(tmp_path / name) == [f"{index:05d}.png" for index in range(len(video))]
        np.testing.assert_array_equal(labels_in(tmp_path / name), expected)
        assert len(timings[name].step_ms) == len(video) - 1


def test_the_next_video_takes_the_place_of_one_that_has_ended(tmp_path):
    follower = Recording()
    ended = [job.name for job, _ in segment(follower, jobs(tmp_path), at_once=2)]
    # a: 5 steps; beside it b: 2 and d: 3 (c has one frame, and none); then e: 1 alone.
    assert follower.steps == [2, 2, 2, 2, 2, 1]
    assert ended == ["b", "c", "a", "d", "e"]


def test_times_are_divided_among_the_videos_of_a_step(tmp_path):
    began = time.perf_counter()
    timings = {job.name: timing for job, timing in segment(Recording(), jobs(tmp_path), at_once=2)}
    passed = 1000 * (time.perf_counter() - began)
    assert timings["a"].step_ms == pytest.approx([5] * 5)
    assert timings["e"].step_ms == pytest.approx([10])
    assert timings["a"].videos_at_once == 2
    assert timings["c"].videos_at_once == 1  # never in a step
    assert timings["a"].online_ms == 0
    assert 0 < sum(timing.total_ms for timing in timings.values()) <= passed


@pytest.mark.parametrize("follower", [one_video, CopyFirstMask])
def test_objects_begin_where_they_are_marked(tmp_path, follower):
    """1 in the second frame, 2 in the fourth, where 1 is marked again, but otherwise."""
    squares = [draw(SIZE, [(1, 4, 6, 14), (2, 20, 50, 14)]) for _ in range(6)]
    first, second = (draw(SIZE, [square])[1] for square in [(1, 4, 6, 14), (2, 20, 50, 14)])
    second[:3, :3] = 1
    job = Job(
        "a",
        [(f"{index:05d}", frame) for index, (frame, _) in enumerate(squares)],
        {"00001": first, "00003": second},
        tmp_path / "a",
        wanted={"00000", "00002", "00003", "00005"},
    )
    ((_, timing),) = segment(follower(), [job])
    assert names_of(tmp_path / "a") == ["00000.png", "00002.png", "00003.png", "00005.png"]
    empty, one, *both = labels_in(tmp_path / "a")
    assert not empty.any()
    np.testing.assert_array_equal(one, first)
    np.testing.assert_array_equal(both, [squares[0][1]] * 2)
    assert len(timing.step_ms) == 4


# --- what ends early


def finished(folder, at_once=3, follower=None, **damaged):
    done = segment(follower or Recording(), jobs(folder, **damaged), at_once=at_once)
    return [job.name for job, _ in done]


@pytest.mark.parametrize(
    ("at_once", "damaged", "kept"),
    [(3, {"d": 3}, ["b", "c"]), (3, {"e": 0}, ["b", "c", "d"]), (1, {"b": 2}, ["a"])],
)
def test_a_damaged_frame_leaves_only_finished_videos(tmp_path, at_once, damaged, kept):
    ((name, frame),) = damaged.items()
    follower = one_video() if at_once == 1 else None
    with pytest.raises(DataError, match=rf"^{name}/{frame} is damaged$"):
        finished(tmp_path, at_once, follower, **damaged)
    assert set(names_of(tmp_path)) <= {*kept, "a"}
    assert "e" not in names_of(tmp_path)


@pytest.mark.parametrize("at_once", [1, 3])
def test_a_mask_that_cannot_be_written_leaves_only_finished_videos(tmp_path, monkeypatch, at_once):
    def full(path, labels):
        if ".d." in str(path):
            raise OutputError(f"Cannot write {path}: no room")
        write_labels(path, labels)

    monkeypatch.setattr(sequences, "write_labels", full)
    with pytest.raises(OutputError, match=r"\.d\..*no room"):
        finished(tmp_path, at_once, one_video() if at_once == 1 else None)
    assert set(names_of(tmp_path)) <= {"a", "b", "c"}


def test_a_first_mask_that_does_not_fit_is_named(tmp_path):
    write_labels(tmp_path / "first.png", np.ones((9, 9), np.uint8))
    job = Job("a", frames("a"), {"00000": tmp_path / "first.png"}, tmp_path / "masks" / "a")
    with pytest.raises(DataError, match=r"first mask .*first\.png cannot be used.*9×9"):
        list(segment(one_video(), [job]))
    assert names_of(tmp_path / "masks") == []


def test_an_error_of_a_step_tells_the_videos_in_it(tmp_path):
    with pytest.raises(RuntimeError, match="out of memory") as caught:
        finished(tmp_path, 2, Recording(RuntimeError("out of memory")))
    assert caught.value.__notes__ == ["In a step with 2 videos: a, d."]
    assert names_of(tmp_path) == ["b", "c"]


def test_an_interruption_leaves_only_finished_videos(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        finished(tmp_path, 2, Recording(KeyboardInterrupt()))
    assert names_of(tmp_path) == ["b", "c"]


def test_closing_leaves_only_finished_videos(tmp_path):
    done = segment(Recording(), jobs(tmp_path), at_once=3)
    assert next(done)[0].name == "c"
    done.close()
    assert names_of(tmp_path) == ["c"]
