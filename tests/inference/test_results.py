from pathlib import Path

import pytest

from ranet.inference.results import Report, summarise_times
from ranet.inference.sequences import Timing
from ranet.metrics import DavisResult, Measure, ObjectResult, VideoResult
from ranet.tables.published import published_result

SOMEWHERE = {
    "device": "Some GPU",
    "peak_bytes": 3 * 2**20,
    "memory_counted": "allocated on the GPU",
}


def result(videos=2, year=2016):
    measures = ObjectResult(
        J=Measure.over_video([0.5, 0.7], frames=4), F=Measure.over_video([0.25, 0.25], frames=4)
    )
    frames = ("0", "1", "2", "3")
    names = [f"video{number}" for number in range(videos)]
    return DavisResult(
        year, Path("a"), Path("p"), {name: VideoResult(frames, {1: measures}) for name in names}
    )


def report(**changes):
    values = {
        "benchmark": "DAVIS-2016 val",
        "scores": result(),
        "published": published_result(2016, "val", online=False),
        "timings": {"video0": Timing([90.0, 10.0, 30.0], 400.0, **SOMEWHERE)},
    }
    values |= changes
    return str(Report(sequences=list(values["scores"].videos), **values))


def cells(text, name):
    line = next(line for line in text.splitlines() if line.startswith(name))
    return line.removeprefix(name).split()


def test_times_are_a_median_of_steps_and_a_mean_of_everything():
    times = summarise_times([Timing([90.0, 10.0, 30.0], 400.0), Timing([80.0, 11.0], 300.0)])
    assert times == {
        "step_ms": 11.0,  # of 10, 11 and 30: the first step of each video warms up
        "timed_steps": 3,
        "videos_at_once": 1.0,
        "online_ms": 0.0,
        "frame_ms": 11.0,
        "end_to_end_ms": 100.0,  # 700 ms for 4 + 3 frames, the given first ones included
        "frames": 7,
    }


def test_times_of_several_videos_at_once_are_not_passed_off_as_those_of_one():
    timings = {
        "video0": Timing([90.0, 10.0, 30.0], 400.0, videos_at_once=4.0),
        "video1": Timing([80.0, 11.0], 300.0, videos_at_once=1.0),
        "video2": Timing([80.0], 300.0, videos_at_once=100.0),  # all warming up
    }
    times = summarise_times(timings.values())
    assert times["step_ms"] == 11.0
    assert times["videos_at_once"] == 3.0  # of two steps, four, and of one, one
    text = report(timings=timings)
    assert "3.0 videos were followed at once" in text
    assert "throughput" in text
    assert "throughput" not in report()


def test_online_learning_is_spread_over_the_frames_of_its_video():
    timing = Timing([90.0, 10.0, 30.0], 8400.0, online_ms=8000.0)
    times = summarise_times([timing])
    assert times["online_ms"] == 2000.0
    assert times["step_ms"] == 20.0
    assert times["end_to_end_ms"] == 2100.0
    assert times["frame_ms"] == 2020.0
    theirs = published_result(2016, "val", online=True)
    text = report(timings={"video0": timing}, published=theirs)
    assert cells(text, "J&F-Mean") == ["87.1", "42.5"]
    assert cells(text, "ms a frame, network step") == ["20.0"]
    assert cells(text, "ms a frame, online learning") == ["2000.0"]
    assert cells(text, "ms a frame, both") == ["4000.0", "2020.0"]
    assert "spread over its frames" in text
    assert "online" not in report()


@pytest.mark.parametrize("timings", [[], [Timing([50.0], 100.0)]])
def test_without_a_step_after_warming_up_there_is_no_step_time(timings):
    assert summarise_times(timings)["step_ms"] is None


def test_the_papers_numbers_stand_beside_ours():
    text = report()
    assert cells(text, "J&F-Mean") == ["85.5", "42.5"]
    assert cells(text, "J-Mean") == ["85.5", "60.0"]
    assert cells(text, "J-Recall") == ["97.2", "50.0"]
    assert cells(text, "J-Decay") == ["6.2", "-20.0"]
    assert cells(text, "F-Mean") == ["85.4", "25.0"]
    assert cells(text, "F-Recall") == ["94.9", "0.0"]
    assert cells(text, "F-Decay") == ["5.1", "0.0"]
    assert cells(text, "ms a frame, network step") == ["33.0", "20.0"]
    assert cells(text, "ms a frame, end to end") == ["100.0"]
    assert cells(text, "peak memory") == ["3", "MiB"]
    assert "paper, Table 1" in text
    assert "Some GPU" in text
    assert "allocated on the GPU" in text
    assert "without synchronising" in text


def test_a_run_on_two_devices_names_both_and_their_peak():
    timings = {
        "video0": Timing([90.0], 400.0, **SOMEWHERE),
        "video1": Timing([90.0], 400.0, **{**SOMEWHERE, "peak_bytes": 7 * 2**20}),
        "video2": Timing([90.0], 400.0, device="Some CPU"),
    }
    text = report(timings=timings)
    assert "Some GPU and Some CPU" in text
    assert cells(text, "peak memory") == ["7", "MiB"]


def test_masks_of_several_revisions_are_not_passed_off_as_those_of_one():
    one, other = Timing([9.0], 40.0, revision="abc"), Timing([9.0], 40.0, revision="def+")
    assert "revision" not in report(timings={"video0": one, "video1": one})
    text = report(timings={"video0": one, "video1": other, "video2": one})
    assert "the revisions abc and def+ of the code" in text
    old = Timing([9.0], 40.0)  # from before it was noted
    assert "abc and unknown" in report(timings={"video0": one, "video1": old})


def test_numbers_of_other_sequences_are_not_passed_off_as_comparable():
    assert "paper's numbers are of 20 sequences, ours of 2" in report()
    assert "cannot be compared" not in report(scores=result(videos=20))


def test_what_the_paper_does_not_give_stays_empty():
    text = report(published=published_result(2017, "val", online=False), scores=result(year=2017))
    assert cells(text, "J&F-Mean") == ["65.7", "42.5"]
    assert cells(text, "F-Mean") == ["25.0"]
    text = report(published=None)
    assert cells(text, "J&F-Mean") == ["42.5"]


def test_what_was_not_measured_is_a_dash():
    text = report(timings={})
    assert "unknown device" in text
    assert cells(text, "ms a frame, network step") == ["33.0", "–"]
    assert cells(text, "ms a frame, end to end") == ["–"]
    assert cells(text, "peak memory") == ["–"]
