"""Several processes train as one does."""

import gc
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from ranks import in_two_ranks
from runs import changed, in_float64, written
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from ranet.config import TrainConfig
from ranet.errors import CheckpointError, ConfigError, OutputError, TrainingError
from ranet.lock import only_writer
from ranet.structures import TrainingBatch
from ranet.training import validation
from ranet.training.checkpoint import checkpoints_in
from ranet.training.log import read_log
from ranet.training.loop import TrainingStep
from ranet.training.processes import check_agreement, joined_processes
from ranet.training.run import train

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def test_a_run_in_a_notebook_does_not_seed_the_users_random_numbers(
    slow_run: TrainConfig,
) -> None:
    before = torch.get_rng_state()
    with joined_processes(slow_run):
        torch.manual_seed(slow_run.seed)
    assert torch.equal(torch.get_rng_state(), before)


def test_torchrun_starts_the_processes_of_a_run(tiny_run: TrainConfig, tmp_path: Path) -> None:
    config = written(tiny_run, tmp_path / "run.yaml")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*torchrun, ROOT / "scripts/train.py", "--config", config, "steps=1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "on 2 × CPU" in done.stderr
    assert done.stderr.count("step 1/1") == 1  # one process speaks
    assert (tiny_run.output / "model.pt").is_file()


def never_part_with_something_shared() -> None:
    """From now on, no process parts from the others while it holds what shares gradients."""
    part = distributed.destroy_process_group

    def checked() -> None:
        # Afterwards, the end of one may wait forever.
        assert not any(isinstance(o, DistributedDataParallel) for o in gc.get_objects())
        part()

    distributed.destroy_process_group = checked


def train_with_others(rank: int, run: TrainConfig) -> None:
    never_part_with_something_shared()
    with pytest.MonkeyPatch.context() as patch:
        in_float64(patch)
        train(run)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        # Without its gradient, the ranking network has parameters that no loss reaches.
        {"accumulate": 2, "average_decay": 0.5, "model__ranking_gradient": "none"},
    ],
    ids=["whole", "in parts"],
)
def test_two_processes_make_the_network_of_one(
    changes: dict[str, object],
    slow_run: TrainConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    assert_same_curves: Callable[..., None],
) -> None:
    run = changed(slow_run, **changes)
    alone, shared = (changed(run, output=tmp_path / name) for name in ("alone", "shared"))
    assert in_two_ranks(train_with_others, shared) == [0, 0]
    in_float64(monkeypatch)
    train(alone)
    assert_same_curves(alone, shared)
    one, two = (torch.load(run.output / "model.pt")["model"] for run in (alone, shared))
    furthest = max((one[name] - two[name]).abs().max() for name in one)
    assert furthest < 1e-3 * run.optimizer.learning_rate


def train_on_a_spoiled_sample(rank: int, run: TrainConfig) -> None:
    """The second sample of the second process has no finite loss; both processes are to say so."""
    call, forward = TrainingStep.__call__, TrainingStep.forward

    def with_names(step: TrainingStep, batch: TrainingBatch, done: int) -> dict[str, float]:
        names = tuple(f"{rank}-{n}" for n in range(len(batch.names)))
        return call(step, replace(batch, names=names), done)

    def spoil(step: TrainingStep, batch: TrainingBatch) -> dict[str, torch.Tensor]:
        factor = torch.nan if "1-1" in batch.names else 1.0
        return {name: factor * loss for name, loss in forward(step, batch).items()}

    never_part_with_something_shared()
    TrainingStep.__call__, TrainingStep.forward = with_names, spoil
    with pytest.raises(TrainingError, match=r"is not finite: .*It came from the samples 1-1\. "):
        train(run)


def test_processes_name_the_samples_of_all_that_spoiled_a_loss(slow_run: TrainConfig) -> None:
    assert in_two_ranks(train_on_a_spoiled_sample, slow_run) == [0, 0]


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


def train_where_another_run_writes(rank: int, run: TrainConfig) -> None:
    with pytest.raises(OutputError, match=f"^Another run is writing to {run.output}"):
        train(run)


def test_processes_leave_a_folder_alone_that_another_run_writes_to(slow_run: TrainConfig) -> None:
    with only_writer(slow_run.output, slow_run.output / ".lock"):
        assert in_two_ranks(train_where_another_run_writes, slow_run) == [0, 0]
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


@pytest.mark.parametrize(("name", "current"), [("cuda:1", ["cuda:1"]), ("cuda", []), ("cpu", [])])
def test_a_chosen_gpu_is_that_of_the_whole_run(
    name: str, current: list[str], tiny_run: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise torch's thread that page-locks batches takes memory on the first one."""
    chosen = []

    @contextmanager
    def choose(device: torch.device) -> Iterator[None]:
        chosen.append(str(device))
        yield
        chosen.pop()

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "device", choose)
    monkeypatch.setattr(torch.random, "fork_rng", lambda devices: nullcontext())  # asks the driver
    with joined_processes(changed(tiny_run, device=name)) as processes:
        assert str(processes.device) == name
        assert chosen == current
    assert chosen == []
