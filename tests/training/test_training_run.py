"""Whole training runs: learning, stopping, going on, refusing."""

import errno
import logging
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import torch
from runs import changed, figures, stop_after, tiny_config, written
from scripts_in_process import ScriptRunner

from ranet.config import TrainConfig, load_config, parse_config
from ranet.errors import CheckpointError, DataError, OutputError, TrainingError
from ranet.lock import only_writer
from ranet.methods.checkpoints import load_checkpoint
from ranet.training import loop
from ranet.training.checkpoint import checkpoints_in
from ranet.training.log import read_log
from ranet.training.run import starting_model, train

TRAIN = Path(__file__).parents[2] / "scripts" / "train.py"


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(path).state_dict()


def assert_same_weights(a: Path, b: Path) -> None:
    first, second = weights(a), weights(b)
    assert all(torch.equal(first[name], second[name]) for name in first)


def finished(tree: Path, folders: pytest.TempPathFactory, **changes: object) -> TrainConfig:
    """A run with these changes, which nothing has disturbed."""
    run = changed(tiny_config(tree, folders.mktemp("finished") / "run"), **changes)
    train(run)
    return run


@pytest.fixture(scope="module")
def short_run(synthetic_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    """One step; for tests that only read it."""
    return finished(synthetic_tree, tmp_path_factory, steps=1)


@pytest.fixture(scope="module")
def two_steps_run(synthetic_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    """Two steps with a checkpoint of each; tests leave it as it is."""
    return finished(synthetic_tree, tmp_path_factory, steps=2, checkpoint_every=1)


def test_six_steps_are_two_and_four_more(
    run_script: ScriptRunner,
    ranet_run: TrainConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second ends amid an epoch, and the next epoch begins in one of the others."""
    straight = changed(ranet_run, steps=6, output=tmp_path / "straight")
    train(straight)
    halved = changed(straight, output=tmp_path / "halved")
    command = ["train.py", "--config", written(halved, tmp_path / "run.yaml")]
    with monkeypatch.context() as patch:
        stop_after(2, patch, signal.SIGTERM)
        assert run_script(*command).status == 143
    # Another number of workers changes nothing either.
    assert run_script(*command, "--resume", "data.workers=1").status == 0
    assert_same_weights(straight.output / "model.pt", halved.output / "model.pt")
    assert figures(straight) == figures(halved)


def test_stopping_between_checkpoints_writes_one(
    tiny_run: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_after(2, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        train(tiny_run)
    assert [p.name for p in checkpoints_in(tiny_run.output / "checkpoints")] == ["step-00000002.pt"]
    assert not (tiny_run.output / "model.pt").exists()


def test_stopping_in_the_last_step_finishes_the_run(
    tiny_run: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_after(2, monkeypatch)
    final = train(changed(tiny_run, steps=2))
    assert torch.load(final, weights_only=True)["step"] == 2


def test_old_checkpoints_are_removed(tiny_run: TrainConfig) -> None:
    train(changed(tiny_run, steps=3, checkpoint_every=1, keep_checkpoints=2))
    names = [p.name for p in checkpoints_in(tiny_run.output / "checkpoints")]
    assert names == ["step-00000002.pt", "step-00000003.pt"]


def test_a_checkpoint_is_an_ordinary_file_of_weights(short_run: TrainConfig) -> None:
    (last,) = checkpoints_in(short_run.output / "checkpoints")
    assert_same_weights(short_run.output / "model.pt", last)
    content = torch.load(last, weights_only=True)
    assert content["step"] == 1
    assert content["config"]["name"] == "tiny"
    assert load_config(TrainConfig, short_run.output / "config.yaml") == short_run
    assert {"optimizer", "random_state", "revision"} <= content.keys()


def test_a_folder_with_a_run_is_not_overwritten(short_run: TrainConfig) -> None:
    with pytest.raises(OutputError, match="already holds a run"):
        train(short_run)


def test_a_finished_run_without_its_checkpoints_is_not_overwritten(tiny_run: TrainConfig) -> None:
    run = changed(tiny_run, steps=1)
    final = train(run)
    shutil.rmtree(run.output / "checkpoints")
    before = final.read_bytes()
    with pytest.raises(OutputError, match=r"holds a run \(model\.pt\).*begin it once more"):
        train(run)
    assert final.read_bytes() == before
    final.unlink()
    with pytest.raises(OutputError, match=r"holds a run \(log\.jsonl\)"):
        train(run)
    (run.output / "log.jsonl").write_text("")  # of a run that ended before its first line
    train(run)


@pytest.mark.parametrize("resume", [False, True])
def test_one_run_at_a_time_writes_to_a_folder(resume: bool, tiny_run: TrainConfig) -> None:
    run = changed(tiny_run, steps=1)
    lock = run.output / ".lock"
    with only_writer(run.output, lock), pytest.raises(OutputError, match="Another run is writing"):
        train(run, resume)
    assert list(run.output.iterdir()) == []
    train(run, resume)
    assert not lock.exists()


def test_a_folder_is_closed_to_others_while_a_run_writes_to_it(
    tiny_run: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = changed(tiny_run, steps=1)
    compute = loop.learning_rate

    def begin_another_one(*arguments: Any) -> float:
        with pytest.raises(OutputError, match="Another run is writing"):
            train(run, resume=True)
        return compute(*arguments)

    monkeypatch.setattr(loop, "learning_rate", begin_another_one)
    train(run)
    assert len(read_log(run.output / "log.jsonl")) == 1


def test_another_thread_than_the_main_one_can_train(tiny_run: TrainConfig) -> None:
    with ThreadPoolExecutor(1) as pool:
        final = pool.submit(train, changed(tiny_run, steps=1)).result()
    assert final.is_file()


def test_a_full_disk_leaves_the_last_checkpoint(
    two_steps_run: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = changed(two_steps_run, keep_checkpoints=1, output=tmp_path / "full")
    write = torch.save

    def save(content: dict[str, object], file: BinaryIO) -> None:
        if content["step"] == 2:
            file.write(b"as much as there is room for")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(content, file)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", save)
        with pytest.raises(OutputError, match=r"step-00000002\.pt: No space left on device"):
            train(full)
    assert [p.name for p in (full.output / "checkpoints").iterdir()] == ["step-00000001.pt"]
    train(full, resume=True)
    assert_same_weights(two_steps_run.output / "model.pt", full.output / "model.pt")


DIES_WHILE_WRITING = """
import os, runpy, signal, sys, torch

write = torch.save

def save(content, file):
    if content["step"] == 2:
        file.write(b"the first half")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    write(content, file)

torch.save = save
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.slow
def test_killed_while_a_checkpoint_is_written(two_steps_run: TrainConfig, tmp_path: Path) -> None:
    killed = changed(two_steps_run, output=tmp_path / "killed")
    file = written(killed, tmp_path / "killed.yaml")
    command = [sys.executable, "-c", DIES_WHILE_WRITING, TRAIN, "--config", file]
    assert subprocess.run(command, capture_output=True).returncode == -signal.SIGKILL
    left = sorted(path.name for path in (killed.output / "checkpoints").iterdir())
    assert left[0].startswith(".step-00000002.")  # the temporary file
    assert left[1:] == ["step-00000001.pt"]
    train(killed, resume=True)
    left = sorted(path.name for path in (killed.output / "checkpoints").iterdir())
    assert left == ["step-00000001.pt", "step-00000002.pt"]
    assert_same_weights(two_steps_run.output / "model.pt", killed.output / "model.pt")
    assert figures(two_steps_run) == figures(killed)  # the line of the second step is there once


def _flip_a_byte(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        place = max(archive.infolist(), key=lambda entry: entry.file_size)
    content = bytearray(path.read_bytes())
    content[place.header_offset + place.file_size // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        _flip_a_byte,
        lambda path: path.write_bytes(path.read_bytes()[:1000]),
        lambda path: path.write_bytes(bytes(1000)),  # as a power cut leaves a file
        lambda path: path.write_bytes(b""),
    ],
    ids=["a bit", "cut short", "zeros", "empty"],
)
def test_a_damaged_newest_checkpoint_is_left_to_the_user(
    damage: Callable[[Path], object], two_steps_run: TrainConfig
) -> None:
    newest = checkpoints_in(two_steps_run.output / "checkpoints")[-1]
    content = newest.read_bytes()
    damage(newest)
    with pytest.raises(CheckpointError) as caught:
        train(two_steps_run, resume=True)
    newest.write_bytes(content)
    message = str(caught.value)
    assert message.startswith(f"{newest} is ")
    assert " remove it, and --resume goes on from step-00000001.pt." in message


def test_without_the_damaged_checkpoint_a_run_goes_on_from_the_one_before(
    two_steps_run: TrainConfig, tmp_path: Path
) -> None:
    run = changed(two_steps_run, output=tmp_path / "run")
    shutil.copytree(two_steps_run.output, run.output)
    checkpoints_in(run.output / "checkpoints")[-1].unlink()
    (run.output / "model.pt").unlink()
    train(run, resume=True)
    assert_same_weights(two_steps_run.output / "model.pt", run.output / "model.pt")


def test_a_damaged_checkpoint_without_an_older_one(tiny_run: TrainConfig) -> None:
    folder = tiny_run.output / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "step-00000001.pt").write_bytes(b"")
    with pytest.raises(CheckpointError, match="remove it, and --resume starts from the beginning"):
        train(tiny_run, resume=True)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dtype", "float16"),
        ("model__side", 5),
        ("average_decay", 0.9),
        ("optimizer__learning_rate", 0.5),
    ],
)
def test_resuming_with_another_configuration_is_refused(
    field: str, value: object, short_run: TrainConfig
) -> None:
    """Before anything is restored, which would fail with some of these."""
    name = field.replace("__", r"\.")
    with pytest.raises(CheckpointError, match=rf"differ: {name}\."):
        train(changed(short_run, **{field: value}), resume=True)


