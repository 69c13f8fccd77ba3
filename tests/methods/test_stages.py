"""What checkpoints say of how a network was trained."""

from pathlib import Path

import pytest
import torch

from ranet.methods.checkpoint_files import STATIC, UNTOLD, VIDEO, training_stage
from ranet.methods.checkpoints import load_checkpoint, save_checkpoint
from ranet.methods.ranet.network import RANet
from ranet.methods.ranet.released import released_stages


@pytest.fixture
def network() -> RANet:
    return RANet(backbone="tiny", template_grid=(3, 4), ranked=8, width=0.25)


def test_a_checkpoint_keeps_the_stages(network: RANet, tmp_path: Path) -> None:
    network.stages = [training_stage("first", [STATIC], 10), training_stage("second", [VIDEO], 5)]
    save_checkpoint(tmp_path / "x.pt", network)
    assert load_checkpoint(tmp_path / "x.pt").stages == network.stages


def test_a_checkpoint_from_before_says_nothing(network: RANet, tmp_path: Path) -> None:
    content = {
        "format": "ranet-1",
        "architecture": network.architecture,
        "model": network.state_dict(),
    }
    torch.save(content, tmp_path / "old.pt")
    assert load_checkpoint(tmp_path / "old.pt").stages == [UNTOLD]


def test_a_stage_names_every_kind_of_data_once() -> None:
    stage = training_stage("mixture", [VIDEO, STATIC, VIDEO], 7)
    assert stage == {"name": "mixture", "data": ["static", "video"], "steps": 7}


def test_the_authors_tell_by_the_name() -> None:
    def data(name: str) -> list[str]:
        return [kind for stage in released_stages(name) for kind in stage["data"]]

    assert data("RANet_image_single.pth") == ["static"]
    assert data("RANet_video_single.pth") == ["static", "video"]
    assert data("RANet_video_multi.pth") == ["static", "video"]
    assert data("renamed.pth") == ["unknown"]
