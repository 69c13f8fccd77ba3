"""The networks that come with the project."""

from pathlib import Path

import pytest

import ranet
from ranet.errors import CheckpointError
from ranet.methods import checkpoints
from ranet.methods.checkpoints import load_checkpoint, load_pretrained, pretrained_path

NAMES = pytest.mark.parametrize("name", ["ranet-small", "dmvos-small"])


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
        CheckpointError, match=r"no network named 'ranet-big'; there are dmvos-small, ran"
    ):
        load_pretrained("ranet-big")


def test_a_missing_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(checkpoints, "_FOLDER", tmp_path)
    with pytest.raises(CheckpointError, match=r"ranet_small.safetensors.*git checkout"):
        load_pretrained()


def test_its_file_is_read_as_any_checkpoint() -> None:
    assert load_checkpoint(pretrained_path()).stages == load_pretrained().stages
