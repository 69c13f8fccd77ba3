"""The networks that come with the project."""

import argparse
from pathlib import Path

import pytest

import ranet
from ranet.commands.parser import NETWORK, add_checkpoint
from ranet.errors import CheckpointError
from ranet.methods import checkpoints
from ranet.methods.checkpoints import (
    checkpoint_file,
    load_checkpoint,
    load_pretrained,
    pretrained_path,
)

NAMES = pytest.mark.parametrize("name", ["ranet-small", "dmvos-small", "dmn-aoa-small"])


@NAMES
def test_it_lies_in_the_clone_and_is_small_enough_to(name: str) -> None:
    path = pretrained_path(name)
    assert path.stat().st_size < 40e6
    assert path.with_suffix(".md").is_file()  # its card


@NAMES
def test_it_tells_what_it_is(name: str) -> None:
    network = ranet.load_pretrained(name)
    assert not network.training
    assert network.architecture["backbone"] == "timm:mobilenetv2_100"
    assert network.input_size is not None
    assert not any("unknown" in stage["data"] for stage in network.stages)


def test_another_name() -> None:
    with pytest.raises(
        CheckpointError, match=r"no network named 'ranet-big'; there are dmn-aoa-small, dmv"
    ):
        load_pretrained("ranet-big")


def test_a_missing_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(checkpoints, "_FOLDER", tmp_path)
    with pytest.raises(CheckpointError, match=r"ranet_small.safetensors.*git checkout"):
        load_pretrained()


def test_its_file_is_read_as_any_checkpoint() -> None:
    assert load_checkpoint(pretrained_path()).stages == load_pretrained().stages


@NAMES
def test_its_name_stands_for_its_file(name: str) -> None:
    assert checkpoint_file(Path(name)) == pretrained_path(name)
    assert load_checkpoint(name).stages == load_pretrained(name).stages
    assert name in NETWORK


def test_a_file_of_that_name_is_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ranet-small").mkdir()  # the output of a run, perhaps
    assert checkpoint_file("ranet-small") == pretrained_path()
    Path("ranet-small").rmdir()
    Path("ranet-small").touch()
    assert checkpoint_file("ranet-small") == Path("ranet-small")


def test_neither_a_file_nor_a_name(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no such file") as caught:
        load_checkpoint(tmp_path / "dmvos-small.pt")
    assert "dmvos-small" in str(caught.value)


def test_commands_know_the_default() -> None:
    parser = argparse.ArgumentParser()
    add_checkpoint(parser)
    assert parser.parse_args([]).checkpoint == Path(checkpoints.DEFAULT)
