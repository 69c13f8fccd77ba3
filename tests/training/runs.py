"""Runs with another configuration, and runs that are asked to stop."""

import os
import signal
from typing import Any

import pytest

from ranet.training import loop


def changed(config: Any, **changes: object) -> Any:
    """A copy of a section; ``data__size`` stands for the field ``data.size``."""
    for name, value in changes.items():
        section, _, field = name.rpartition("__")
        if section:
            value = changed(getattr(config, section), **{field: value})
        config = config.model_copy(update={section or name: value})
    return config


def stop_after(step: int, patch: pytest.MonkeyPatch) -> None:
    """Ask the next run to stop, as Ctrl-C does, while it computes ``step``."""
    compute = loop.learning_rate

    def ask(config: object, done: int, steps: int) -> float:
        if done == step - 1:
            os.kill(os.getpid(), signal.SIGINT)
        return compute(config, done, steps)

    patch.setattr(loop, "learning_rate", ask)
