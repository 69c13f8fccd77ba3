"""Several processes train as one does."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from ranet.config import TrainConfig
from ranet.errors import ConfigError
from ranet.training.processes import joined_processes
from ranet.training.run import train

ROOT = Path(__file__).parents[2]


def test_two_processes_give_the_loss_curve_of_one(
    slow_run: TrainConfig, tmp_path: Path, assert_same_curves: Callable[..., None]
) -> None:
    alone = slow_run.model_copy(update={"output": tmp_path / "alone"})
    shared = slow_run.model_copy(update={"output": tmp_path / "shared"})
    train(alone)
    config = tmp_path / "shared.yaml"
    config.write_text(yaml.safe_dump(shared.model_dump(mode="json")))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*command, ROOT / "scripts/train.py", "--config", config], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert_same_curves(alone, shared)
    assert done.stderr.count("step 4/4") == 1  # one process speaks


def test_a_batch_that_cannot_be_shared_is_refused(
    tiny_run: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    config = tiny_run.model_copy(update={"batch_size": 4, "accumulate": 2})
    message = "cannot be shared equally among 3 processes with accumulate = 2"
    with pytest.raises(ConfigError, match=message), joined_processes(config):
        pass
