"""The training step where numbers go wrong, and what it asks of the device."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from ranet.config import Section, TrainConfig
from ranet.errors import TrainingError
from ranet.structures import TrainingBatch
from ranet.training import loop, losses
from ranet.training.checkpoint import checkpoints_in
from ranet.training.run import train


def changed(config: Section, **changes: object) -> Any:
    return config.model_copy(update=changes)


@pytest.fixture
def smallest_run(tiny_run: TrainConfig) -> TrainConfig:
    """Half precision is slow on a CPU."""
    return changed(tiny_run, data=changed(tiny_run.data, size=(40, 40)), batch_size=1)


@pytest.fixture
def broken_gradient(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let the loss of one step be finite, yet not its gradient."""

    def at(step: int) -> None:
        calls = []

        def loss(logits: Tensor, *_: Tensor) -> Tensor:
            calls.append(None)
            zero = (logits * 0).sum()
            return zero.sqrt() if len(calls) == step else zero  # the slope of a root at 0

        monkeypatch.setitem(losses.LOSSES, "jaccard", loss)

    return at


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("clip_norm", [None, 1.0])
def test_a_gradient_that_is_not_finite_stops_the_run(
    dtype: str,
    clip_norm: float | None,
    smallest_run: TrainConfig,
    broken_gradient: Callable[[int], None],
) -> None:
    broken_gradient(2)
    optimizer = changed(smallest_run.optimizer, clip_norm=clip_norm)
    with pytest.raises(TrainingError, match=r"gradient of step 2 is not finite: .*samples "):
        train(changed(smallest_run, dtype=dtype, optimizer=optimizer, checkpoint_every=1))
    (last,) = checkpoints_in(smallest_run.output / "checkpoints")
    content = torch.load(last, weights_only=True)
    assert content["step"] == 1
    assert all(tensor.isfinite().all() for tensor in content["model"].values())


def test_float16_skips_a_step_and_says_so(
    smallest_run: TrainConfig,
    broken_gradient: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken_gradient(2)
    # The usual first scale is so large that it may skip steps by itself.
    monkeypatch.setattr(torch.amp, "GradScaler", partial(torch.amp.GradScaler, init_scale=1.0))
    final = train(changed(smallest_run, dtype="float16", steps=3, log_every=3))
    (line,) = (smallest_run.output / "log.jsonl").read_text().splitlines()
    record = json.loads(line, parse_constant=pytest.fail)
    assert record["skipped_steps"] == 1
    assert 0 < record["gradient_norm"] < 1000
    weights = torch.load(final, weights_only=True)["model"].values()
    assert all(tensor.isfinite().all() for tensor in weights)


def test_float16_stops_where_no_lower_scale_would_help(
    smallest_run: TrainConfig,
    broken_gradient: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken_gradient(1)
    monkeypatch.setattr(torch.amp, "GradScaler", partial(torch.amp.GradScaler, init_scale=0.5))
    with pytest.raises(TrainingError, match=r"gradient of step 1 is not finite: .*samples "):
        train(changed(smallest_run, dtype="float16", steps=3))


def test_the_sample_that_spoils_a_loss_is_told_from_the_batch(
    tiny_run: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, spoiled = loop.TrainingStep.forward, set()

    def spoil(step: loop.TrainingStep, batch: TrainingBatch) -> dict[str, Tensor]:
        if not spoiled:
            spoiled.add(batch.names[-1])
        factor = torch.nan if spoiled & {*batch.names} else 1.0
        return {name: factor * loss for name, loss in forward(step, batch).items()}

    monkeypatch.setattr(loop.TrainingStep, "forward", spoil)
    with pytest.raises(TrainingError, match="A loss of step 1 is not finite") as refused:
        train(changed(tiny_run, batch_size=4, accumulate=2, seed=1))
    assert f"It came from the samples {', '.join(spoiled)}. A lower" in str(refused.value)


class OnDevice(TrainingBatch):
    """A batch whose values would have to be waited for."""

    object_count = property(lambda self: pytest.fail("a number was read from the device"))


def test_objects_are_counted_before_the_batch_is_moved(
    tiny_run: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrainingBatch, "to", lambda self, device: OnDevice(**vars(self)))
    train(changed(tiny_run, steps=1))
