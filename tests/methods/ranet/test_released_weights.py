"""The authors' checkpoints: names, shapes, files."""

import json
from pathlib import Path

import pytest
import torch
from scripts_in_process import ScriptRunner

from ranet.errors import CheckpointError
from ranet.methods.checkpoints import (
    fingerprint,
    load_checkpoint,
    save_checkpoint,
)
from ranet.methods.ranet.network import RANet
from ranet.methods.ranet.released import (
    NAMES,
    convert_released_state,
    load_released_checkpoint,
    our_name,
    released_name,
)

UNUSED = ("p_1b", "res_1b", "p_2b", "rank_A")


@pytest.fixture(scope="module")
def network() -> RANet:
    torch.manual_seed(0)
    return RANet(backbone="resnet101").eval()


@pytest.fixture(scope="module")
def released_state(network: RANet) -> dict[str, torch.Tensor]:
    """What a released file holds: our weights under the authors' names, and their unused ones."""
    state = {released_name(name): tensor for name, tensor in network.state_dict().items()}
    return state | {"rank_A.1.weight": torch.ones(1), "res_1b.conv1.weight": torch.ones(2)}


@pytest.fixture(scope="module")
def released_file(
    released_state: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("released") / "RANet_video_single.pth"
    torch.save(released_state, path, _use_new_zipfile_serialization=False)  # as torch did in 2019
    return path


def test_every_released_key_and_shape_is_known(shared_parity: Path, network: RANet) -> None:
    shapes = json.loads((shared_parity / "released_state_dict_shapes.json").read_text())
    ours = network.state_dict()
    for name, shape in shapes.items():
        translated = our_name(name)
        if translated is None:
            assert name.startswith(UNUSED)
        else:
            assert list(ours[translated].shape) == shape, name
            assert released_name(translated) == name
    used = [name for name in shapes if not name.startswith(UNUSED)]
    assert len(used) == len(ours)


def test_names_are_translated_one_to_one(network: RANet) -> None:
    names = list(network.state_dict())
    assert len({released_name(name) for name in names}) == len(names)
    assert all(our_name(released_name(name)) == name for name in names)
    assert len(set(filter(None, NAMES.values()))) == sum(v is not None for v in NAMES.values())


def test_released_file_gives_the_same_network(released_file: Path, network: RANet) -> None:
    loaded = load_released_checkpoint(released_file, "multi")
    assert loaded.architecture["objects"] == "multi"
    assert not loaded.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)


def test_load_checkpoint_recognises_a_released_file(released_file: Path) -> None:
    model = load_checkpoint(released_file, released_objects="multi")
    assert model.architecture["objects"] == "multi"


@pytest.mark.parametrize("objects", ["single", "multi"])
def test_the_name_of_a_released_file_tells_the_network(
    released_file: Path, tmp_path: Path, objects: str
) -> None:
    path = tmp_path / f"RANet_video_{objects}.pth"
    path.symlink_to(released_file)
    assert load_checkpoint(path).architecture["objects"] == objects


def test_a_name_that_tells_nothing_is_an_error(released_file: Path, tmp_path: Path) -> None:
    (tmp_path / "multiple.pth").symlink_to(released_file)
    with pytest.raises(CheckpointError, match=r"multiple\.pth .*_single or _multi.*Rename it"):
        load_checkpoint(tmp_path / "multiple.pth")


@pytest.mark.slow
def test_a_network_keeps_in_mind_that_it_was_released(released_file: Path, tmp_path: Path) -> None:
    released = load_released_checkpoint(released_file, "multi")
    assert released.released
    save_checkpoint(tmp_path / "converted.pt", released)
    assert load_checkpoint(tmp_path / "converted.pt").released


def test_missing_parameter_is_named(
    released_state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    state = {k: v for k, v in released_state.items() if k != "R2.1.2.bias"}
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"missing: R2\.1\.2\.bias"):
        load_released_checkpoint(tmp_path / "x.pth", "single")


def test_unexpected_parameter_is_named(
    released_state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    torch.save(released_state | {"R9.weight": torch.ones(1)}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"no parameter 'R9\.weight'"):
        load_released_checkpoint(tmp_path / "x.pth", "single")


def test_wrong_shape_is_named(released_state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    torch.save(released_state | {"R3.5.bias": torch.ones(7)}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"R3\.5\.bias \(\(7,\), expected \(1,\)\)"):
        load_released_checkpoint(tmp_path / "x.pth", "single")


def test_a_name_that_only_begins_like_a_known_one_is_refused() -> None:
    with pytest.raises(CheckpointError, match="no parameter"):
        convert_released_state({"p_1.20.weight": torch.ones(1)})


@pytest.mark.slow
def test_script_converts(
    run_script: ScriptRunner, released_file: Path, network: RANet, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "ranet.pt"
    script = "convert_released_weights.py"
    done = run_script(script, released_file, "--objects", "multi", "--out", out)
    assert (done.status, done.out) == (0, f"wrote {out}\n")
    converted = load_checkpoint(out)  # which needs not be told the kind of network any more
    assert converted.architecture["objects"] == "multi"
    assert [stage["data"] for stage in converted.stages] == [["static"], ["video"]]
    assert torch.equal(converted.decoder.logits.weight, network.decoder.logits.weight)
    origin = torch.load(out, weights_only=True)["converted_from"]
    assert origin == {"sha256": fingerprint(released_file)}
    out.write_bytes(b"another network")
    refused = run_script(script, released_file, "--objects", "multi", "--out", out)
    assert (refused.status, refused.error.count("--overwrite")) == (1, 1)
    assert out.read_bytes() == b"another network"
    done = run_script(script, released_file, "--objects", "multi", "--out", out, "--overwrite")
    assert done.status == 0, done.error
    assert load_checkpoint(out).architecture == converted.architecture


def test_script_and_files_that_cannot_be_used(
    run_script: ScriptRunner, released_file: Path, tmp_path: Path
) -> None:
    script, options = "convert_released_weights.py", ("--objects", "multi", "--out")
    (tmp_path / "file").write_text("")
    done = run_script(script, released_file, *options, tmp_path / "file" / "ranet.pt")
    assert (done.status, done.error.count("error: ")) == (1, 1)
    assert f"Cannot write {tmp_path / 'file' / 'ranet.pt'}" in done.error
    done = run_script(script, tmp_path / "absent.pth", *options, tmp_path / "ranet.pt")
    assert done.status == 1
    assert "there is no such file" in done.error
    assert not (tmp_path / "ranet.pt").exists()


def test_script_shows_its_example_over_two_lines(run_script: ScriptRunner) -> None:
    assert (
        "RANet_video_single.pth \\\n        --objects single"
        in run_script("convert_released_weights.py", "--help").out
    )
