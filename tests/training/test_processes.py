"""Several processes train as one does."""

import gc
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from ranks import in_two_ranks
from runs import changed
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from ranet.config import TrainConfig
from ranet.errors import CheckpointError, ConfigError
from ranet.lock import only_writer
from ranet.model.weights import load_checkpoint
from ranet.training import validation
from ranet.training.checkpoint import checkpoints_in
from ranet.training.log import read_log
from ranet.training.processes import check_agreement, joined_processes
from ranet.training.run import train

ROOT = Path(__file__).parents[2]


def two_processes(*command: object) -> subprocess.CompletedProcess[str]:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return subprocess.run(
        [*torchrun, *map(str, command)], capture_output=True, text=True, timeout=300
    )


def write_config(config: TrainConfig, path: Path) -> Path:
    path.write_text(yaml.safe_dump(config.model_dump(mode="json")))
    return path


def test_two_processes_give_the_loss_curve_of_one(
    slow_run: TrainConfig, tmp_path: Path, assert_same_curves: Callable[..., None]
) -> None:
    alone = slow_run.model_copy(update={"output": tmp_path / "alone"})
    shared = slow_run.model_copy(update={"output": tmp_path / "shared"})
    train(alone)
    config = write_config(shared, tmp_path / "shared.yaml")
    done = two_processes(ROOT / "scripts/train.py", "--config", config)
    assert done.returncode == 0, done.stderr
    assert_same_curves(alone, shared)
    assert done.stderr.count("step 2/2") == 1  # one process speaks


def train_with_others(rank: int, run: TrainConfig) -> None:
    part = distributed.destroy_process_group

    def part_with_nothing_shared() -> None:
        # Afterwards, the end of one may wait forever.
        assert not any(isinstance(o, DistributedDataParallel) for o in gc.get_objects())
        part()

    distributed.destroy_process_group = part_with_nothing_shared
    train(run)


def test_parts_of_a_batch_in_two_processes_make_the_same_network(
    slow_run: TrainConfig, tmp_path: Path, assert_same_curves: Callable[..., None]
) -> None:
    run = changed(
        slow_run,
        accumulate=2,
        average_decay=0.5,
        model__ranking_gradient="none",  # the ranking network has parameters without a gradient
    )
    alone, shared = (changed(run, output=tmp_path / name) for name in ("alone", "shared"))
    train(alone)
    assert in_two_ranks(train_with_others, shared) == [0, 0]
    assert_same_curves(alone, shared)
    one, two = (
        torch.cat([p.flatten() for p in load_checkpoint(run.output / "model.pt").parameters()])
        for run in (alone, shared)
    )
    # Adam makes much of rounding where a gradient is almost zero, but only there.
    differ = (one - two).abs() > 0.1 * run.optimizer.learning_rate
    assert differ.float().mean() < 0.05


def resume_on_a_machine_of_its_own(rank: int, run: TrainConfig, outputs: list[Path]) -> None:
    averages = {"J&F-Mean": 0.5, "J-Mean": 0.5, "F-Mean": 0.5}
    report = SimpleNamespace(scores=SimpleNamespace(averages=averages))
    validation.evaluate_split = lambda *_, **__: report
    train(changed(run, output=outputs[rank]), resume=True)


def test_the_first_process_decides_whether_a_validation_is_due(
    validated_run: TrainConfig, tmp_path: Path
) -> None:
    """The same checkpoint is written before a validation, and once more after it."""
    train(changed(validated_run, validation=None, steps=1))
    run = changed(validated_run, steps=2)
    outputs = [tmp_path / "machine 0", tmp_path / "machine 1"]
    for output, due in zip(outputs, (True, False), strict=True):
        shutil.copytree(validated_run.output, output)
        (checkpoint,) = checkpoints_in(output / "checkpoints")
        content = torch.load(checkpoint, weights_only=True)
        content |= {"validation_due": due, "config": run.model_dump(mode="json")}
        torch.save(content, checkpoint)
    assert in_two_ranks(resume_on_a_machine_of_its_own, run, outputs) == [0, 0]
    scored = [record["step"] for record in read_log(outputs[0] / "validation.jsonl")]
    assert scored == [1, 2]


def test_processes_leave_a_folder_alone_that_another_run_writes_to(
    slow_run: TrainConfig, tmp_path: Path
) -> None:
    config = write_config(slow_run, tmp_path / "run.yaml")
    with only_writer(slow_run.output, slow_run.output / ".lock"):
        done = two_processes(ROOT / "scripts/train.py", "--config", config)
    assert done.returncode != 0
    assert f"error: Another run is writing to {slow_run.output}" in done.stderr
    assert "[rank1]" not in done.stderr  # no process ends with a traceback
    assert list(slow_run.output.iterdir()) == []


class OneAfterTheOther:
    """Stands for processes of which each sees those before it."""

    def __init__(self) -> None:
        self.values: list[object] = []

    def gather(self, value: object) -> list[object]:
        self.values.append(value)
        return self.values


def test_processes_with_different_configurations_are_refused(tiny_run: TrainConfig) -> None:
    processes = OneAfterTheOther()
    for config in (tiny_run, tiny_run.model_copy(update={"output": Path("of-this-machine")})):
        check_agreement(processes, config, 3)
    other = tiny_run.model_copy(update={"batch_size": 4, "seed": 1})
    with pytest.raises(ConfigError, match=r"Processes 0 and 2 .*differ: batch_size, seed\."):
        check_agreement(processes, other, 3)


def test_processes_that_see_different_checkpoints_are_refused(tiny_run: TrainConfig) -> None:
    processes = OneAfterTheOther()
    check_agreement(processes, tiny_run, 1)
    message = (
        "Process 0 would begin after step 1, but process 1 after step 0.*"
        "Choose with output=FOLDER a folder that all machines share"
    )
    with pytest.raises(CheckpointError, match=message):
        check_agreement(processes, tiny_run, 0)


def test_a_batch_that_cannot_be_shared_is_refused(
    tiny_run: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    config = tiny_run.model_copy(update={"batch_size": 4, "accumulate": 2})
    message = "cannot be shared equally among 3 processes with accumulate = 2"
    with pytest.raises(ConfigError, match=message), joined_processes(config):
        pass
