"""Training checkpoints: what has to be in them, and what is done with it."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from ranet.errors import CheckpointError
from ranet.training.checkpoint import Progress, TrainingState


def optimiser_of(module: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(module.parameters(), lr=0.1)


@pytest.fixture
def content() -> dict[str, Any]:
    """All that a checkpoint of a training run holds, for one linear layer."""
    layer = nn.Linear(2, 1)
    return {
        "model": layer.state_dict(),
        "step": 3,
        "optimizer": optimiser_of(layer).state_dict(),
        "scaler": {},
        "average": AveragedModel(layer).state_dict(),
        "random_state": {"cpu": torch.get_rng_state(), "cuda": []},
        "config": {},
        "revision": "unknown",
    }


def restore(content: Mapping[str, Any], average: bool = False) -> None:
    layer = nn.Linear(2, 1)
    step = SimpleNamespace(
        optimizer=optimiser_of(layer),
        scaler=torch.amp.GradScaler("cpu", enabled=False),
        average=AveragedModel(layer) if average else None,
    )
    TrainingState(Path("step-3.pt"), content).restore(step)


@pytest.mark.parametrize(
    "entry",
    ["model", "step", "optimizer", "scaler", "average", "random_state", "config", "revision"],
)
def test_what_is_missing_is_named(entry: str, content: dict[str, Any], tmp_path: Path) -> None:
    torch.save(content, tmp_path / "x.pt")
    assert TrainingState.read(tmp_path / "x.pt").progress == Progress(step=3)
    del content[entry]
    torch.save(content, tmp_path / "x.pt")
    named = "no training checkpoint" if entry == "optimizer" else f"missing: {entry}"
    with pytest.raises(CheckpointError, match=rf"x\.pt .*(\n.*)?{named}"):
        TrainingState.read(tmp_path / "x.pt")


def test_the_figures_of_two_runs_are_apart() -> None:
    assert Progress(step=0).noted is not Progress(step=0).noted


def test_the_best_was_found_with_the_validation_of_its_checkpoint(
    content: dict[str, Any], tmp_path: Path
) -> None:
    older = {"best": 0.5, "config": {"validation": {"every": 7}}}
    torch.save(content | older, tmp_path / "x.pt")
    assert TrainingState.read(tmp_path / "x.pt").progress.best_of == {"every": 7}
    torch.save(content | older | {"best_of": {"every": 8}}, tmp_path / "x.pt")
    assert TrainingState.read(tmp_path / "x.pt").progress.best_of == {"every": 8}


def test_an_entry_of_another_kind_is_named(content: dict[str, Any], tmp_path: Path) -> None:
    torch.save(content | {"random_state": [1]}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=r"of another kind: random_state \(a list\)"):
        TrainingState.read(tmp_path / "x.pt")


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("optimizer", {}),
        ("optimizer", {"state": {}, "param_groups": []}),
        ("random_state", {}),
        ("random_state", {"cpu": 3, "cuda": []}),
    ],
)
def test_a_state_that_does_not_fit_is_refused(
    entry: str, value: object, content: dict[str, Any]
) -> None:
    with pytest.raises(CheckpointError, match=r"state in step-3\.pt does not fit"):
        restore(content | {entry: value})


@pytest.mark.parametrize("value", [None, {"n_averaged": torch.tensor(1)}])
def test_an_average_that_does_not_fit_is_refused(value: object, content: dict[str, Any]) -> None:
    restore(content, average=True)
    with pytest.raises(CheckpointError, match=r"The average in step-3\.pt .*\n.*module\.weight"):
        restore(content | {"average": value}, average=True)


@pytest.mark.parametrize(("saved", "present"), [(1, 1), (1, 2), (2, 1), (2, 0)])
def test_a_run_may_go_on_with_another_number_of_gpus(
    saved: int, present: int, content: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    restored = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: present)
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda *pair: restored.append(pair))
    states = [torch.tensor([number], dtype=torch.uint8) for number in range(saved)]
    restore(content | {"random_state": {"cpu": torch.get_rng_state(), "cuda": states}})
    assert restored == [(states[n], n) for n in range(min(saved, present))]
