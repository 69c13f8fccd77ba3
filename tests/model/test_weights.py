"""Checkpoint files: what is read, and everything that is refused."""

import errno
import os
from pathlib import Path

import pytest
import torch

from ranet.config import ModelConfig
from ranet.errors import CheckpointError, OutputError
from ranet.model.ranet import RANet
from ranet.model.weights import fingerprint, load_checkpoint, save_checkpoint


@pytest.fixture(scope="module")
def network() -> RANet:
    torch.manual_seed(0)
    return RANet(backbone="resnet18", template_grid=(3, 4), ranked=8, width=0.25, objects="multi")


@pytest.fixture
def checkpoint(network: RANet, tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "network.pt", network)
    return tmp_path / "network.pt"


def test_round_trip(network: RANet, checkpoint: Path) -> None:
    loaded = load_checkpoint(checkpoint)
    assert loaded.architecture == network.architecture
    assert not loaded.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)


def test_model_config_mirrors_the_arguments_of_the_network() -> None:
    with torch.device("meta"):
        assert RANet().architecture == ModelConfig().model_dump()


class RunsCode:
    def __reduce__(self) -> tuple:
        return os.mkdir, ("code-was-run",)


def test_pickled_code_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model": RunsCode()}, tmp_path / "evil.pt")
    with pytest.raises(CheckpointError, match=r"evil\.pt holds pickled Python objects.*mkdir"):
        load_checkpoint(tmp_path / "evil.pt")
    assert not (tmp_path / "code-was-run").exists()


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04broken", bytes(1000)])
def test_a_file_that_is_no_checkpoint(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"x\.pt is not a (readable|PyTorch) checkpoint"):
        load_checkpoint(tmp_path / "x.pt")


def test_a_truncated_checkpoint(checkpoint: Path) -> None:
    data = checkpoint.read_bytes()
    checkpoint.write_bytes(data[: len(data) // 2])
    with pytest.raises(CheckpointError, match=r"network\.pt is not a (readable|PyTorch)"):
        load_checkpoint(checkpoint)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no such file"):
        load_checkpoint(tmp_path / "absent.pt")
    with pytest.raises(CheckpointError, match="that is a folder"):
        load_checkpoint(tmp_path)


def test_another_format(tmp_path: Path) -> None:
    torch.save({"weights": torch.ones(1)}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=r"expected format 'ranet-1'.*found .*weights"):
        load_checkpoint(tmp_path / "x.pt")
    torch.save([torch.ones(1)], tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="it holds a list"):
        load_checkpoint(tmp_path / "x.pt")


def test_weights_of_another_architecture(network: RANet, tmp_path: Path) -> None:
    torch.save(
        {
            "format": "ranet-1",
            "architecture": network.architecture | {"ranked": 9},
            "model": network.state_dict(),
        },
        tmp_path / "x.pt",
    )
    expected = r"merge\.expand\.conv\.weight \(\(64, 8, 3, 3\), expected \(64, 9, 3, 3\)\)"
    with pytest.raises(CheckpointError, match=expected):
        load_checkpoint(tmp_path / "x.pt")


def test_an_unknown_argument_of_the_architecture(network: RANet, tmp_path: Path) -> None:
    torch.save(
        {"format": "ranet-1", "architecture": {"depth": 3}, "model": network.state_dict()},
        tmp_path / "x.pt",
    )
    with pytest.raises(CheckpointError, match="depth"):
        load_checkpoint(tmp_path / "x.pt")


def test_a_full_disk_leaves_the_old_checkpoint(
    network: RANet, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fingerprint(checkpoint)

    def no_space(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OutputError, match=r"network\.pt: No space left on device"):
        save_checkpoint(checkpoint, network)
    assert fingerprint(checkpoint) == before
    assert [p.name for p in checkpoint.parent.iterdir()] == ["network.pt"]
