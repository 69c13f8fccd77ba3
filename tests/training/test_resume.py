"""A run that was ended goes on to the same end, whatever it is configured to do."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import changed, figures, stop_after

from ranet.config import TrainConfig
from ranet.training.checkpoint import checkpoints_in
from ranet.training.run import train


def in_two_parts(config: TrainConfig, first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        stop_after(first, patch)
        with pytest.raises(KeyboardInterrupt):
            train(config)
    train(config, resume=True)


def state(run: TrainConfig) -> dict[str, Any]:
    """All that is computed with, as it was at the end."""
    content = torch.load(checkpoints_in(run.output / "checkpoints")[-1], weights_only=True)
    return {
        name: content[name] for name in ("step", "model", "optimizer", "scaler", "random_state")
    }


@pytest.mark.parametrize(
    "options",
    [
        {"log_every": 2, "data__clip_length": 2},
        {"dtype": "float16", "data__size": (40, 40), "batch_size": 1},
    ],
    ids=["clips, a line of the log is begun", "float16"],
)
def test_two_steps_are_one_and_one_more(
    options: dict[str, object],
    ranet_run: TrainConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # In float16, let the scale of the gradients change with every step.
    scaler = partial(torch.amp.GradScaler, init_scale=1.0, growth_interval=1)
    monkeypatch.setattr(torch.amp, "GradScaler", scaler)
    straight = changed(ranet_run, steps=2, output=tmp_path / "straight", **options)
    train(straight)
    halved = changed(straight, output=tmp_path / "halved")
    in_two_parts(halved, 1, monkeypatch)
    assert figures(halved) == figures(straight)
    torch.testing.assert_close(state(halved), state(straight), rtol=0, atol=0)


def test_steps_may_be_raised(ranet_run: TrainConfig, tmp_path: Path) -> None:
    straight = changed(ranet_run, output=tmp_path / "straight", optimizer__schedule="constant")
    train(straight)
    raised = changed(straight, output=tmp_path / "raised")
    train(changed(raised, steps=5))
    train(raised, resume=True)
    assert figures(raised) == figures(straight)
    torch.testing.assert_close(state(raised), state(straight), rtol=0, atol=0)
