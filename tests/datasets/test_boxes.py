import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranet.datasets.boxes import box_around, jitter_box


def mask_of(frame, top, left, bottom, right):
    mask = np.zeros(frame, dtype=np.uint8)
    mask[top:bottom, left:right] = 5
    return mask


def box(mask, smallest=32):
    return box_around(mask, aspect=(480, 864), scale=1.5, smallest=smallest)


def test_a_tall_object_sets_the_height():
    # rows 100…200, columns 400…440: a = 1.5·100/2 = 75, half the width 75·1.8 = 135
    assert box(mask_of((480, 854), 100, 400, 201, 441)) == (75, 285, 225, 555)


def test_a_wide_object_sets_the_width():
    # rows 200…210, columns 300…508: a = 480/864·1.5·208/2 = 86.67, half the width 156
    assert box(mask_of((480, 854), 200, 300, 211, 509)) == (119, 248, 291, 560)


def test_halves_are_rounded_down_exactly():
    # columns 0…208 give a·864/480 = 156 exactly; in floating point it may fall below
    for wide in range(40, 400):
        _, left, _, right = box(mask_of((480, 1000), 240, 300, 241, 301 + wide))
        assert (right - left) // 2 == 3 * wide // 4


def test_clipped_to_the_frame():
    assert box(mask_of((480, 854), 0, 0, 101, 101)) == (0, 0, 125, 185)


@pytest.mark.parametrize("object_side", [0, 1, 10])
def test_the_whole_frame_if_there_is_nothing_or_little(object_side):
    mask = mask_of((480, 854), 50, 60, 50 + object_side, 60 + object_side)
    assert box(mask) == (0, 0, 480, 854)


@pytest.mark.parametrize(("smallest", "expected"), [(30, (35, 23, 65, 77)), (31, (0, 0, 200, 200))])
def test_smallest_is_a_side_that_still_counts(smallest, expected):
    # rows and columns 40…60 and 50…50: a = 15, half the width 27
    assert box(mask_of((200, 200), 40, 50, 61, 51), smallest) == expected


@given(st.data())
def test_boxes_lie_in_the_frame(data):
    height, width = data.draw(st.tuples(st.integers(1, 90), st.integers(1, 90)))
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    bottom = data.draw(st.integers(top + 1, height))
    right = data.draw(st.integers(left + 1, width))
    found = box(mask_of((height, width), top, left, bottom, right), smallest=8)
    jittered = jitter_box(
        found,
        (height, width),
        scale=data.draw(st.floats(0.5, 2)),
        shift=data.draw(st.tuples(st.floats(-0.4, 0.4), st.floats(-0.4, 0.4))),
    )
    for y0, x0, y1, x1 in (found, jittered):
        assert 0 <= y0 < y1 <= height
        assert 0 <= x0 < x1 <= width


def test_jitter_moves_and_scales():
    assert jitter_box((40, 40, 60, 80), (200, 200), scale=2.0, shift=(0.25, -0.25)) == (
        35.0,
        10.0,
        75.0,
        90.0,
    )


def test_no_jitter():
    assert jitter_box((40, 40, 60, 81), (200, 200), scale=1.0, shift=(0, 0)) == (40, 40, 60, 81)
