"""A miniature training run, and how to compare two of them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from runs import tiny_config, validated

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
def validated_run(tiny_run: TrainConfig, synthetic_tree: Path) -> TrainConfig:
    return validated(tiny_run, synthetic_tree)


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

    The losses of the first step are the same to rounding. Its gradients and all that follows depend
    on the order of near-ties in the ranking, which rounding decides: differently on other CPUs.
    Other samples, or gradients that are summed and not averaged, differ by far more.
    """

    def compare(first: TrainConfig, second: TrainConfig) -> None:
        one, two = (read_log(run.output / "log.jsonl") for run in (first, second))
        for name in ("cross_entropy", "jaccard", "total", "gradient_norm"):
            a, b = ([record[name] for record in log] for log in (one, two))
            assert b == pytest.approx(a, rel=3e-2), name
            if name != "gradient_norm":
                assert b[0] == pytest.approx(a[0], rel=1e-4), name

    return compare
