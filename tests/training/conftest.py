"""A miniature training run."""

from pathlib import Path

import pytest

from ranet.config import TrainConfig, parse_config
from ranet.datasets.synthetic import write_synthetic_davis


@pytest.fixture(scope="session")
def synthetic_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("synthetic") / "tree"
    write_synthetic_davis(root, train=3, val=1, frames=5, size=(96, 160), seed=1, max_objects=2)
    return root


@pytest.fixture
def tiny_run(synthetic_tree: Path, tmp_path: Path) -> TrainConfig:
    return parse_config(
        TrainConfig,
        {
            "name": "tiny",
            "output": tmp_path / "run",
            "model": {
                "backbone": "resnet18",
                "objects": "multi",
                "template_grid": [3, 4],
                "ranked": 8,
                "width": 0.25,
            },
            "data": {
                "sources": [{"kind": "davis", "root": synthetic_tree}],
                "size": [64, 96],
                "max_objects": 2,
                "samples_per_epoch": 7,
                "workers": 0,
            },
            "optimizer": {"learning_rate": 1e-3, "schedule": "cosine", "clip_norm": 1.0},
            "losses": {"cross_entropy": 1.0, "jaccard": 0.5},
            "batch_size": 2,
            "steps": 10,
            "checkpoint_every": 5,
            "log_every": 1,
            "device": "cpu",
        },
    )
