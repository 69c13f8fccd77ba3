"""Smooth random motion: curves through random knots, evaluated at any times.

Times are in frames and may be fractional (a shutter is open before and after its frame).
Every curve is a Catmull-Rom spline through knots ``spacing`` frames apart.
"""

import numpy as np


def _knot_count(times: np.ndarray, spacing: float) -> int:
    """Knots needed for the latest of ``times``; one lies before time 0, two after the last."""
    return int(np.ceil(max(float(times.max()), 0.0) / spacing)) + 4


def spline(knots: np.ndarray, spacing: float, times: np.ndarray) -> np.ndarray:
    """The Catmull-Rom curve through ``knots``, knot i being at time ``(i - 1) * spacing``.

    Args:
        knots: n×… floats.
        spacing: frames between two knots.
        times: … floats, at least ``-spacing``; earlier than the last knot but one.

    Returns:
        The shape of ``times`` followed by the shape of one knot, float64.
    """
    position = times / spacing + 1
    index = np.clip(np.floor(position).astype(int), 1, len(knots) - 3)
    u = (position - index).reshape(times.shape + (1,) * (knots.ndim - 1))
    before, start, end, after = (knots[index + offset] for offset in (-1, 0, 1, 2))
    return start + 0.5 * u * (
        (end - before)
        + u
        * ((2 * before - 5 * start + 4 * end - after) + u * (3 * (start - end) + after - before))
    )


def wander(
    rng: np.random.Generator,
    times: np.ndarray,
    *,
    spacing: float,
    amount: float,
    shape: tuple[int, ...] = (),
) -> np.ndarray:
    """Values that drift smoothly within about ±``amount``: an array of ``times.shape + shape``."""
    knots = rng.uniform(-amount, amount, (_knot_count(times, spacing), *shape))
    return spline(knots, spacing, times)


def drift(
    rng: np.random.Generator, times: np.ndarray, *, spacing: float, step: float
) -> np.ndarray:
    """A value that starts at 0 and goes on at random, about ``step`` a frame, without bounds."""
    steps = rng.uniform(-1, 1, _knot_count(times, spacing)) + rng.uniform(-1, 1)
    knots = np.cumsum(steps) * step * spacing
    return spline(knots - knots[1], spacing, times)


def walk(
    rng: np.random.Generator,
    times: np.ndarray,
    *,
    spacing: float,
    speed: float,
    through: np.ndarray,
    at: float,
    bounds: np.ndarray,
) -> np.ndarray:
    """A path in the plane that turns at random and passes a given point.

    Args:
        rng: source of the turns.
        times: … floats.
        spacing: frames between two turns.
        speed: pixels a frame.
        through: (x, y) in pixels, passed at about time ``at``.
        at: a time in frames; moved to the nearest turn.
        bounds: 2×2, the smallest and the largest (x, y); the path turns back where it leaves them.

    Returns:
        ``times.shape + (2,)``: x and y in pixels.
    """
    count = _knot_count(times, spacing)
    anchor = min(round(at / spacing) + 1, count - 1)
    knots = np.empty((count, 2))
    knots[anchor] = through
    heading = rng.uniform(0, 2 * np.pi)
    for order, start in (
        (range(anchor + 1, count), heading),
        (range(anchor)[::-1], heading + np.pi),
    ):
        point, direction = knots[anchor], start
        for index in order:
            stride = speed * spacing * rng.uniform(0.6, 1.3)
            direction += rng.normal(0, 0.5)
            point, direction = _step(rng, point, direction, stride, bounds)
            knots[index] = point
    return spline(knots, spacing, times)


def _step(
    rng: np.random.Generator,
    point: np.ndarray,
    direction: float,
    stride: float,
    bounds: np.ndarray,
) -> tuple[np.ndarray, float]:
    """The next knot and the direction taken: ahead, or back to the middle where that leads out."""
    ahead = point + stride * np.array([np.cos(direction), np.sin(direction)])
    if ((ahead >= bounds[0]) & (ahead <= bounds[1])).all():
        return ahead, direction
    goal = rng.uniform(*(bounds.mean(axis=0) + 0.5 * (bounds - bounds.mean(axis=0))))
    direction = float(np.arctan2(goal[1] - point[1], goal[0] - point[0]))
    return point + stride * np.array([np.cos(direction), np.sin(direction)]), direction
