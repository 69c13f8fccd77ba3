"""The debug run through the real entry points: eight pairs are learnt by heart."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_ranet import logits_of

from ranet.config import TrainConfig, load_config
from ranet.datasets.sampling import TrainingSamples
from ranet.methods.checkpoints import load_checkpoint
from ranet.structures import TrainingBatch, TrainingSample, one_hot_masks

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs" / "debug.yaml"


def command(script: str, *arguments: object) -> None:
    subprocess.run(
        [sys.executable, ROOT / "scripts" / script, *map(str, arguments)],
        check=True,
        capture_output=True,
    )


def different_samples(config: TrainConfig) -> list[TrainingSample]:
    samples = TrainingSamples(config.data, seed=config.seed)
    return list({sample.name: sample for sample in (samples[n] for n in range(100))}.values())


def mean_overlap(masks: torch.Tensor, truth: torch.Tensor) -> float:
    """Intersection over union of B×H×W bool, averaged over B."""
    return ((masks & truth).sum((1, 2)) / (masks | truth).sum((1, 2))).mean().item()


def test_the_debug_run_learns_eight_pairs_by_heart(tmp_path: Path) -> None:
    data = f"data.sources.0.root={tmp_path / 'data'}"
    output = f"output={tmp_path / 'training'}"
    command(
        *("make_synthetic.py", "--out", tmp_path / "data", "--train", 4, "--val", 2),
        *("--frames", 2, "--size", 64, 96, "--max-objects", 1, "--clutter", 0),
    )
    command("train.py", "--config", CONFIG, data, output)

    samples = different_samples(load_config(TrainConfig, CONFIG, [data, output]))
    assert len(samples) == 8
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
