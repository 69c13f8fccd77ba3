import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranet.datasets.augment import (
    deformation,
    jitter_box,
    random_deformation,
    sampling_map,
    warp_image,
    warp_labels,
    whole,
)
from ranet.datasets.tps import SplineGrid

GRID = SplineGrid(4, 4)
sizes = st.tuples(st.integers(2, 70), st.integers(2, 70))
seeds = st.integers(0, 2**32 - 1)


def noise(size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def noisy_labels(size, seed=0):
    return np.random.default_rng(seed).integers(0, 4, size, dtype=np.uint8)


def disc(size, centre, radius):
    """A disc of 1 around a point (x, y)."""
    y, x = np.ogrid[: size[0], : size[1]]
    return ((x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius**2).astype(np.uint8)


def view(array, *deformations):
    sampling = sampling_map(array.shape[:2], whole(array), *deformations)
    return warp_image(array, sampling) if array.ndim == 3 else warp_labels(array, sampling)


def overlap(a, b):
    return np.count_nonzero(a & b) / np.count_nonzero(a | b)


def paper_deformation(rng, domain):
    return random_deformation(rng, domain, GRID, spline_shift=0.15, rotation=30, scale=(0.75, 1.25))


@given(sizes)
def test_the_identity_changes_no_bit(size):
    for array in (noise(size), noisy_labels(size)):
        np.testing.assert_array_equal(view(array), array)
        np.testing.assert_array_equal(view(array, deformation(whole(array))), array)


@given(sizes)
def test_flipping_mirrors(size):
    for array in (noise(size), noisy_labels(size)):
        flip = deformation(whole(array), flip=True)
        np.testing.assert_array_equal(view(array, flip), array[:, ::-1])


@given(sizes)
def test_flipping_twice_changes_no_bit(size):
    for array in (noise(size), noisy_labels(size)):
        flip = deformation(whole(array), flip=True)
        np.testing.assert_array_equal(view(view(array, flip), flip), array)
        np.testing.assert_array_equal(view(array, flip, flip), array)


@settings(max_examples=30)
@given(seeds)
def test_image_and_mask_move_together(seed):
    mask = disc((120, 160), (70, 50), 30)
    image = np.stack([mask * 255] * 3, axis=-1)
    sampling = sampling_map(
        (120, 160), whole(mask), paper_deformation(np.random.default_rng(seed), whole(mask))
    )
    painted = (warp_image(image, sampling)[..., 0] > 127).astype(np.uint8)
    assert overlap(painted, warp_labels(mask, sampling)) > 0.96


@settings(max_examples=30)
@given(seeds, sizes)
def test_no_new_labels(seed, size):
    labels = noisy_labels((30, 40), seed) * 50
    deformed = paper_deformation(np.random.default_rng(seed), whole(labels))
    seen = warp_labels(labels, sampling_map(size, (3.5, 2, 28, 33.25), deformed))
    assert seen.shape == size
    assert set(np.unique(seen)) <= set(np.unique(labels))


@given(st.floats(-180, 180))
def test_rotation_is_counter_clockwise(degrees):
    # The point 10 to the right of the centre, (19.5, 14.5), is seen at the angle above the x axis.
    turned = deformation((0, 0, 30, 40), rotation=degrees)
    angle = np.radians(degrees)
    seen_at = np.array([19.5 + 10 * np.cos(angle), 14.5 - 10 * np.sin(angle)])
    np.testing.assert_allclose(turned(seen_at), [29.5, 14.5], atol=1e-9)


def test_a_quarter_turn_of_a_square():
    array = noise((40, 40))
    quarter = deformation(whole(array), rotation=90)
    np.testing.assert_array_equal(view(array, quarter), np.rot90(array))


@pytest.mark.parametrize("scale", [0.75, 1.25])
def test_scale_above_one_makes_larger(scale):
    mask = disc((200, 300), (149.5, 99.5), 50)
    seen = view(mask, deformation(whole(mask), scale=scale))
    assert np.count_nonzero(seen) / np.count_nonzero(mask) == pytest.approx(scale**2, rel=0.01)
    assert overlap(seen, disc((200, 300), (149.5, 99.5), 50 * scale)) > 0.97


def test_shift_is_right_and_down_in_units_of_the_domain():
    mask = disc((100, 200), (60, 40), 20)
    moved = deformation((20, 40, 60, 80), shift=(0.5, 0.25))  # 40 pixels wide, 40 high
    np.testing.assert_array_equal(view(mask, moved), disc((100, 200), (80, 50), 20))


def test_the_spline_spans_the_domain():
    rng = np.random.default_rng(3)
    moved = rng.uniform(-0.15, 0.15, (16, 2))
    top, left, bottom, right = domain = (10, 20, 50, 100)
    bent = deformation(domain, spline=GRID.fit(moved))
    side, corner = np.array([right - left, bottom - top]), np.array([left - 0.5, top - 0.5])
    np.testing.assert_allclose(
        bent(corner + GRID.points * side), corner + (GRID.points + moved) * side, atol=1e-9
    )


@pytest.mark.parametrize("seed", range(8))
def test_the_interpolated_map_is_close_to_the_exact_one(seed):
    size = (240, 432)
    deformed = paper_deformation(np.random.default_rng(seed), (0, 0, *size))
    x, y = np.meshgrid(np.arange(size[1]), np.arange(size[0]))
    exact = deformed(np.stack([x, y], axis=-1).astype(float))
    error = np.linalg.norm(sampling_map(size, (0, 0, *size), deformed) - exact, axis=-1)
    assert error.max() < 2  # beside a control point, where the spline's curvature is infinite
    assert error.mean() < 0.2


@pytest.mark.parametrize("size", [(48, 80), (31, 53), (130, 75)])
def test_a_crop_is_cut_out_and_resized(size):
    smooth = cv2.GaussianBlur(noise((90, 120)), (0, 0), 4)
    smooth = cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX)
    seen = warp_image(smooth, sampling_map(size, (20, 30, 70, 100)))
    expected = cv2.resize(smooth[20:70, 30:100], size[::-1], interpolation=cv2.INTER_LINEAR)
    inside = (slice(3, -3), slice(3, -3))  # OpenCV knows nothing beyond the crop
    assert np.abs(seen[inside].astype(int) - expected[inside]).max() <= 2


def test_the_first_deformation_is_applied_last():
    mask = disc((100, 200), (60, 40), 20)
    shift, flip = deformation(whole(mask), shift=(0.1, 0)), deformation(whole(mask), flip=True)
    np.testing.assert_array_equal(view(mask, flip, shift), view(view(mask, shift), flip))


def test_beyond_the_border_is_the_mirror_image_or_background():
    labels = np.tile(np.array([1, 2, 3, 4], dtype=np.uint8), (3, 1))
    sampling = sampling_map((3, 10), (0, -3, 3, 7))
    assert warp_labels(labels, sampling)[0].tolist() == [4, 3, 2, 1, 2, 3, 4, 3, 2, 1]
    unmirrored = warp_labels(labels, sampling, mirrored=False)
    assert unmirrored[0].tolist() == [0, 0, 0, 1, 2, 3, 4, 0, 0, 0]


def test_options_do_not_change_how_many_numbers_are_drawn():
    following = []
    for options in (
        {"spline_shift": 0.0, "rotation": 0.0},
        {"spline_shift": 0.1, "rotation": 9.0, "scale": (0.5, 2.0), "shift": 0.3, "flip": True},
    ):
        rng = np.random.default_rng(1)
        random_deformation(rng, (0, 0, 9, 9), GRID, **options)
        following.append(rng.random())
    assert following[0] == following[1]


def test_parameters_are_drawn_from_their_ranges():
    rng = np.random.default_rng(0)
    angles, scales, shifts = [], [], []
    for _ in range(300):
        drawn = random_deformation(
            rng, (0, 0, 20, 40), GRID, spline_shift=0, rotation=30, scale=(0.75, 1.25), shift=0.1
        )
        angles.append(np.degrees(np.arctan2(drawn.linear[1, 0], drawn.linear[0, 0])))
        scales.append(1 / np.sqrt(np.linalg.det(drawn.linear)))
        shifts.append(drawn.shift)
    for values, low, high in (
        (angles, -30, 30),
        (scales, 0.75, 1.25),
        (np.array(shifts)[:, 0], -4, 4),
        (np.array(shifts)[:, 1], -2, 2),
    ):
        room = 0.05 * (high - low)
        assert low <= min(values) < low + room
        assert high - room < max(values) <= high


@given(st.data())
def test_jittered_boxes_lie_in_the_frame(data):
    height, width = data.draw(st.tuples(st.integers(1, 90), st.integers(1, 90)))
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    bottom = data.draw(st.integers(top + 1, height))
    right = data.draw(st.integers(left + 1, width))
    y0, x0, y1, x1 = jitter_box(
        (top, left, bottom, right),
        (height, width),
        scale=data.draw(st.floats(0.5, 2)),
        shift=data.draw(st.tuples(st.floats(-0.4, 0.4), st.floats(-0.4, 0.4))),
    )
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
