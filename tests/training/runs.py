"""Miniature runs, runs with another configuration, and runs that are asked to stop."""

import os
import signal
from pathlib import Path
from typing import Any

import fake_method
import pytest
import torch

from ranet.config import EvalConfig, InferenceConfig, TrainConfig, ValidationConfig, parse_config
from ranet.config_files import to_yaml
from ranet.training import loop
from ranet.training import run as training_run
from ranet.training.log import read_log

FAKE = {"name": "fake"}
TINY_RANET = {
    "backbone": "tiny",
    "objects": "multi",
    "template_grid": [3, 4],
    "ranked": 8,
    "width": 0.25,
}


def tiny_config(data: Path, output: Path, model: dict[str, Any] = FAKE) -> TrainConfig:
    """A run of ten steps on a DAVIS tree; of RANet where a test is about what it computes."""
    return parse_config(
        TrainConfig,
        {
            "plugins": [fake_method.PLUGIN],
            "name": "tiny",
            "output": output,
            "model": model,
            "data": {
                "sources": [{"kind": "davis", "root": data}],
                "size": [64, 96],
                "max_objects": 2,
                "samples_per_epoch": 7,
                "workers": 0,
            },
            "optimizer": {"learning_rate": 1e-3, "schedule": "cosine", "clip_norm": 1.0},
            "losses": {"cross_entropy": 1.0, "jaccard": 0.5},
            "batch_size": 2,
            "steps": 10,
            "checkpoint_every": 5,
            "log_every": 1,
            "device": "cpu",
        },
    )


def validated(run: TrainConfig, data: Path) -> TrainConfig:
    """The run with four steps, scored on a DAVIS tree after every second one."""
    inference = InferenceConfig(input_size=(64, 96), frame_size=None, device="cpu")
    validation = ValidationConfig(
        every=2, davis=data, evaluation=EvalConfig(year=2017, inference=inference)
    )
    return changed(run, steps=4, validation=validation)


def in_float64(patch: pytest.MonkeyPatch) -> None:
    """Let runs compute in float64, where nothing but the order of sums differs by 1e-12 at most.

    In float32, rounding decides the order of near-ties in the ranking, which changes much more.
    """
    starting_model = training_run.starting_model
    patch.setattr(training_run, "starting_model", lambda config: starting_model(config).double())
    patch.setattr(torch.Tensor, "float", torch.Tensor.double)


def changed(config: Any, **changes: object) -> Any:
    """A copy of a section; ``data__size`` stands for the field ``data.size``."""
    for name, value in changes.items():
        section, _, field = name.partition("__")
        if field:
            value = changed(getattr(config, section), **{field: value})
        config = config.model_copy(update={section: value})
    return config


def written(run: TrainConfig, path: Path) -> Path:
    """The file ``path`` that says what the run is."""
    path.write_text(to_yaml(run))
    return path


def figures(run: TrainConfig) -> list[dict[str, float]]:
    """The log without its times."""
    return [
        {name: value for name, value in record.items() if not name.endswith("_time")}
        for record in read_log(run.output / "log.jsonl")
    ]


def stop_after(
    step: int, patch: pytest.MonkeyPatch, number: signal.Signals = signal.SIGINT
) -> None:
    """Ask the next run to stop, as Ctrl-C or another signal does, while it computes ``step``."""
    compute = loop.learning_rate

    def ask(config: object, done: int, steps: int) -> float:
        if done == step - 1:
            os.kill(os.getpid(), number)
        return compute(config, done, steps)

    patch.setattr(loop, "learning_rate", ask)
