"""Each ablation differs from the chain of stages in what it is about, and in nothing else."""

from pathlib import Path

import pytest

from ranet.config import TrainConfig, load_config
from ranet.wording import differences

CONFIGS = Path(__file__).parents[1] / "configs"
FOLDER = CONFIGS / "ablations"
CHANGES = {
    "unranked": {"model.matching": "unranked"},
    "maximum": {"model.matching": "maximum"},
    "no_correlation": {"model.matching": "concatenation"},
    "no_previous_mask": {"model.previous_mask": False},
    "no_ranking_gradient": {"model.ranking_gradient": "none"},
}
OF_ONE_STAGE = {  # of its method's; a loss of what is left out is left out with it
    "dmvos_plain": {"model.correlation": "plain", "losses.margin": None},
    "dmvos_no_correlation": {"model.correlation": "none", "losses.margin": None},
    "dmvos_no_centre_offset": {"model.centre_offset": False, "losses.centre_offset": None},
    "dmvos_detached_offset": {"model.offset_detach": True},
    "dmvos_no_previous_mask": {"model.previous_mask": False},
    "dmn_aoa_first_frame": {"model.memory": "first"},
    "dmn_aoa_first_and_last": {"model.memory": "first_last"},
    "dmn_aoa_no_alignment": {"model.alignment": "none"},
    "dmn_aoa_no_refinement": {"model.refine": False},
    "dmn_aoa_hungarian": {"model.matching": "hungarian"},
    "dmn_aoa_greedy": {"model.matching": "greedy"},
    "dmn_aoa_mean_readout": {"model.readout": "mean"},
}
STAGES = {"static": "static_single", "video": "video_davis16"}


def changes(name: str, base: str) -> dict[str, object]:
    """What an ablation's file says otherwise than the file it is an ablation of."""
    config = load_config(TrainConfig, FOLDER / f"{name}.yaml")
    original = load_config(TrainConfig, CONFIGS / f"{base}.yaml")
    return {
        field: value
        for field, _, value in differences(original.model_dump(), config.model_dump())
        if field not in ("name", "output")
    }


def test_every_file_is_known():
    expected = {f"{name}_{stage}" for name in CHANGES for stage in STAGES}
    expected |= OF_ONE_STAGE.keys() | {"no_static_pretraining"}
    assert {p.stem for p in FOLDER.glob("*.yaml")} == expected


@pytest.mark.parametrize("name", CHANGES)
def test_one_thing_is_changed_in_both_stages(name):
    first = changes(f"{name}_static", STAGES["static"])
    assert first == CHANGES[name]
    second = changes(f"{name}_video", STAGES["video"])
    output = load_config(TrainConfig, FOLDER / f"{name}_static.yaml").output
    assert second == CHANGES[name] | {"start_from": output / "model.pt"}


@pytest.mark.parametrize("name", OF_ONE_STAGE)
def test_one_thing_is_changed_in_the_one_stage(name):
    base = "dmvos_small" if name.startswith("dmvos") else "dmn_aoa_small"
    assert changes(name, base) == OF_ONE_STAGE[name]


def test_without_static_pretraining_the_second_stage_comes_first():
    assert changes("no_static_pretraining", "video_davis16") == {
        "start_from": None,
        "imagenet_weights": True,
    }


def test_the_readme_names_every_file():
    text = (FOLDER / "README.md").read_text()
    assert all(f"`{path.name}`" in text for path in FOLDER.glob("*.yaml"))
