import math
from fractions import Fraction

import numpy as np
import pytest

from ranet.metrics import decay, mean, recall


def decay_by_definition(values: list[float]) -> float:
    """With exact fractions, and halves rounded up."""
    ends = [
        math.floor(1 + Fraction((len(values) - 1) * k, 4) + Fraction(1, 2)) - 1 for k in range(5)
    ]
    first, last = values[ends[0] : ends[1] + 1], values[ends[3] : ends[4] + 1]
    return sum(first) / len(first) - sum(last) / len(last)


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, 0), (2, 1), (3, 0.75), (4, 0.6667), (5, 0.75), (6, 0.8), (7, 0.75), (8, 0.714286)],
)
def test_decay_of_a_falling_line(count, expected):
    assert decay(np.linspace(1, 0, count)) == pytest.approx(expected, abs=4e-5)


def test_decay_of_102_values():
    assert decay(np.linspace(1, 0, 102)) == pytest.approx(0.752475, abs=5e-7)


@pytest.mark.parametrize("count", [256, 257, 300, 1001, 5000])
def test_decay_of_more_values_than_eight_bits_can_count(count):
    values = np.linspace(1, 0, count).tolist()
    assert decay(values) == pytest.approx(decay_by_definition(values), abs=1e-12)
    assert decay(values) == pytest.approx(0.75, abs=2e-3)


def test_decay_follows_the_definition_for_any_number_of_values():
    generator = np.random.default_rng(0)
    for count in range(1, 300):
        values = generator.random(count).tolist()
        assert decay(values) == pytest.approx(decay_by_definition(values), abs=1e-12)


def test_decay_is_negative_where_a_measure_gets_better():
    assert decay([0.0, 0.0, 1.0, 1.0]) < 0


def test_recall_counts_what_is_strictly_above_a_half():
    assert recall([0.5, 0.5 + 1e-9, 0.2, 1.0]) == 0.5
    assert recall([0.5]) == 0


def test_mean_is_the_average():
    assert mean([0.25, 0.5, 0.75, 1.0]) == 0.625


@pytest.mark.parametrize("statistic", [mean, recall, decay])
def test_no_values_are_an_error(statistic):
    with pytest.raises(ValueError, match="at least one value"):
        statistic([])
