"""The frames where a run is worst."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ranet.metrics import VideoResult
from ranet.report.runs import Run

APART = 5
"""Annotated frames between two of one sequence: neighbours show the same mistake again."""


@dataclass(frozen=True)
class BadFrame:
    """A frame, and the J&F of the run that is worst there."""

    score: float
    sequence: str
    frame: int  # index among the annotated frames


def worst_frames(runs: Sequence[Run], at_most: int) -> list[BadFrame]:
    """The worst frames, worst first, none closer to a worse one of its sequence than `APART`."""
    chosen: list[BadFrame] = []
    for bad in sorted(_all_frames(runs), key=lambda bad: bad.score):
        if len(chosen) == at_most:
            break
        if all(bad.sequence != c.sequence or abs(bad.frame - c.frame) >= APART for c in chosen):
            chosen.append(bad)
    return chosen


def _all_frames(runs: Sequence[Run]) -> Iterator[BadFrame]:
    """All scored frames, with the lowest score of the runs that have them."""
    lowest: dict[tuple[str, int], float] = {}
    for run in runs:
        for name, video in run.scores.videos.items():
            for frame, score in _frame_scores(video):
                lowest[name, frame] = min(score, lowest.get((name, frame), score))
    return (BadFrame(score, name, frame) for (name, frame), score in lowest.items())


def _frame_scores(video: VideoResult) -> Iterator[tuple[int, float]]:
    """Index and J&F, over the objects, of the frames that count."""
    for frame in range(len(video.frames)):
        values = [m.per_frame[frame] for one in video.objects.values() for m in (one.J, one.F)]
        if None not in values:
            yield frame, sum(values) / len(values)
