import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ranet.metrics import jaccard

PAIRS = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape))
)


def square(left: int, right: int = 0) -> np.ndarray:
    """The golden square: rows 100:200 at 480×854, from column ``left``, 100 columns wide."""
    mask = np.zeros((480, 854), dtype=bool)
    mask[100:200, left : right or left + 100] = True
    return mask


@pytest.mark.parametrize(
    ("shift", "expected"),
    [(1, 0.980198), (4, 0.923077), (8, 0.851852), (9, 0.834862), (12, 0.785714), (20, 0.666667)],
)
def test_shifted_square(shift, expected):
    assert jaccard(square(300 + shift), square(300)) == pytest.approx(expected, abs=5e-7)


def test_square_without_its_last_columns():
    assert jaccard(square(300, 390), square(300)) == 0.9


def test_empty_masks_agree_and_an_empty_one_misses_everything():
    empty, full = np.zeros((4, 5), dtype=bool), np.ones((4, 5), dtype=bool)
    assert jaccard(empty, empty) == 1
    assert jaccard(full, full) == 1
    assert jaccard(full, empty) == 0
    assert jaccard(empty, full) == 0


@settings(max_examples=50, deadline=None)
@given(PAIRS)
def test_is_symmetric_and_counts_sets_of_pixels(pair):
    prediction, truth = pair
    found, expected = (set(map(tuple, np.argwhere(mask))) for mask in pair)
    union = len(found | expected)
    assert jaccard(prediction, truth) == (len(found & expected) / union if union else 1)
    assert jaccard(prediction, truth) == jaccard(truth, prediction)


def test_refuses_masks_of_different_sizes():
    with pytest.raises(ValueError, match=r"\(4, 5\).*\(5, 4\)"):
        jaccard(np.zeros((4, 5), dtype=bool), np.zeros((5, 4), dtype=bool))


@pytest.mark.parametrize("wrong", [np.zeros((4, 5), np.uint8), np.zeros((4, 5, 1), bool)])
def test_refuses_what_is_no_mask(wrong):
    with pytest.raises(ValueError, match=r"truth should be an H×W bool mask.*labels == id"):
        jaccard(np.zeros((4, 5), dtype=bool), wrong)
