"""The debug run through the real entry points: its pairs are learnt by heart."""

from pathlib import Path

import torch
from scripts_in_process import ScriptRunner
from tiny_ranet import logits_of

from ranet.config import TrainConfig, load_config
from ranet.datasets.sampling import TrainingSamples
from ranet.methods.checkpoints import load_checkpoint
from ranet.structures import TrainingBatch, TrainingSample, one_hot_masks

CONFIG = Path(__file__).parents[2] / "configs" / "debug.yaml"


def different_samples(config: TrainConfig) -> list[TrainingSample]:
    samples = TrainingSamples(config.data, seed=config.seed)
    return list({sample.name: sample for sample in (samples[n] for n in range(100))}.values())


def mean_overlap(masks: torch.Tensor, truth: torch.Tensor) -> float:
    """Intersection over union of B×H×W bool, averaged over B."""
    return ((masks & truth).sum((1, 2)) / (masks | truth).sum((1, 2))).mean().item()


def test_the_debug_run_learns_its_pairs_by_heart(run_script: ScriptRunner, tmp_path: Path) -> None:
    """Half the pairs and a third of the steps of what the file says."""
    few = [f"data.sources.0.root={tmp_path / 'data'}", "data.samples_per_epoch=4"]
    few += [f"output={tmp_path / 'training'}", "steps=60"]
    drawn = run_script(
        *("make_synthetic.py", "--out", tmp_path / "data", "--train", 2, "--val", 0),
        *("--frames", 2, "--size", 64, 96, "--max-objects", 1, "--clutter", 0),
    )
    assert drawn.status == 0, drawn.error
    trained = run_script("train.py", "--config", CONFIG, *few)
    assert trained.status == 0, trained.error

    samples = different_samples(load_config(TrainConfig, CONFIG, few))
    assert len(samples) == 4
    batch = TrainingBatch.collate(samples)
    truth = batch.current_labels[:, 0] == 1
    with torch.inference_mode():
        logits = logits_of(
            load_checkpoint(tmp_path / "training" / "model.pt"),
            batch.template_image.float() / 255,
            one_hot_masks(batch.template_labels, 1),
            batch.current_image[:, 0].float() / 255,
            one_hot_masks(batch.previous_labels, 1),
        )
    assert mean_overlap(batch.previous_labels == 1, truth) < 0.9  # which is given away
    assert mean_overlap(logits[:, 0] > 0, truth) > 0.95
