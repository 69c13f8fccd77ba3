"""The training step: both passes, losses, and the update, on drawn samples."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ranet.benchmark.drawn_videos import draw_sample
from ranet.benchmark.flop import count_flop
from ranet.benchmark.networks import count_parameters
from ranet.benchmark.rows import Row, Settings, Workload, measured
from ranet.benchmark.timing import Effort
from ranet.config import TrainConfig
from ranet.device import resolve_device
from ranet.structures import TrainingBatch
from ranet.training.processes import alone
from ranet.training.run import new_training_step


@dataclass(frozen=True)
class TrainingCase:
    """A run of which one step is timed.

    Attributes:
        config: of the run; its sources of data are not read.
        settings: what of it is worth telling, by name, for tables.
    """

    config: TrainConfig
    settings: Settings


def measure_training(case: TrainingCase, effort: Effort) -> Row:
    """Time the step of a run."""
    device = resolve_device(case.config.device)
    return measured("training", case.settings, lambda: prepare_training(case), device, effort)


@contextmanager
def prepare_training(case: TrainingCase) -> Iterator[Workload]:
    """A step from a batch in the host's memory to updated weights and the losses' values."""
    config = case.config
    device = resolve_device(config.device)
    step = new_training_step(config, alone(device))
    batch = _drawn_batch(config)
    if device.type == "cuda":
        batch = batch.pin_memory()  # as the loader of a run does
    # Nothing of a compiled network could be counted.
    eager = replace(step, network=step.clip_network)
    yield Workload(
        lambda: step(batch, 0),
        device,
        unit="pair" if config.data.clip_length == 1 else "clip",
        units=config.batch_size,
        dtype=config.dtype,
        parameters=count_parameters(step.model),
        flop=count_flop(lambda: eager(batch, 0)),
        details={"config": config.model_dump(mode="json")},
    )


def _drawn_batch(config: TrainConfig) -> TrainingBatch:
    data = config.data
    sample = draw_sample(data.size, objects=data.max_objects, length=data.clip_length)
    return TrainingBatch.collate([sample] * config.batch_size)
