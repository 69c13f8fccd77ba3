#!/usr/bin/env python
"""Measure how many training samples a second the worker processes make, decoding included.

A sample is a pair, two images and three masks, or, with clip_length above 1, a clip. 0 workers
means that the main process makes them itself. After a warm-up, several rounds are timed for each
number of workers, and the median is told. With --step-ms, the time of a training step without
waiting for data (step_time less data_time of the training log), it also tells how many cores feed
the GPU.

    python benchmarks/loader.py --config configs/quickstart.yaml --workers 0 1 2 4
    python benchmarks/loader.py --config configs/static_single.yaml --step-ms 150
    python benchmarks/loader.py --config configs/quickstart.yaml --json loader.json \\
        'data.size=[480, 864]'
"""

import argparse
import itertools
import math
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2

from ranet.cli import positive_int, run_script, usable_cores
from ranet.config import TrainConfig, load_config
from ranet.datasets.loader import build_loader
from ranet.files import write_json


@dataclass(frozen=True)
class Measurement:
    """The speed at one number of workers."""

    workers: int
    samples_per_second: float  # median of the rounds
    slowest: float  # samples a second of the slowest and fastest rounds
    fastest: float

    @property
    def per_core(self) -> float:
        """Samples a second and core: workers beyond the usable cores share these."""
        return self.samples_per_second / min(max(self.workers, 1), usable_cores())


def main() -> None:
    arguments = parse_arguments()
    config = load_config(TrainConfig, arguments.config, arguments.overrides)
    cv2.setNumThreads(0)  # 0 workers: the main process alone, on one core
    height, width = config.data.size
    print(f"{height}×{width}, {usable_cores()} usable cores, {arguments.rounds} rounds")
    print("workers  samples/s  per core  slowest … fastest round")
    measured = []
    for workers in arguments.workers:
        overrides = [*arguments.overrides, f"data.workers={workers}"]
        config = load_config(TrainConfig, arguments.config, overrides)
        result = measure(config, arguments.rounds, arguments.batches)
        measured.append(result)
        print(
            f"{workers:7d}  {result.samples_per_second:9.1f}  {result.per_core:8.1f}  "
            f"{result.slowest:.1f} … {result.fastest:.1f}"
        )
    if arguments.step_ms:
        per_core = max(result.per_core for result in measured)
        cores = cores_needed(config.batch_size, arguments.step_ms / 1000, per_core)
        print(
            f"A step of {config.batch_size} samples in {arguments.step_ms:g} ms is fed by "
            f"{cores} {'core' if cores == 1 else 'cores'}: data.workers={cores}"
        )
    if arguments.json:
        write_json(arguments.json, describe(config, measured))


def measure(config: TrainConfig, rounds: int, batches: int) -> Measurement:
    """Time ``rounds`` of ``batches`` each, after one more to warm up."""
    workers = config.data.workers
    loader = build_loader(
        config.data,
        seed=config.seed,
        batch_size=config.batch_size,
        first_step=0,
        steps=(rounds + 1) * batches + 2 * workers,  # the last ones keep the workers busy
    )
    iterator = iter(loader)
    ends = []
    for _ in range(rounds + 1):
        for _ in range(batches):
            next(iterator)
        ends.append(time.perf_counter())
    speeds = [
        batches * config.batch_size / (end - start) for start, end in itertools.pairwise(ends)
    ]
    iterator.close()
    return Measurement(workers, statistics.median(speeds), min(speeds), max(speeds))


def cores_needed(batch_size: int, step_time: float, per_core: float) -> int:
    """How many cores make a batch in the time of a step.

    Args:
        batch_size: samples a step.
        step_time: in seconds.
        per_core: samples a second that one core makes.
    """
    return math.ceil(batch_size / step_time / per_core)


def describe(config: TrainConfig, measured: list[Measurement]) -> dict:
    """The results, and what they depend on."""
    return {
        "data": config.data.model_dump(mode="json"),
        "batch_size": config.batch_size,
        "usable_cores": usable_cores(),
        "results": [asdict(result) | {"per_core": result.per_core} for result in measured],
    }


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, required=True, help="a training run's YAML file")
    parser.add_argument(
        "--workers",
        type=int,
        nargs="+",
        default=[0, usable_cores()],
        metavar="N",
        help="numbers of workers (default: 0 and one a core)",
    )
    parser.add_argument("--rounds", type=positive_int, default=5, help="default: %(default)s")
    parser.add_argument(
        "--batches", type=positive_int, default=10, help="of a round (default: %(default)s)"
    )
    parser.add_argument("--step-ms", type=positive_int, metavar="MS", help="of a training step")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here, too")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="fields to set")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
