"""Every ablation of Tables 4 and 5 trains and evaluates."""

import json
from pathlib import Path

import pytest
import torch

from ranet.config import EvalConfig, InferenceConfig, TrainConfig
from ranet.errors import CheckpointError
from ranet.inference.davis import evaluate_split, network
from ranet.methods.checkpoints import load_checkpoint, save_checkpoint
from ranet.training.run import starting_model, train

ABLATIONS = {
    "w/o ranking": {"matching": "unranked"},
    "maximum": {"matching": "maximum"},
    "-CL": {"matching": "concatenation"},
    "-PM": {"previous_mask": False},
    "ranking gradient off": {"ranking_gradient": "none"},
}
EVALUATION = EvalConfig(
    year=2017, inference=InferenceConfig(input_size=(64, 96), frame_size=None, device="cpu")
)


def ablated(config: TrainConfig, **model: object) -> TrainConfig:
    return config.model_copy(update={"model": config.model.model_copy(update=model), "steps": 1})


@pytest.mark.parametrize("name", ABLATIONS)
def test_an_ablation_trains_and_evaluates(
    name: str, ranet_run: TrainConfig, synthetic_tree: Path, tmp_path: Path
) -> None:
    config = ablated(ranet_run, **ABLATIONS[name])
    torch.manual_seed(config.seed)
    before = starting_model(config).state_dict()
    checkpoint = train(config)
    after = load_checkpoint(checkpoint)
    assert after.architecture == config.model.model_dump(exclude={"name"})
    changed = {n.split(".")[0] for n, t in after.state_dict().items() if not t.equal(before[n])}
    assert {"encoder", "merge", "decoder"} <= changed
    # Only the ranking network has parameters, and only the straight-through factor teaches it.
    assert ("ranking" in changed) == (name == "-PM")

    evaluate_split(EVALUATION, network(EVALUATION, checkpoint), synthetic_tree, tmp_path / "out")
    result = json.loads((tmp_path / "out/result.json").read_text())
    assert 0 <= result["global"]["J-Mean"] <= 1
    for option, value in ABLATIONS[name].items():
        assert result["settings"]["architecture"][option] == value
    assert result["stages"] == [{"name": "tiny", "data": ["video"], "steps": 1}]


def test_what_has_other_weights_cannot_be_started_from(
    ranet_run: TrainConfig, tmp_path: Path
) -> None:
    """Each ablation is a chain of stages of its own."""
    first = tmp_path / "first.pt"
    save_checkpoint(first, starting_model(ablated(ranet_run, matching="maximum")))
    second = ablated(ranet_run, matching="unranked").model_copy(update={"start_from": first})
    with pytest.raises(CheckpointError, match="Make their `model` sections agree"):
        train(second)
