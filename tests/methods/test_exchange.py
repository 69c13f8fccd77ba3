"""Networks in .safetensors files."""

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
from scripts_in_process import ScriptRunner

from ranet.errors import CheckpointError
from ranet.methods.checkpoint_files import (
    VIDEO,
    read_exchange_file,
    training_stage,
    write_exchange_file,
)
from ranet.methods.checkpoints import description_of, load_checkpoint, save_checkpoint
from ranet.methods.ranet.network import RANet


@pytest.fixture(scope="module")
def network() -> RANet:
    model = RANet(backbone="tiny", template_grid=(3, 4), ranked=8, width=0.25)
    model.stages, model.input_size = [training_stage("first", [VIDEO], 3)], (64, 96)
    return model


def write(path: Path, model: RANet, dtype: torch.dtype = torch.float16) -> Path:
    write_exchange_file(path, description_of(model), model.state_dict(), dtype)
    return path


def test_the_whole_network_comes_back(network: RANet, tmp_path: Path) -> None:
    read = load_checkpoint(write(tmp_path / "x.safetensors", network, torch.float32))
    assert read.architecture == network.architecture
    assert read.stages == network.stages
    assert read.input_size == network.input_size
    assert read.released is False
    assert not read.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(read.state_dict()[name], tensor)


def test_half_precision_is_half_the_size_and_read_as_float32(
    network: RANet, tmp_path: Path
) -> None:
    half, whole = (
        write(tmp_path / f"{dtype}.safetensors", network, dtype)
        for dtype in (torch.float16, torch.float32)
    )
    assert half.stat().st_size < 0.51 * whole.stat().st_size
    for name, tensor in load_checkpoint(half).state_dict().items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, network.state_dict()[name], rtol=1e-3, atol=1e-7)


def test_a_weight_too_large_for_half_precision_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with pytest.raises(CheckpointError, match=r"layer\.weight .*not finite.*float32"):
        write_exchange_file(path, {}, {"layer.weight": torch.tensor([1e6])}, torch.float16)
    assert not path.exists()


def test_integers_stay_what_they_are(tmp_path: Path) -> None:
    path, steps = tmp_path / "x.safetensors", torch.tensor(2**40 + 1)
    write_exchange_file(path, {}, {"steps": steps}, torch.float16)
    read = read_exchange_file(path)["model"]["steps"]
    assert read.dtype == torch.int64
    assert read == steps


def test_a_file_that_is_cut_short(network: RANet, tmp_path: Path) -> None:
    path = write(tmp_path / "x.safetensors", network)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"x\.safetensors is not a readable"):
        load_checkpoint(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no such file"):
        load_checkpoint(tmp_path / "x.safetensors")


@pytest.mark.parametrize("metadata", [None, {"ranet": "[1]"}, {"ranet": "{"}, {"format": "pt"}])
def test_tensors_of_another_project(metadata: dict[str, str] | None, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    safetensors.torch.save_file({"a": torch.zeros(2)}, path, metadata)
    with pytest.raises(CheckpointError, match="does not say which network"):
        load_checkpoint(path)


def test_weights_of_another_architecture(network: RANet, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    wider = RANet(backbone="tiny", template_grid=(3, 4), ranked=8, width=0.5)
    write_exchange_file(path, description_of(wider), network.state_dict(), torch.float16)
    with pytest.raises(CheckpointError, match="does not fit the network"):
        load_checkpoint(path)


def test_the_description_is_plain_json(network: RANet, tmp_path: Path) -> None:
    path = write(tmp_path / "x.safetensors", network)
    with safetensors.safe_open(path, framework="pt") as file:
        told = json.loads(file.metadata()["ranet"])
    assert told["input_size"] == [64, 96]
    assert read_exchange_file(path)["architecture"]["backbone"] == "tiny"


def test_the_script_exports_a_checkpoint(
    network: RANet, tmp_path: Path, run_script: ScriptRunner
) -> None:
    save_checkpoint(tmp_path / "x.pt", network)
    out = tmp_path / "x.safetensors"
    outcome = run_script("export_checkpoint.py", tmp_path / "x.pt", "--out", out)
    assert outcome.status == 0, outcome.error
    assert load_checkpoint(out).input_size == (64, 96)
    again = ("export_checkpoint.py", tmp_path / "x.pt", "--out", out, "--input-size", 80, 120)
    refused = run_script(*again)
    assert (refused.status, refused.error.count("--overwrite")) == (1, 1)
    assert load_checkpoint(out).input_size == (64, 96)
    larger = run_script(*again, "--overwrite")
    assert larger.status == 0, larger.error
    assert load_checkpoint(out).input_size == (80, 120)


def test_the_script_refuses_an_input_size_that_no_network_takes(
    tmp_path: Path, run_script: ScriptRunner
) -> None:
    outcome = run_script(
        *("export_checkpoint.py", tmp_path / "x.pt", "--out", tmp_path / "x.safetensors"),
        *("--input-size", 32, 96),
    )
    assert outcome.status == 2
    assert "expected a whole number from 33 on, but found '32'" in outcome.error


def test_the_script_wants_a_safetensors_file(tmp_path: Path, run_script: ScriptRunner) -> None:
    outcome = run_script("export_checkpoint.py", tmp_path / "x.pt", "--out", tmp_path / "y.pt")
    assert outcome.status == 2
    assert "ends in .safetensors" in outcome.error