def test_a_run_that_goes_on_does_not_need_what_it_began_with(
    ranet_run: TrainConfig, tmp_path: Path
) -> None:
    imagenet = tmp_path / "backbone.pth"
    torch.save(starting_model(ranet_run).encoder.backbone.state_dict(), imagenet)
    first = changed(ranet_run, steps=1, imagenet_weights=imagenet)
    begun = starting_model(first).encoder.backbone.conv1.weight
    assert torch.equal(begun, torch.load(imagenet)["conv1.weight"])
    start = train(first)
    second = changed(ranet_run, name="next", steps=1, start_from=start, output=tmp_path / "next")
    trained = load_checkpoint(train(second))
    stages = trained.stages
    assert trained.input_size == second.data.size
    imagenet.unlink()
    start.unlink()
    for run in (first, second):
        train(run, resume=True)
    assert load_checkpoint(second.output / "model.pt").stages == stages
    assert [stage["name"] for stage in stages] == ["tiny", "next"]


def test_fields_newer_than_the_checkpoint_have_their_default(tiny_run: TrainConfig) -> None:
    short = changed(tiny_run, steps=1)
    train(short)
    path = checkpoints_in(tiny_run.output / "checkpoints")[-1]
    content = torch.load(path, weights_only=True)
    del content["config"]["model"]["bias"], content["architecture"]["bias"]
    torch.save(content, path)
    train(short, resume=True)
    with pytest.raises(CheckpointError, match=r"differ: model\.bias\."):
        train(changed(short, model__bias=False), resume=True)


