"""How fast the evaluation is, and that speed costs no accuracy.

It is timed in turn with a straightforward one, which reads the masks once for J and again for F,
dilates boundaries in the whole frame, and does one frame after the other. Every J and F must be the
same in both, to the last bit.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ranet.benchmark.rows import Row
from ranet.benchmark.timing import Effort, Spread, time_in_turn
from ranet.metrics import boundary_map, boundary_radius, evaluate_davis
from ranet.metrics.protocol import ScoredFrame, find_videos

Values = dict[str, np.ndarray]
"""By sequence: scored frames × objects × (J, F)."""

OURS, PLAIN = "ranet", "straightforward"


def measure_evaluation(
    annotations: Path,
    predictions: Path,
    *,
    year: int,
    sequences: Sequence[str] | None,
    workers: int,
    effort: Effort,
) -> list[Row]:
    """Time both evaluations in turn.

    Args:
        annotations: the true masks, one folder a sequence.
        predictions: the masks to score.
        year: 2016 or 2017: whose rules hold.
        sequences: names; None: all.
        workers: frames that ours scores at the same time.
        effort: rounds without and with the clock.

    Returns:
        A row of ours and one of the straightforward evaluation.

    Raises:
        DataError: of the masks.
    """
    data = {
        "annotations": annotations,
        "predictions": predictions,
        "year": year,
        "sequences": sequences,
    }
    values: dict[str, Values] = {}

    def ours() -> None:
        values[OURS] = values_of_ranet(**data, workers=workers)

    def plain() -> None:
        values[PLAIN] = straightforward(**data)

    seconds = time_in_turn(
        {OURS: ours, PLAIN: plain}, warm_up=effort.warm_up, repeats=effort.repeats
    )
    require_equal(values[PLAIN], values[OURS])
    frames = sum(len(scores) for scores in values[OURS].values())
    return [
        Row(
            "evaluation",
            settings={
                "year": year,
                "sequences": len(values[OURS]),
                "scored frames": frames,
                "implementation": name,
                "workers": count,
            },
            unit="frame",
            units=frames,
            seconds=Spread.of(seconds[name]),
            details={"objects": sum(scores.shape[1] for scores in values[OURS].values())},
        )
        for name, count in ((OURS, workers), (PLAIN, 1))
    ]


def tell_ratio(rows: Sequence[Row]) -> list[str]:
    """What the two rows say."""
    medians = {row.settings["implementation"]: row.seconds.median for row in rows}
    return [f"{medians[PLAIN] / medians[OURS]:.1f} times faster, all values equal"]


def straightforward(
    annotations: Path, predictions: Path, year: int, sequences: Sequence[str] | None
) -> Values:
    """All J, then all F of each sequence, as the definitions say and without further thought."""
    values = {}
    for video in find_videos(annotations, predictions, year=year, sequences=sequences):
        region = [_measure(frame, _plain_jaccard) for frame in video.frames]
        boundary = [_measure(frame, _plain_f_measure) for frame in video.frames]
        shape = (len(video.frames), video.objects)
        values[video.name] = np.stack([np.reshape(region, shape), np.reshape(boundary, shape)], -1)
    return values


def values_of_ranet(**arguments: Any) -> Values:
    """The same values of :func:`ranet.metrics.evaluate_davis`, with its arguments."""
    result = evaluate_davis(**arguments)
    return {
        name: np.stack(
            [
                np.stack([scores.J.per_frame[1:-1], scores.F.per_frame[1:-1]], axis=-1)
                for scores in video.objects.values()
            ],
            axis=1,
        )
        for name, video in result.videos.items()
    }


def require_equal(expected: Values, found: Values) -> None:
    """Raise AssertionError, for that would be a mistake of this project, where values differ."""
    for name, values in expected.items():
        if not np.array_equal(values, found[name]):
            raise AssertionError(
                f"The two evaluations of {name} differ: a mistake in ranet.metrics."
            )


def _measure(frame: ScoredFrame, compare: Callable[[np.ndarray, np.ndarray], float]) -> list[float]:
    prediction, truth = frame.read(frame.prediction), frame.read(frame.annotation)
    return [compare(prediction == k, truth == k) for k in range(1, frame.objects + 1)]


def _plain_jaccard(prediction: np.ndarray, truth: np.ndarray) -> float:
    union = np.sum(prediction | truth)
    return float(np.sum(prediction & truth) / union) if union else 1.0


def _plain_f_measure(prediction: np.ndarray, truth: np.ndarray) -> float:
    radius = boundary_radius(*truth.shape)
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disk = (x**2 + y**2 <= radius**2).astype(np.uint8)
    found, expected = boundary_map(prediction), boundary_map(truth)
    near_found = cv2.dilate(found.astype(np.uint8), disk) > 0
    near_expected = cv2.dilate(expected.astype(np.uint8), disk) > 0
    if not found.any() or not expected.any():
        return float(found.any() == expected.any())
    precision = np.sum(found & near_expected) / np.sum(found)
    recall = np.sum(expected & near_found) / np.sum(expected)
    if precision + recall == 0:
        return 0.0
    return float(2 * precision * recall / (precision + recall))
