"""Thin-plate splines: smooth maps of the plane that pass through given points (§3.5).

The control points are a regular grid over the unit square, so the linear system behind every
spline is the same, and is solved once per grid. A spline is then one small matrix product.
"""

import functools
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SplineGrid:
    """The control points of splines: ``rows`` × ``columns``, from border to border of [0, 1]²."""

    rows: int  # at least 2
    columns: int  # at least 2

    @property
    def points(self) -> np.ndarray:
        """n×2 float64 (x, y), row by row."""
        x, y = np.meshgrid(np.linspace(0, 1, self.columns), np.linspace(0, 1, self.rows))
        return np.stack([x.ravel(), y.ravel()], axis=1)

    def fit(self, displacements: np.ndarray) -> "ThinPlateSpline":
        """The spline that moves each control point by its displacement.

        Args:
            displacements: n×2 (x, y), in units of the square's side.
        """
        return ThinPlateSpline(self.points, _solver(self) @ displacements)


@dataclass(frozen=True)
class ThinPlateSpline:
    """A displacement field Σ_i c_i·U(|p − p_i|) + a_0 + a_x·x + a_y·y, with U(r) = r²·log r."""

    points: np.ndarray  # n×2: the control points p_i
    coefficients: np.ndarray  # (n+3)×2: c_1 … c_n, a_0, a_x, a_y

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Where the spline moves ``points``: …×2 (x, y) to …×2, float64."""
        flat = points.reshape(-1, 2)
        return points + (_basis(flat, self.points) @ self.coefficients).reshape(points.shape)


@functools.lru_cache(maxsize=8)
def _solver(grid: SplineGrid) -> np.ndarray:
    """(n+3)×n: takes the displacements of the control points to the spline's coefficients.

    Bending energy is least if the c_i are orthogonal to all affine functions, which are the last
    three rows of the system.
    """
    points = grid.points
    count = len(points)
    system = np.zeros((count + 3, count + 3))
    system[:count] = _basis(points, points)
    system[count:, :count] = system[:count, count:].T
    return np.linalg.inv(system)[:, :count]


def _basis(points: np.ndarray, control: np.ndarray) -> np.ndarray:
    """m×(n+3): U of the distance to each of n control points, and 1, x, y, for m points."""
    basis = np.empty((len(points), len(control) + 3))
    squared = np.square(points[:, None, 0] - control[:, 0])
    squared += np.square(points[:, None, 1] - control[:, 1])
    # r²·log r = ½·r²·log r², and 0 at r = 0; the smallest float keeps log finite there.
    basis[:, :-3] = 0.5 * squared * np.log(np.maximum(squared, np.finfo(float).tiny))
    basis[:, -3] = 1
    basis[:, -2:] = points
    return basis
