"""Scoring during the training: when, and what becomes of a run that is ended meanwhile."""

import logging
import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from runs import changed, stop_after, tiny_config, validated, written
from scripts_in_process import ScriptRunner

from ranet.commands import train as train_command
from ranet.config import EvalConfig, TrainConfig
from ranet.errors import DataError, OutputError
from ranet.inference.davis import Method, copying
from ranet.inference.tracker import Tracker
from ranet.interrupt import StopRequest
from ranet.training import run, validation
from ranet.training.checkpoint import Progress, TrainingState, checkpoints_in
from ranet.training.log import read_log
from ranet.training.run import starting_model, train
from ranet.training.validation import Validation


def scores(config: TrainConfig) -> list[dict[str, float]]:
    return read_log(config.output / "validation.jsonl")


def progress(config: TrainConfig) -> Progress:
    return TrainingState.read(checkpoints_in(config.output / "checkpoints")[-1]).progress


@pytest.fixture(scope="module")
def straight_run(synthetic_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    """A run of three steps that nothing has disturbed, finished."""
    output = tmp_path_factory.mktemp("straight") / "run"
    run = changed(validated(tiny_config(synthetic_tree, output), synthetic_tree), steps=3)
    train(run)
    return run


def test_the_best_network_is_kept(straight_run: TrainConfig) -> None:
    config = straight_run
    by_step = {record["step"]: record["J&F"] for record in scores(config)}
    assert list(by_step) == [2, 3]  # the final network is scored, too
    best = torch.load(config.output / "best.pt", weights_only=True)
    assert best["step"] == max(by_step, key=by_step.__getitem__)
    final = torch.load(config.output / "model.pt", weights_only=True)
    assert {name: best[name] for name in ("config", "revision")} == {
        name: final[name] for name in ("config", "revision")
    }
    assert progress(config) == Progress(
        step=3,
        best=max(by_step.values()),
        best_of=config.validation.model_dump(mode="json"),
    )
    assert (config.output / "validation" / "result.json").is_file()


def score(patch: pytest.MonkeyPatch, *values: float) -> None:
    """Let the next validations have these J&F."""
    left = list(values)

    def evaluate(*_: object, **__: object) -> SimpleNamespace:
        averages = {"J&F-Mean": left.pop(0), "J-Mean": 0.0, "F-Mean": 0.0}
        return SimpleNamespace(scores=SimpleNamespace(averages=averages))

    patch.setattr(validation, "evaluate_split", evaluate)


def test_the_script_scores_on_all_cores(
    validated_run: TrainConfig,
    tmp_path: Path,
    run_script: ScriptRunner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workers = []

    def evaluate(*_: object, **options: object) -> None:
        workers.append(options["workers"])
        raise DataError("a mask is damaged")

    monkeypatch.setattr(validation, "evaluate_split", evaluate)
    monkeypatch.setattr(train_command, "usable_cores", lambda: 7)
    config = written(validated_run, tmp_path / "run.yaml")
    assert run_script("train.py", "--config", config, "validation.every=1").status == 1
    assert workers == [7]


def test_only_the_best_network_is_kept(
    validated_run: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    score(monkeypatch, 0.5, 0.4)
    train(validated_run)
    assert torch.load(validated_run.output / "best.pt", weights_only=True)["step"] == 2
    files = {path.name for path in validated_run.output.iterdir() if path.suffix == ".pt"}
    assert files == {"best.pt", "model.pt"}


def _asked_to_stop_in_the_validation(patch: pytest.MonkeyPatch) -> None:
    step, calls = Tracker.step, []

    def ask(*of: Any) -> Any:
        calls.append(None)
        assert len(calls) == 1, "it went on"
        os.kill(os.getpid(), signal.SIGTERM)
        return step(*of)

    patch.setattr(Tracker, "step", ask)


def _validation_fails(patch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise DataError("a mask is damaged")

    patch.setattr(validation, "evaluate_split", fail)


def _scores_are_not_saved(patch: pytest.MonkeyPatch) -> None:
    save = run.save_training_state

    def fail(folder: Path, progress: Progress, *others: object) -> Path:
        if progress.best is not None:
            raise OutputError("the disk is full")
        return save(folder, progress, *others)

    patch.setattr(run, "save_training_state", fail)


@pytest.mark.parametrize(
    ("disturb", "error"),
    [
        (partial(stop_after, 2), KeyboardInterrupt),
        (_asked_to_stop_in_the_validation, KeyboardInterrupt),
        (_validation_fails, DataError),
        (_scores_are_not_saved, OutputError),
    ],
)
def test_a_validation_that_was_not_finished_is_made_up_for(
    disturb: Callable[[pytest.MonkeyPatch], None],
    error: type[BaseException],
    straight_run: TrainConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    disturbed = changed(straight_run, output=tmp_path / "disturbed", checkpoint_every=100)
    with monkeypatch.context() as patch:
        disturb(patch)
        with pytest.raises(error):
            train(disturbed)
    assert "the same command" not in caplog.text  # but --resume goes on
    assert progress(disturbed) == Progress(step=2, best=None, validation_due=True)
    train(disturbed, resume=True)
    assert scores(disturbed) == scores(straight_run)
    assert progress(disturbed) == progress(straight_run)


@pytest.mark.parametrize(("asked", "expected"), [("auto", "cpu"), ("cuda:1", "cuda:1")])
def test_a_validation_without_a_device_of_its_own_takes_that_of_the_training(
    asked: str, expected: str, validated_run: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = changed(validated_run, validation__evaluation__inference__device=asked)
    devices = []

    def load(config: EvalConfig, checkpoint: Path) -> Method:
        devices.append(config.inference.device)
        return copying()

    monkeypatch.setattr(validation, "network", load)
    Validation(run, None, scorers=1)(starting_model(run), 1, StopRequest())
    assert devices == [expected]


def test_no_sequence_is_begun_after_a_request_to_stop(
    validated_run: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(*_: object) -> None:
        pytest.fail("it was begun")

    monkeypatch.setattr(Tracker, "start", start)
    stop = StopRequest()
    stop.requested = True
    with pytest.raises(KeyboardInterrupt):
        Validation(validated_run, None, scorers=1)(starting_model(validated_run), 1, stop)


def test_the_last_validation_is_left_when_asked_to_stop(
    validated_run: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = changed(validated_run, steps=1)
    with monkeypatch.context() as patch:
        stop_after(1, patch)
        with pytest.raises(KeyboardInterrupt):
            train(run)
    assert progress(run).validation_due
    assert not (run.output / "model.pt").exists()
    score(monkeypatch, 0.5)
    assert train(run, resume=True).is_file()
    assert progress(run).best == 0.5


def test_a_stop_after_the_last_frame_of_the_last_validation_finishes_the_run(
    validated_run: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = changed(validated_run, steps=1)

    def evaluate(*_: object, **__: object) -> SimpleNamespace:
        os.kill(os.getpid(), signal.SIGINT)
        averages = {"J&F-Mean": 0.5, "J-Mean": 0.0, "F-Mean": 0.0}
        return SimpleNamespace(scores=SimpleNamespace(averages=averages))

    monkeypatch.setattr(validation, "evaluate_split", evaluate)
    assert train(run).is_file()
    assert progress(run).best == 0.5


def test_without_validation_nothing_is_made_up_for(
    validated_run: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        _validation_fails(patch)
        with pytest.raises(DataError):
            train(validated_run)
        train(changed(validated_run, validation=None), resume=True)
    assert progress(validated_run) == Progress(step=4)


@pytest.fixture
def scored_run(validated_run: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> TrainConfig:
    """A run stopped after three of four steps; after the second, its J&F was 0.9."""
    with monkeypatch.context() as patch:
        score(patch, 0.9)
        stop_after(3, patch)
        with pytest.raises(KeyboardInterrupt):
            train(validated_run)
    return validated_run


def test_scores_of_another_validation_are_not_compared(
    scored_run: TrainConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    score(monkeypatch, 0.5)
    other = changed(scored_run, validation__evaluation__inference__input_size=(40, 40))
    train(other, resume=True)
    assert progress(scored_run).best == 0.5
    assert torch.load(scored_run.output / "best.pt", weights_only=True)["step"] == 4
    (line,) = (line for line in caplog.messages if "best.pt" in line)
    assert line.startswith(
        "validation.evaluation.inference.input_size changed: the best J&F so far, 0.9000, "
    )


@pytest.mark.parametrize("change", ["none", "what changes no score", "no validation"])
def test_the_best_is_kept_as_long_as_it_can_be_compared(
    change: str, scored_run: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = scored_run.validation
    same = changed(section, every=4, evaluation__released_objects="multi")
    later = {"none": section, "what changes no score": same, "no validation": None}[change]
    score(monkeypatch, 0.5)
    train(changed(scored_run, validation=later), resume=True)
    assert progress(scored_run).best == 0.9
    assert progress(scored_run).best_of["davis"] == str(section.davis)
    assert torch.load(scored_run.output / "best.pt", weights_only=True)["step"] == 2
