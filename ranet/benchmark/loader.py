"""How many training samples a second the worker processes make, decoding included.

A sample is a pair, two images and three masks, or, with clip_length above 1, a clip.
"""

import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import cv2
import torch

from ranet.benchmark.rows import Row, Workload, measured
from ranet.benchmark.timing import Effort
from ranet.cli import usable_cores
from ranet.config import TrainConfig
from ranet.datasets.loader import build_loader
from ranet.wording import count, size_text

_CPU = torch.device("cpu")


def measure_loaders(
    configs: Sequence[TrainConfig], *, batches: int, effort: Effort
) -> Iterator[Row]:
    """Time rounds of batches.

    Args:
        configs: of training runs; each is measured with its own number of workers. 0 means that
            the main process makes the samples itself.
        batches: of a round.
        effort: rounds without and with the clock.

    Raises:
        DataError: a source is not there, holds nothing to train on, or a sample cannot be made.
    """
    for config in configs:
        settings = {
            "run": config.name,
            "size": size_text(config.data.size),
            "clip": config.data.clip_length,
            "batch": config.batch_size,
            "workers": config.data.workers,
        }
        yield measured(
            "loader", settings, lambda c=config: prepare_loader(c, batches), _CPU, effort
        )


@contextmanager
def prepare_loader(config: TrainConfig, batches: int) -> Iterator[Workload]:
    """A round of batches; its workers end with the context."""
    loader = build_loader(
        config.data,
        seed=config.seed,
        batch_size=config.batch_size,
        first_step=0,
        steps=sys.maxsize // config.batch_size,  # the workers are busy until the end
    )

    def call() -> None:
        for _ in range(batches):
            next(iterator)

    with _one_thread_a_process(), closing(iter(loader)) as iterator:
        yield Workload(
            call,
            _CPU,
            unit="sample",
            units=batches * config.batch_size,
            details={"data": config.data.model_dump(mode="json"), "usable_cores": usable_cores()},
        )


def per_core(row: Row) -> float:
    """Samples a second and core: workers beyond the usable cores share these."""
    return row.units_per_second / min(max(row.settings["workers"], 1), usable_cores())


def tell_cores(rows: Sequence[Row], step_seconds: float | None) -> list[str]:
    """What a core makes at best, and how many cores feed a training step of so many seconds."""
    best = max(map(per_core, rows))
    lines = [f"{best:.1f} samples a second and core at best"]
    if step_seconds is not None:
        batch: Any = rows[0].settings["batch"]
        cores = cores_needed(batch, step_seconds, best)
        lines.append(
            f"A step of {count(batch, 'sample')} in {1000 * step_seconds:g} ms is fed by "
            f"{count(cores, 'core')}: data.workers={cores}"
        )
    return lines


def cores_needed(batch_size: int, step_seconds: float, samples_per_core: float) -> int:
    """How many cores make a batch in the time of a step.

    Args:
        batch_size: samples a step.
        step_seconds: of a step, without waiting for data.
        samples_per_core: a second that one core makes.
    """
    return math.ceil(batch_size / step_seconds / samples_per_core)


@contextmanager
def _one_thread_a_process() -> Iterator[None]:
    """OpenCV would use all cores where the main process makes the samples itself."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(0)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
