"""Configurations of training runs that could only end in a traceback are refused at the start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ranet.config import TrainConfig, parse_config
from ranet.errors import ConfigError
from ranet.methods.registry import LOSSES as REGISTERED
from ranet.methods.registry import RegisteredLoss
from ranet.training.losses import LOSSES

LEAST = {"name": "n", "output": "o", "data": {"sources": [{"kind": "pairs", "root": "r"}]}}


def with_value(field: str, value: object) -> TrainConfig:
    section, _, key = field.rpartition(".")
    if not section:
        return parse_config(TrainConfig, LEAST | {key: value})
    return parse_config(TrainConfig, LEAST | {section: LEAST.get(section, {}) | {key: value}})


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("data.size", [33, 32], r"data\.size should be above 32 either way.*found \[33, 32\]"),
        ("losses", {}, r"losses: .*name at least one"),
        ("losses", {"jaccard": 0}, r"losses: .*name at least one"),
        ("data.crop_clips", "all_frames", r"'ranet' wants them cropped: use each_frame"),
        ("optimizer.betas", [0.9, 1.0], r"betas\.1: Input should be less than 1, found 1\.0"),
        ("model.template_grid", [1, 1], r"template_grid: .*at least 2.*found the grid \[1, 1\]"),
        ("model.width", 1 / 16, r"model\.width: .*none is left: use more than 0\.0625"),
        ("optimizer.learning_rate", float("inf"), "learning_rate: .*finite number, found inf"),
        ("optimizer.learning_rate", 1e39, "learning_rate: .*less than or equal to 1, found 1e"),
        ("losses", {"jaccard": float("nan")}, r"losses\.jaccard: .*finite number, found nan"),
        ("imagenet_weights", 5, "true, false, or the path of a file, but found 5"),
    ],
)
def test_refused(field: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        with_value(field, value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("data.size", [33, 33]),
        ("optimizer.betas", [0, 0.9999]),
        ("model.template_grid", [1, 2]),
        ("model.width", 0.07),
    ],
)
def test_the_nearest_that_can_be_trained_is_accepted(field: str, value: object) -> None:
    with_value(field, value)


def test_every_loss_can_be_chosen() -> None:
    weights = dict.fromkeys(LOSSES, 0.5)
    assert with_value("losses", weights).losses == weights
    assert REGISTERED.keys() >= LOSSES.keys()


def test_a_loss_without_weight_is_left_out() -> None:
    assert with_value("losses", {"jaccard": 0.0, "cross_entropy": 1.0}).losses == {
        "cross_entropy": 1.0
    }


@pytest.mark.parametrize("value", [False, True, Path("resnet18.pth")])
def test_imagenet_weights_survive_a_file(value: bool | Path, tmp_path: Path) -> None:
    config = with_value("imagenet_weights", value)
    assert config.imagenet_weights == value
    assert parse_config(TrainConfig, config.model_dump(mode="json")) == config


def test_imagenet_weights_and_a_checkpoint_exclude_each_other() -> None:
    values = LEAST | {"start_from": "model.pt", "imagenet_weights": "resnet18.pth"}
    with pytest.raises(ConfigError, match="exclude each other"):
        parse_config(TrainConfig, values)


def test_a_file_is_utf8_whatever_the_system_says(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_bytes(
        "{name: häuser, output: o, data: {sources: [{kind: pairs, root: r}]}}".encode()
    )
    code = "from ranet.config import *; print(ascii(load_config(TrainConfig, 'run.yaml').name))"
    ascii_only = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | ascii_only,
        capture_output=True,
        text=True,
    )
    assert (done.stdout.strip(), done.returncode) == (r"'h\xe4user'", 0), done.stderr


def test_a_loss_that_reads_what_the_method_does_not_give_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(REGISTERED, "offset", RegisteredLoss(None, frozenset({"offset"})))
    message = r"together\): the loss 'offset' needs offset .*'ranet' does not give"
    with pytest.raises(ConfigError, match=message):
        with_value("losses", {"offset": 1.0})


def test_an_unknown_method_is_refused_by_what_is_known() -> None:
    with pytest.raises(ConfigError, match=r"model: .*no method named 'rannet', but .*ranet"):
        with_value("model", {"name": "rannet"})
    with pytest.raises(ConfigError, match=r"model\.width: .*"):
        with_value("model", {"name": "ranet", "width": 9})
