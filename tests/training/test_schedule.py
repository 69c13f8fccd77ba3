import pytest

from ranet.config import OptimizerConfig
from ranet.training.loop import learning_rate


def rates(schedule: str, warmup: int = 0, steps: int = 100) -> list[float]:
    config = OptimizerConfig(learning_rate=1.0, schedule=schedule, warmup_steps=warmup)
    return [learning_rate(config, step, steps) for step in range(steps)]


def test_constant() -> None:
    assert set(rates("constant")) == {1.0}


@pytest.mark.parametrize("schedule", ["poly", "cosine"])
def test_falling_schedules_go_from_the_full_rate_towards_zero(schedule: str) -> None:
    values = rates(schedule)
    assert values[0] == 1.0
    assert values == sorted(values, reverse=True)
    assert 0 < values[-1] < 0.025


def test_values_in_the_middle() -> None:
    assert rates("cosine")[50] == pytest.approx(0.5)
    assert rates("poly")[50] == pytest.approx(0.5**0.9)


def test_warm_up_is_linear_and_ends_at_the_full_rate() -> None:
    values = rates("cosine", warmup=4)
    assert values[:5] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])


def test_a_warm_up_longer_than_the_run() -> None:
    assert rates("poly", warmup=200)[-1] == pytest.approx(0.5)
