"""A miniature training run, and how to compare two of them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ranet.config import EvalConfig, InferenceConfig, TrainConfig, ValidationConfig, parse_config
from ranet.datasets.synthetic import write_synthetic_davis
from ranet.training.log import read_log


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


@pytest.fixture
def validated_run(tiny_run: TrainConfig, synthetic_tree: Path) -> TrainConfig:
    """A run of four steps that is scored after every second one."""
    inference = InferenceConfig(input_size=(64, 96), frame_size=None, device="cpu")
    validation = ValidationConfig(
        every=2, davis=synthetic_tree, evaluation=EvalConfig(year=2017, inference=inference)
    )
    return tiny_run.model_copy(update={"steps": 4, "validation": validation})


@pytest.fixture
def slow_run(tiny_run: TrainConfig) -> TrainConfig:
    """A run that stays comparable with one whose sums are rounded differently.

    Adam divides a gradient by its own size: where it is zero but for rounding, a step of the full
    learning rate goes this way or that. So the rate is small.
    """
    slow = tiny_run.optimizer.model_copy(update={"learning_rate": 1e-5})
    return tiny_run.model_copy(update={"batch_size": 4, "steps": 2, "optimizer": slow})


@pytest.fixture
def assert_same_curves() -> Callable[[TrainConfig, TrainConfig], None]:
    """Require that two runs had the same losses and gradients, up to rounding.

    The first step is the same to rounding; later ones may rank near-ties in another order.
    """

    def compare(first: TrainConfig, second: TrainConfig) -> None:
        one, two = (read_log(run.output / "log.jsonl") for run in (first, second))
        tolerances = {"cross_entropy": 2e-3, "jaccard": 2e-3, "total": 2e-3, "gradient_norm": 3e-2}
        for name, tolerance in tolerances.items():
            a, b = ([record[name] for record in log] for log in (one, two))
            assert b == pytest.approx(a, rel=tolerance), name
            assert b[0] == pytest.approx(a[0], rel=1e-4), name

    return compare
