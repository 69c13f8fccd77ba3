"""Checkpoint files: what is read, and everything that is refused."""

import copy
import errno
import os
import random
import resource
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ranet.errors import CheckpointError, OutputError
from ranet.methods.checkpoint_files import read_checkpoint_file
from ranet.methods.checkpoints import fingerprint, load_checkpoint, save_checkpoint
from ranet.methods.ranet.network import RANet


@pytest.fixture(scope="module")
def network() -> RANet:
    torch.manual_seed(0)
    return RANet(backbone="tiny", template_grid=(3, 4), ranked=8, width=0.25, objects="multi")


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


def fails_with(error: BaseException) -> Callable[..., object]:
    def fail(*_: object, **__: object) -> object:
        raise error

    return fail


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_file_of_the_old_format(seed: int, tmp_path: Path) -> None:
    """As torch wrote them in 2019, the authors' among them: its reader checks little itself."""
    path = tmp_path / "x.pth"
    torch.save({"a": torch.ones(3, 2)}, path, _use_new_zipfile_serialization=False)
    data = bytearray(path.read_bytes())
    rng = random.Random(seed)
    for _ in range(3):
        data[rng.randrange(len(data))] = rng.randrange(256)
    path.write_bytes(data[: rng.randrange(len(data))])
    with pytest.raises(CheckpointError, match=r"x\.pth"):
        read_checkpoint_file(path)


@pytest.mark.parametrize(
    "error",
    [AssertionError(), AttributeError("a"), TypeError("t"), KeyError(101), struct.error()],
)
def test_whatever_a_damaged_file_makes_torch_raise(
    error: Exception, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "load", fails_with(error))
    what = f"{type(error).__name__}{': ' if str(error) else ''}{error}"
    message = rf"network\.pt is not a readable checkpoint \({what}\)"
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(checkpoint)


def test_a_file_without_permission(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    denied = fails_with(PermissionError(errno.EACCES, "Permission denied"))  # root may read all
    with monkeypatch.context() as patch:
        patch.setattr(torch, "load", denied)
        with pytest.raises(CheckpointError, match=r"Cannot read .*network\.pt: Permission denied"):
            load_checkpoint(checkpoint)
    monkeypatch.setattr("builtins.open", denied)
    with pytest.raises(CheckpointError, match=r"Cannot read .*network\.pt: Permission denied"):
        fingerprint(checkpoint)


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        (
            "architecture",
            {"backbone": "resnet152"},
            "backbone: .*resnet101.tiny.*, found 'resnet152'",
        ),
        ("architecture", {"objects": "both"}, "'single' or 'multi', found 'both'"),
        ("architecture", {"width": 0.01, "backbone": "resnet18"}, "cannot be built"),
        ("architecture", [3], r"of another kind: architecture \(a list\)"),
        ("model", torch.ones(1), r"of another kind: model \(a Tensor\)"),
        ("stages", 3, r"of another kind: stages \(a int\)"),
    ],
)
def test_an_entry_that_cannot_be_used(
    entry: str, value: object, message: str, checkpoint: Path
) -> None:
    torch.save(torch.load(checkpoint) | {entry: value}, checkpoint)
    with pytest.raises(CheckpointError, match=rf"network\.pt .*(\n.*)?{message}"):
        load_checkpoint(checkpoint)


@pytest.mark.parametrize("size", [[32, 96], [64], [64, 96, 3], [64.0, 96.0], ["64", "96"], []])
def test_an_input_size_that_no_network_takes(size: list, checkpoint: Path) -> None:
    torch.save(torch.load(checkpoint) | {"input_size": size}, checkpoint)
    with pytest.raises(CheckpointError, match=r"network\.pt .*input_size.*from 33 on"):
        load_checkpoint(checkpoint)


def test_an_entry_that_is_missing(checkpoint: Path) -> None:
    content = torch.load(checkpoint)
    del content["architecture"], content["model"]
    torch.save(content, checkpoint)
    with pytest.raises(CheckpointError, match="missing: architecture, model"):
        load_checkpoint(checkpoint)


def test_the_network_names_its_choices() -> None:
    with pytest.raises(ValueError, match=r"objects\n.*'single' or 'multi'.*\nranking_gradient"):
        RANet(objects="both", ranking_gradient="on")


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n" + bytes(64), b"no checkpoint\n" * 9])
def test_another_kind_of_file_is_not_taken_for_code(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(tmp_path / "x.pt")
    assert "pickled" not in str(caught.value)
    assert "weights_only" not in str(caught.value)


def test_bytes_that_changed_inside_are_found(checkpoint: Path) -> None:
    content = bytearray(checkpoint.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 100] = bytes(100)
    checkpoint.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"network\.pt is damaged: its entry .*data/"):
        load_checkpoint(checkpoint)


def test_a_file_without_sums_is_told_how_to_get_them(tmp_path: Path) -> None:
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"a": torch.ones(3)}, tmp_path / "x.pt")
    finally:
        torch.serialization.set_crc32_options(before)
    with pytest.raises(CheckpointError, match=r"saved after .*set_crc32_options\(False\)"):
        load_checkpoint(tmp_path / "x.pt")


def test_weights_that_are_no_numbers(network: RANet, tmp_path: Path) -> None:
    spoiled = copy.deepcopy(network)
    with torch.no_grad():
        spoiled.merge.reduce.conv.weight[0] = torch.nan
    save_checkpoint(tmp_path / "x.pt", spoiled)
    with pytest.raises(CheckpointError, match=r"not finite: merge\.reduce\.conv\.weight"):
        load_checkpoint(tmp_path / "x.pt")


def test_the_format_that_was_found_is_told(network: RANet, tmp_path: Path) -> None:
    torch.save({"format": "ranet-9", "model": network.state_dict()}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=r"expected format 'ranet-1'.*found format 'ranet-9'"):
        load_checkpoint(tmp_path / "x.pt")


def test_a_disk_that_fills_up_while_torch_writes(network: RANet, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OutputError, match=r"Cannot write .*x\.pt: File too large"):
            save_checkpoint(tmp_path / "x.pt", network)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []
