"""A miniature training run, and how to compare two of them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from runs import TINY_RANET, tiny_config, validated

from ranet.config import TrainConfig
from ranet.datasets.synthetic import write_synthetic_davis
from ranet.training.log import read_log


@pytest.fixture(scope="session")
def synthetic_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("synthetic") / "tree"
    write_synthetic_davis(root, train=3, val=1, frames=5, size=(96, 160), seed=1, max_objects=2)
    return root


@pytest.fixture
def tiny_run(synthetic_tree: Path, tmp_path: Path) -> TrainConfig:
    return tiny_config(synthetic_tree, tmp_path / "run")


@pytest.fixture
def ranet_run(synthetic_tree: Path, tmp_path: Path) -> TrainConfig:
    return tiny_config(synthetic_tree, tmp_path / "run", TINY_RANET)


@pytest.fixture
def validated_run(tiny_run: TrainConfig, synthetic_tree: Path) -> TrainConfig:
    return validated(tiny_run, synthetic_tree)


@pytest.fixture
def slow_run(ranet_run: TrainConfig) -> TrainConfig:
    """A run of RANet whose batch can be shared and split, and whose steps are small.

    Adam divides a gradient by its own size: where it is almost zero, rounding counts.
    """
    slow = ranet_run.optimizer.model_copy(update={"learning_rate": 1e-5})
    return ranet_run.model_copy(update={"batch_size": 4, "steps": 2, "optimizer": slow})


@pytest.fixture
def assert_same_curves() -> Callable[[TrainConfig, TrainConfig], None]:
    """Require that two runs in float64 had the same losses and gradients, up to rounding."""

    def compare(first: TrainConfig, second: TrainConfig) -> None:
        one, two = (read_log(run.output / "log.jsonl") for run in (first, second))
        for name in ("cross_entropy", "jaccard", "total", "gradient_norm"):
            a, b = ([record[name] for record in log] for log in (one, two))
            assert b == pytest.approx(a, rel=1e-9), name

    return compare
