import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ranet.metrics import boundary_map, boundary_radius, f_measure
from ranet.metrics.measures import labelled_box

MASKS = arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))


def square(left: int, width: int = 100) -> np.ndarray:
    """The golden square: rows 100:200 at 480×854."""
    mask = np.zeros((480, 854), dtype=bool)
    mask[100:200, left : left + width] = True
    return mask


def blobs(seed: int, size: tuple[int, int] = (90, 120)) -> np.ndarray:
    """Random discs, some of them cut by the frame."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]]
    mask = np.zeros(size, dtype=bool)
    for _ in range(generator.integers(1, 5)):
        row, column = generator.uniform((0, 0), size)
        mask |= (y - row) ** 2 + (x - column) ** 2 <= generator.uniform(2, 25) ** 2
    return mask


def boundary_by_definition(mask: np.ndarray) -> set[tuple[int, int]]:
    """Pixel by pixel; a neighbour outside the frame is not compared with.

    In the last row only the horizontal neighbour lies in the frame, in the last column only the
    vertical one, and for the last pixel none.
    """
    height, width = mask.shape
    return {
        (y, x)
        for y, x in itertools.product(range(height), range(width))
        for v, u in ((y, x + 1), (y + 1, x), (y + 1, x + 1))
        if v < height and u < width and mask[y, x] != mask[v, u]
    }


def f_by_definition(prediction: np.ndarray, truth: np.ndarray, radius: int) -> float:
    """All distances between all boundary pixels of the whole frame; no crop and no dilation."""
    found, expected = boundary_by_definition(prediction), boundary_by_definition(truth)
    if not found or not expected:
        return float(found == expected)
    points, targets = np.array(sorted(found)), np.array(sorted(expected))
    near = ((points[:, None] - targets[None]) ** 2).sum(axis=-1) <= radius**2
    precision, recall = near.any(axis=1).mean(), near.any(axis=0).mean()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@pytest.mark.parametrize(
    ("size", "radius"),
    [((480, 854), 8), ((854, 480), 8), ((1080, 1920), 18), ((240, 432), 4), ((1, 1), 1)],
)
def test_radius_follows_the_diagonal(size, radius):
    assert boundary_radius(*size) == radius


def test_map_of_a_rectangle_runs_above_and_left_of_it_and_on_its_last_row_and_column():
    mask = np.zeros((5, 6), dtype=bool)
    mask[2:4, 2:5] = True
    expected = np.array(
        [
            [0, 0, 0, 0, 0, 0],
            [0, 1, 1, 1, 1, 0],
            [0, 1, 0, 0, 1, 0],
            [0, 1, 1, 1, 1, 0],
            [0, 0, 0, 0, 0, 0],
        ],
        dtype=bool,
    )
    assert np.array_equal(boundary_map(mask), expected)


def test_frame_border_is_no_boundary():
    assert not boundary_map(np.ones((5, 6), dtype=bool)).any()


def test_last_row_and_column_compare_only_inside_the_frame():
    mask = np.zeros((3, 3), dtype=bool)
    mask[2, 2] = True  # seen by its neighbours above, to the left and diagonally
    expected = np.array([[0, 0, 0], [0, 1, 1], [0, 1, 0]], dtype=bool)
    assert np.array_equal(boundary_map(mask), expected)


@settings(max_examples=100, deadline=None)
@given(MASKS)
def test_map_follows_the_definition(mask):
    assert set(map(tuple, np.argwhere(boundary_map(mask)))) == boundary_by_definition(mask)


@pytest.mark.parametrize(
    ("shift", "expected"), [(1, 1), (4, 1), (8, 1), (9, 0.54), (12, 0.525), (20, 0.485)]
)
def test_shifted_square(shift, expected):
    assert f_measure(square(300 + shift), square(300)) == pytest.approx(expected, abs=5e-7)


def test_square_without_its_last_columns():
    assert f_measure(square(300, width=90), square(300)) == pytest.approx(0.761538, abs=5e-7)


def test_masks_without_boundary_agree_and_a_single_boundary_matches_nothing():
    empty = np.zeros((480, 854), dtype=bool)
    assert f_measure(empty, empty) == 1
    assert f_measure(~empty, empty) == 1
    assert f_measure(square(300), empty) == 0
    assert f_measure(empty, square(300)) == 0


def test_distant_masks_score_zero():
    assert f_measure(square(0), square(700)) == 0


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("radius", [1, 3, 8])
def test_crop_and_dilation_equal_the_distances_in_the_whole_frame(seed, radius):
    prediction, truth = blobs(seed), blobs(seed + 100)
    expected = f_by_definition(prediction, truth, radius)
    assert f_measure(prediction, truth, radius=radius) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(MASKS, st.data())
def test_noise_that_touches_the_border_equals_the_definition(prediction, data):
    truth = data.draw(arrays(bool, prediction.shape))
    expected = f_by_definition(prediction, truth, boundary_radius(*truth.shape))
    assert f_measure(prediction, truth) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_is_symmetric_and_in_the_unit_interval(seed):
    prediction, truth = blobs(seed), blobs(seed + 50)
    value = f_measure(prediction, truth)
    assert 0 <= value <= 1
    assert f_measure(truth, prediction) == pytest.approx(value, abs=1e-12)
    assert f_measure(truth, truth) == 1


@pytest.mark.parametrize("seed", range(5))
def test_moving_both_masks_changes_nothing(seed):
    size, room = (90, 120), 7
    frames = [np.pad(blobs(seed + k, size), 3 * room) for k in (0, 50)]
    moved = [np.roll(mask, (room, -room), axis=(0, 1)) for mask in frames]
    assert f_measure(*moved) == f_measure(*frames)


@pytest.mark.parametrize("seed", range(5))
def test_masks_cut_to_their_common_box_keep_their_f(seed):
    prediction, truth = blobs(seed), blobs(seed + 70)
    box = labelled_box(prediction | truth)
    radius = boundary_radius(*truth.shape)
    expected = f_measure(prediction, truth)
    assert f_measure(prediction[box], truth[box], radius=radius) == expected


@pytest.mark.parametrize(
    ("labelled", "expected"),
    [
        (np.s_[3:5, 2:9], np.s_[2:6, 1:10]),
        (np.s_[0:1, 0:1], np.s_[0:2, 0:2]),
        (np.s_[7:8, 9:10], np.s_[6:9, 8:11]),  # beyond the last row and column: cut by slicing
        (np.s_[0:0, 0:0], np.s_[0:1, 0:1]),
    ],
)
def test_box_has_a_margin_of_one(labelled, expected):
    labels = np.zeros((8, 10), dtype=np.uint8)
    labels[labelled] = 7
    assert labelled_box(labels) == expected


def test_radius_counts_with_the_circle_not_the_square():
    truth, prediction = np.zeros((2, 100, 100), dtype=bool)
    truth[50, 50] = True
    prediction[50 + 3, 50 + 3] = True
    assert f_measure(prediction, truth, radius=3) < 1  # √18 pixels away
    assert f_measure(prediction, truth, radius=math.ceil(math.sqrt(18))) == 1


def test_refuses_masks_of_different_sizes():
    with pytest.raises(ValueError, match=r"\(4, 5\).*\(5, 4\)"):
        f_measure(np.zeros((4, 5), dtype=bool), np.zeros((5, 4), dtype=bool))
