import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.interpolate import RBFInterpolator

from ranet.datasets.tps import SplineGrid

GRID = SplineGrid(4, 4)
shifts = arrays(np.float64, (16, 2), elements=st.floats(-0.15, 0.15))


def somewhere(count: int) -> np.ndarray:
    """Points in and around the unit square."""
    return np.random.default_rng(0).uniform(-0.5, 1.5, (count, 2))


def test_control_points_are_a_grid_from_border_to_border():
    points = SplineGrid(2, 3).points
    np.testing.assert_array_equal(points, [[0, 0], [0.5, 0], [1, 0], [0, 1], [0.5, 1], [1, 1]])


@given(shifts)
def test_a_spline_passes_through_its_control_points(displacements):
    moved = GRID.fit(displacements)(GRID.points)
    np.testing.assert_allclose(moved, GRID.points + displacements, atol=1e-9)


@given(shifts)
def test_a_spline_is_the_classical_one(displacements):
    points = somewhere(50)
    classical = RBFInterpolator(GRID.points, displacements, kernel="thin_plate_spline")
    moved = GRID.fit(displacements)(points)
    np.testing.assert_allclose(moved, points + classical(points), atol=1e-9)


@given(arrays(np.float64, (2, 2), elements=st.floats(-1, 1)))
def test_an_affine_displacement_bends_nothing(linear):
    spline = GRID.fit(GRID.points @ linear + 0.1)
    points = somewhere(50)
    np.testing.assert_allclose(spline(points), points + points @ linear + 0.1, atol=1e-9)


def test_no_displacement_moves_nothing():
    points = somewhere(50)
    np.testing.assert_array_equal(GRID.fit(np.zeros((16, 2)))(points), points)


def test_points_of_any_shape():
    spline = SplineGrid(3, 5).fit(np.random.default_rng(1).normal(size=(15, 2)))
    points = somewhere(12).reshape(3, 4, 2)
    np.testing.assert_allclose(spline(points).reshape(-1, 2), spline(points.reshape(-1, 2)))
