#!/usr/bin/env python
"""How fast the evaluation is, and that speed costs no accuracy.

Times the evaluation in turn with a straightforward one that reads the masks once for J and again
for F, dilates boundaries in the whole frame, and does one frame after the other. Every J and F
must be the same in both, to the last bit.

    python benchmarks/evaluation.py --year 2016 \\
        --annotations data/DAVIS/Annotations/480p --predictions results/ranet \\
        --set data/DAVIS/ImageSets/2016/val.txt --json evaluation.json
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL

from ranet.cli import positive_int, run_script, usable_cores
from ranet.datasets.index import read_set_file
from ranet.files import write_json
from ranet.metrics import boundary_map, boundary_radius, evaluate_davis
from ranet.metrics.protocol import ScoredFrame, find_videos

Values = dict[str, np.ndarray]
"""By sequence: scored frames × objects × (J, F)."""


def main() -> None:
    arguments = parse_arguments()
    data = {
        "annotations": arguments.annotations,
        "predictions": arguments.predictions,
        "year": arguments.year,
        "sequences": read_set_file(arguments.set) if arguments.set else None,
    }
    contenders = {
        "straightforward": lambda: straightforward(**data),
        "ranet": lambda: values_of_ranet(**data, workers=arguments.workers),
    }
    seconds, values = race(contenders, arguments.repeats)
    require_equal(*values)
    report = summarise(seconds, values[0], arguments.workers)
    print(format_report(report))
    if arguments.json:
        write_json(arguments.json, report)


def straightforward(
    annotations: Path, predictions: Path, year: int, sequences: Sequence[str] | None
) -> Values:
    """All J, then all F of each sequence, as the definitions say and without further thought."""
    values = {}
    for video in find_videos(annotations, predictions, year=year, sequences=sequences):
        region = [measure(frame, plain_jaccard) for frame in video.frames]
        boundary = [measure(frame, plain_f_measure) for frame in video.frames]
        shape = (len(video.frames), video.objects)
        values[video.name] = np.stack([np.reshape(region, shape), np.reshape(boundary, shape)], -1)
    return values


def measure(frame: ScoredFrame, compare: Callable[[np.ndarray, np.ndarray], float]) -> list[float]:
    prediction, truth = frame.read(frame.prediction), frame.read(frame.annotation)
    return [compare(prediction == k, truth == k) for k in range(1, frame.objects + 1)]


def plain_jaccard(prediction: np.ndarray, truth: np.ndarray) -> float:
    union = np.sum(prediction | truth)
    return float(np.sum(prediction & truth) / union) if union else 1.0


def plain_f_measure(prediction: np.ndarray, truth: np.ndarray) -> float:
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


def values_of_ranet(**arguments: Any) -> Values:
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


def race(
    contenders: dict[str, Callable[[], Values]], repeats: int
) -> tuple[dict[str, list[float]], list[Values]]:
    """Run the contenders in turn (A B A B …); the seconds of each run, and each one's values."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    values: dict[str, Values] = {}
    for _ in range(repeats):
        for name, evaluate in contenders.items():
            start = time.perf_counter()
            values[name] = evaluate()
            seconds[name].append(time.perf_counter() - start)
    return seconds, list(values.values())


def require_equal(expected: Values, found: Values) -> None:
    for name, values in expected.items():
        if not np.array_equal(values, found[name]):
            raise AssertionError(
                f"The two evaluations of {name} differ: a mistake in ranet.metrics."
            )


def summarise(seconds: dict[str, list[float]], values: Values, workers: int) -> dict[str, Any]:
    medians = {name: statistics.median(runs) for name, runs in seconds.items()}
    return {
        "settings": {
            "frames": sum(len(v) for v in values.values()),
            "objects": sum(v.shape[1] for v in values.values()),
            "workers": workers,
            "cores": usable_cores(),
            "machine": platform.platform(),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "opencv": cv2.__version__,
            "pillow": PIL.__version__,
        },
        "seconds": seconds,
        "median_seconds": medians,
        "ratio": medians["straightforward"] / medians["ranet"],
        "values_equal": True,  # or there would be no report
    }


def format_report(report: dict[str, Any]) -> str:
    settings = report["settings"]
    lines = [
        f"{settings['frames']} scored frames, {settings['objects']} objects, "
        f"{settings['workers']} workers on {settings['cores']} cores",
        "",
        f"{'':16s}  {'median s':>8s}  {'fastest':>8s}  {'slowest':>8s}",
    ]
    for name, runs in report["seconds"].items():
        median = report["median_seconds"][name]
        lines.append(f"{name:16s}  {median:8.3f}  {min(runs):8.3f}  {max(runs):8.3f}")
    lines += ["", f"{report['ratio']:.1f} times faster, all values equal"]
    return "\n".join(lines)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("--annotations", "--predictions"):
        parser.add_argument(
            name, type=Path, required=True, metavar="DIR", help="as in scripts/evaluate.py"
        )
    parser.add_argument("--year", type=int, required=True, choices=(2016, 2017))
    parser.add_argument("--set", type=Path, metavar="FILE", help="list of sequences (default: all)")
    parser.add_argument(
        "--workers",
        type=positive_int,
        default=usable_cores(),
        metavar="N",
        help="frames that ranet scores at the same time (default: %(default)s)",
    )
    parser.add_argument(
        "--repeats",
        type=positive_int,
        default=5,
        metavar="N",
        help="runs of each evaluation (default: %(default)s)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