def test_resuming_a_finished_run_changes_nothing(
    tiny_run: TrainConfig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    short = changed(tiny_run, steps=2)
    final = train(short)
    before, written = weights(final), final.stat().st_mtime_ns
    train(short, resume=True)
    assert caplog.messages[-1] == f"already finished at step 2; kept {final}"
    assert final.stat().st_mtime_ns == written
    final.unlink()
    after = weights(train(short, resume=True))
    assert caplog.messages[-1] == f"already finished at step 2; wrote {final}"
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_resuming_says_from_where(tiny_run: TrainConfig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    checkpoints = tiny_run.output / "checkpoints"
    final = train(changed(tiny_run, steps=1), resume=True)
    said = f"no checkpoint in {checkpoints} to resume from: starting from the beginning"
    assert caplog.messages[0] == said
    assert caplog.messages[-1] == f"wrote {final}"
    caplog.clear()
    train(changed(tiny_run, steps=1), resume=True)
    assert caplog.messages[0] == f"resuming from {checkpoints / 'step-00000001.pt'}"


def test_a_loss_that_is_not_finite_stops_the_run(
    tiny_run: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ranet.training import losses

    calls = []

    def breaks_at_the_third(*_: object) -> torch.Tensor:
        calls.append(None)
        return torch.tensor(float("nan" if len(calls) == 3 else 1), requires_grad=True)

    monkeypatch.setitem(losses.LOSSES, "jaccard", breaks_at_the_third)
    message = r"step 3 is not finite: .*'jaccard': nan.*samples .*step-00000002\.pt"
    with pytest.raises(TrainingError, match=message):
        train(changed(tiny_run, checkpoint_every=2))
    assert [p.name for p in checkpoints_in(tiny_run.output / "checkpoints")] == ["step-00000002.pt"]


def test_a_run_that_diverges_in_its_last_step_is_no_success(tiny_run: TrainConfig) -> None:
    decay = changed(tiny_run.optimizer, weight_decay=1e300)
    message = r"after step 1 holds weights that are no numbers.*\n.*There is no checkpoint"
    with pytest.raises(TrainingError, match=f"(?s){message}"):
        train(changed(tiny_run, steps=1, optimizer=decay))
    assert not (tiny_run.output / "model.pt").exists()
    assert checkpoints_in(tiny_run.output / "checkpoints") == []


def test_the_next_stage_starts_from_this_one(
    tiny_run: TrainConfig, short_run: TrainConfig, tmp_path: Path
) -> None:
    final = short_run.output / "model.pt"
    stage = changed(tiny_run, start_from=final, output=tmp_path / "next")
    model = starting_model(stage)
    for name, tensor in weights(final).items():
        assert torch.equal(model.state_dict()[name], tensor)


def test_checkpoints_tell_the_stages_before_them(tiny_run: TrainConfig, tmp_path: Path) -> None:
    first = train(changed(tiny_run, steps=1))
    second = changed(tiny_run, name="more", steps=2, start_from=first, output=tmp_path / "next")
    assert load_checkpoint(train(second)).stages == [
        {"name": "tiny", "data": ["video"], "steps": 1},
        {"name": "more", "data": ["video"], "steps": 2},
    ]


def test_a_start_from_another_architecture_is_refused(
    tiny_run: TrainConfig, short_run: TrainConfig
) -> None:
    other = changed(tiny_run, start_from=short_run.output / "model.pt", model__side=5)
    message = "asks for: side is 3 there, but 5 here. Make their `model` sections agree"
    with pytest.raises(CheckpointError, match=message):
        train(other)


def test_a_start_from_another_method_is_refused(
    ranet_run: TrainConfig, short_run: TrainConfig
) -> None:
    other = changed(ranet_run, start_from=short_run.output / "model.pt")
    with pytest.raises(CheckpointError, match=r"of the method '\w+', but .* one of 'ranet'"):
        train(other)


def test_a_start_from_a_network_that_comes_with_the_project(tiny_run: TrainConfig) -> None:
    with pytest.raises(CheckpointError, match=r"start_from, ranet-small, .* method 'ranet'"):
        starting_model(changed(tiny_run, start_from="ranet-small"))


def test_a_start_from_nothing_says_what_to_do(tiny_run: TrainConfig, tmp_path: Path) -> None:
    stage = changed(tiny_run, start_from=tmp_path / "none.pt")
    with pytest.raises(CheckpointError, match=r"none\.pt, but .* Run the stage before, or set"):
        train(stage)


def test_missing_data_leaves_no_output(tiny_run: TrainConfig, tmp_path: Path) -> None:
    values = tiny_run.model_dump()
    values["data"]["sources"][0]["root"] = tmp_path / "nowhere"
    with pytest.raises(DataError, match="nowhere"):
        train(parse_config(TrainConfig, values))
    assert not tiny_run.output.exists()


def test_missing_data_are_told_without_the_output(tiny_run: TrainConfig, tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    values = changed(tiny_run, output=root / "run").model_dump()
    values["data"]["sources"][0]["root"] = root
    with pytest.raises(DataError, match="it is empty"):
        train(parse_config(TrainConfig, values))


@pytest.fixture
def config_file(tiny_run: TrainConfig, tmp_path: Path) -> Path:
    return written(tiny_run, tmp_path / "tiny.yaml")


def test_script_trains_and_resumes(
    run_script: ScriptRunner, config_file: Path, tiny_run: TrainConfig
) -> None:
    command = ["train.py", "--config", config_file, "steps=2"]
    done = run_script(*command)
    assert done.status == 0, done.error
    assert (tiny_run.output / "model.pt").is_file()
    assert "step 2/2" in done.error
    again = run_script(*command)
    assert (again.status, again.error.count("error: ")) == (1, 1)
    assert "--resume" in again.error
    assert run_script(*command, "--resume").status == 0


def test_script_tells_the_nearest_key(run_script: ScriptRunner, config_file: Path) -> None:
    done = run_script("train.py", "--config", config_file, "optimizer.learning_rat=1")
    assert done.status == 1
    assert "unknown key; did you mean 'learning_rate'?" in done.error
    assert "Traceback" not in done.error


def test_script_takes_options_between_overrides(
    run_script: ScriptRunner, config_file: Path
) -> None:
    done = run_script("train.py", "steps=0", "--config", config_file, "batch_size=0")
    assert done.status == 1
    assert all(
        f"{name}: Input should be greater than 0" in done.error for name in ("steps", "batch_size")
    )


def test_script_and_an_output_that_cannot_be_written(
    run_script: ScriptRunner, config_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    done = run_script("train.py", "--config", config_file, f"output={tmp_path / 'file' / 'run'}")
    assert (done.status, done.error.count("error: ")) == (1, 1)
    assert f"Cannot write {tmp_path / 'file'}" in done.error
