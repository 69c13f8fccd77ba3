"""Which frames are shown as the worst."""

from itertools import pairwise
from types import SimpleNamespace

from ranet.metrics import Measure, ObjectResult, VideoResult
from ranet.report.worst import APART, worst_frames


def run(**videos):
    """A run of which J and F of each scored frame are given."""

    def video(values):
        measure = Measure.over_video(values, frames=len(values) + 2)
        frames = tuple(map(str, range(len(values) + 2)))
        return VideoResult(frames, {1: ObjectResult(J=measure, F=measure)})

    results = {name: video(values) for name, values in videos.items()}
    return SimpleNamespace(scores=SimpleNamespace(videos=results))


def found(runs, at_most=9):
    return [(bad.sequence, bad.frame, bad.score) for bad in worst_frames(runs, at_most)]


def test_the_worst_comes_first_and_frames_that_do_not_count_never():
    runs = [run(a=[0.9, 0.8], b=[0.1, 0.4])]
    assert found(runs) == [("b", 1, 0.1), ("a", 2, 0.8)]


def test_neighbours_of_a_worse_frame_are_left_out():
    values = [0.5] * (2 * APART + 1)
    values[3] = 0.2
    frames = sorted(frame for _, frame, _ in found([run(a=values)]))
    assert 4 in frames
    assert all(b - a >= APART for a, b in pairwise(frames))
    assert len(frames) > 1


def test_no_more_than_asked_for():
    assert found([run(a=[0.3], b=[0.2], c=[0.1])], at_most=2) == [("c", 1, 0.1), ("b", 1, 0.2)]
    assert found([run(a=[0.3])], at_most=0) == []


def test_of_several_runs_the_worst_one_counts():
    assert found([run(a=[0.9]), run(a=[0.3])]) == [("a", 1, 0.3)]
