"""Miniature runs, runs with another configuration, and runs that are asked to stop."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from ranet.config import EvalConfig, InferenceConfig, TrainConfig, ValidationConfig, parse_config
from ranet.training import loop
from ranet.training import run as training_run


def tiny_config(data: Path, output: Path) -> TrainConfig:
    """A run of ten steps of a small network on a DAVIS tree."""
    return parse_config(
        TrainConfig,
        {
            "name": "tiny",
            "output": output,
            "model": {
                "backbone": "tiny",
                "objects": "multi",
                "template_grid": [3, 4],
                "ranked": 8,
                "width": 0.25,
            },
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


def stop_after(step: int, patch: pytest.MonkeyPatch) -> None:
    """Ask the next run to stop, as Ctrl-C does, while it computes ``step``."""
    compute = loop.learning_rate

    def ask(config: object, done: int, steps: int) -> float:
        if done == step - 1:
            os.kill(os.getpid(), signal.SIGINT)
        return compute(config, done, steps)

    patch.setattr(loop, "learning_rate", ask)
