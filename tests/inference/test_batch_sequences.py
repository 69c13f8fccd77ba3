"""Several videos at once, from frames to masks on disk."""

import threading
import time

import numpy as np
import pytest
from colour_network import ColourNetwork
from moving_squares import moving

from ranet.config import InferenceConfig
from ranet.datasets.image_io import read_labels, write_labels
from ranet.errors import DataError, OutputError
from ranet.inference import sequence
from ranet.inference.batch_segmenter import BatchSegmenter
from ranet.inference.batch_sequences import Job, segment_together
from ranet.inference.segmenter import VideoSegmenter
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


class Recording(BatchSegmenter):
    """Notes how many videos each step has."""

    def __init__(self):
        super().__init__(Tracker(ColourNetwork(), CONFIG))
        self.steps = []

    def step(self, videos, frames):
        self.steps.append(len(videos))
        return super().step(videos, frames)


def frames(name, damaged=None):
    for index, (frame, _) in enumerate(VIDEOS[name]):
        if index == damaged:
            raise DataError(f"{name}/{index} is damaged")
        yield f"{index:05d}", frame


def jobs(folder, **damaged):
    for name, video in VIDEOS.items():
        yield Job(name, frames(name, damaged.get(name)), video[0][1], f"{name}.png", folder / name)


def names_of(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("at_once", [1, 2, 3, 9])
def test_masks_are_those_of_one_video_after_the_other(tmp_path, at_once):
    advanced = []
    together = segment_together(
        Recording(), jobs(tmp_path), at_once=at_once, after_frames=advanced.extend
    )
    timings = {job.name: timing for job, timing in together}
    assert timings.keys() == LENGTHS.keys()
    assert {name: advanced.count(name) for name in LENGTHS} == LENGTHS
    plain = VideoSegmenter(ColourNetwork(), CONFIG)
    for name, video in VIDEOS.items():
        expected = [plain.start(*video[0]), *(plain.step(frame) for frame, _ in video[1:])]
        assert names_of(tmp_path / name) == [f"{index:05d}.png" for index in range(len(video))]
        for index, labels in enumerate(expected):
            assert np.array_equal(read_labels(tmp_path / name / f"{index:05d}.png"), labels)
        assert len(timings[name].step_ms) == len(video) - 1


def test_the_next_video_takes_the_place_of_one_that_has_ended(tmp_path):
    segmenter = Recording()
    ended = [job.name for job, _ in segment_together(segmenter, jobs(tmp_path), at_once=2)]
    # a: 5 steps; beside it b: 2 and d: 3 (c has one frame, and none); then e: 1 alone.
    assert segmenter.steps == [2, 2, 2, 2, 2, 1]
    assert ended == ["b", "c", "a", "d", "e"]


def test_times_are_divided_among_the_videos_of_a_step(tmp_path):
    began = time.perf_counter()
    done = list(segment_together(Recording(), jobs(tmp_path), at_once=3))
    passed = 1000 * (time.perf_counter() - began)
    timings = {job.name: timing for job, timing in done}
    steps = sum(sum(timing.step_ms) for timing in timings.values())
    total = sum(timing.total_ms for timing in timings.values())
    assert 0 < steps < total <= passed
    assert timings["b"].videos_at_once > 2  # with a and d
    assert timings["c"].videos_at_once == 1  # never in a step
    assert timings["a"].online_ms == 0


def test_a_share_of_a_step_is_that_of_so_many_videos(tmp_path):
    class TenMilliseconds(Recording):
        def step(self, videos, frames):
            labels = super().step(videos, frames)
            self.step_seconds = 0.01
            return labels

    together = segment_together(TenMilliseconds(), jobs(tmp_path), at_once=2)
    timings = {job.name: timing for job, timing in together}
    assert timings["a"].step_ms == pytest.approx([5] * 5)
    assert timings["e"].step_ms == pytest.approx([10])
    assert timings["a"].videos_at_once == 2


# --- what ends early


def finished(folder, at_once=3, segmenter=None, **damaged):
    return [
        job.name
        for job, _ in segment_together(
            segmenter or Recording(), jobs(folder, **damaged), at_once=at_once
        )
    ]


def test_a_frame_that_cannot_be_read_leaves_only_finished_videos(tmp_path):
    with pytest.raises(DataError, match=r"^d/3 is damaged$"):
        finished(tmp_path, d=3)
    assert names_of(tmp_path) == ["b", "c"]


def test_a_first_frame_that_cannot_be_read_leaves_only_finished_videos(tmp_path):
    with pytest.raises(DataError, match=r"^e/0 is damaged$"):
        finished(tmp_path, e=0)
    assert "a" not in names_of(tmp_path)
    assert not [name for name in names_of(tmp_path) if name.startswith(".")]


def test_a_mask_that_cannot_be_written_leaves_only_finished_videos(tmp_path, monkeypatch):
    def full(path, labels):
        if ".d." in str(path):
            raise OutputError(f"Cannot write {path}: no room")
        write_labels(path, labels)

    monkeypatch.setattr(sequence, "write_labels", full)
    with pytest.raises(OutputError, match=r"\.d\..*no room"):
        finished(tmp_path)
    assert set(names_of(tmp_path)) <= {"a", "b", "c"}


def test_a_first_mask_that_does_not_fit_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(VIDEOS, "d", [(VIDEOS["d"][0][0], np.ones((9, 9), np.uint8))])
    with pytest.raises(DataError, match=r"The first mask d\.png cannot be used.*9×9"):
        finished(tmp_path)
    assert not [name for name in names_of(tmp_path) if name.startswith(".")]


class Failing(Recording):
    """Fails at the third step."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def step(self, videos, frames):
        if len(self.steps) == 2:
            raise self.error
        return super().step(videos, frames)


def test_an_error_of_a_step_tells_the_videos_in_it(tmp_path):
    with pytest.raises(RuntimeError, match="out of memory") as caught:
        finished(tmp_path, at_once=2, segmenter=Failing(RuntimeError("out of memory")))
    assert caught.value.__notes__ == ["In a step with 2 videos: a, d."]
    assert names_of(tmp_path) == ["b", "c"]


def test_an_interruption_leaves_only_finished_videos(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        finished(tmp_path, at_once=2, segmenter=Failing(KeyboardInterrupt()))
    assert names_of(tmp_path) == ["b", "c"]


def test_closing_leaves_only_finished_videos(tmp_path):
    together = segment_together(Recording(), jobs(tmp_path), at_once=3)
    assert next(together)[0].name == "c"
    together.close()
    assert names_of(tmp_path) == ["c"]
