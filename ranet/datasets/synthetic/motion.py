"""How things and the camera move: smooth random curves, and paths made of them.

Times are in frames and may be fractional (a shutter is open before and after its frame).
Every curve is a Catmull-Rom spline through knots ``spacing`` frames apart.
"""

from dataclasses import dataclass

import numpy as np

_SLOWEST, _FASTEST = 0.022, 0.075  # diameters a frame


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between ``low`` and ``high``, as often below as above their geometric mean."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


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
            ahead = point + stride * np.array([np.cos(direction), np.sin(direction)])
            if not ((ahead >= bounds[0]) & (ahead <= bounds[1])).all():  # back to the middle
                goal = rng.uniform(*(bounds.mean(axis=0) + 0.5 * (bounds - bounds.mean(axis=0))))
                direction = float(np.arctan2(goal[1] - point[1], goal[0] - point[0]))
                ahead = point + stride * np.array([np.cos(direction), np.sin(direction)])
            point = knots[index] = ahead
    return spline(knots, spacing, times)


@dataclass(frozen=True)
class Placement:
    """Where something is, at every exposure of every frame."""

    position: np.ndarray  # frames×exposures×2: (x, y) of the centre on the frame, in pixels
    angle: np.ndarray  # frames×exposures: radians, clockwise on the screen
    stretch: np.ndarray  # frames×exposures×2: factors along the thing's own x and y

    def matrix(self, frame: int, exposure: int, centre: np.ndarray, density: float) -> np.ndarray:
        """The 2×3 map from a picture of the thing to the frame.

        Args:
            frame: index of the frame.
            exposure: index of the exposure in the frame.
            centre: (x, y) of the thing's centre on the picture.
            density: pixels of the picture for a pixel of the frame.
        """
        cosine, sine = np.cos(self.angle[frame, exposure]), np.sin(self.angle[frame, exposure])
        linear = np.array([[cosine, -sine], [sine, cosine]])
        linear *= self.stretch[frame, exposure] / density
        return np.column_stack([linear, self.position[frame, exposure] - linear @ centre])


class VideoMotion:
    """What all movements of a video share, drawn at random: its times, its pace, and the camera."""

    def __init__(self, rng: np.random.Generator, *, frames: int, size: tuple[int, int]) -> None:
        shorter, longer = sorted(size)
        self.size = size
        """Height and width of the frame."""
        self.extent = np.array(size[::-1], float)
        """Width and height of the frame, in the order of points (x, y)."""
        self.area = shorter * min(longer, 2 * shorter)
        """What the areas of things are shares of: the frame's, or less if it is very long."""
        self.speed = log_uniform(rng, _SLOWEST, _FASTEST)
        """Of what moves, in its own diameters a frame."""
        # A frame is blurred by a shutter open for a share of its time, and rendered at an odd
        # number of moments at most about a pixel of motion apart.
        shutter = rng.uniform(0, 0.8)
        steps = 2 * min(round(shutter * (self.speed * shorter / 3) / 2), 2)
        exposures = np.linspace(-0.5, 0.5, steps + 1) * shutter if steps else np.zeros(1)
        self.times = np.arange(frames)[:, None] + exposures
        """Frames×exposures, in frames."""
        jitter = rng.choice([0.0, 0.004, 0.012], p=[0.4, 0.4, 0.2]) * longer
        self.shake = wander(rng, self.times, spacing=2.5, amount=jitter, shape=(2,))
        """Frames×exposures×2: jitter of the hand-held camera, in pixels."""
        self.camera = self._panning(rng)
        """Of the backdrop."""

    def _panning(self, rng: np.random.Generator) -> Placement:
        """A camera that pans, zooms and rolls: the placement of the backdrop's middle."""
        pan = walk(
            rng,
            self.times,
            spacing=rng.uniform(6, 20),
            speed=rng.choice([0.001, 0.008, 0.02]) * self.extent.max(),
            through=self.extent / 2,
            at=0,
            bounds=self.extent / 2 + np.array([[-0.3], [0.3]]) * self.extent,
        )
        zoom = np.exp(0.1 + wander(rng, self.times, spacing=12, amount=rng.uniform(0, 0.15)))
        roll = wander(rng, self.times, spacing=10, amount=rng.uniform(0, 0.08))
        return Placement(pan + self.shake, roll, np.stack([zoom, zoom], axis=-1))

    def walking(
        self, rng: np.random.Generator, diameter: float, *, at: float, through: np.ndarray
    ) -> Placement:
        """Something that goes its way, turns, comes nearer or goes away.

        Args:
            rng: source of the way.
            diameter: of the thing, in pixels; what is large moves farther.
            at: the time at which it passes ``through``, in frames.
            through: (x, y) in pixels.
        """
        margin = min(rng.uniform(0, 0.4) * diameter, min(self.size) / 3)
        position = walk(
            rng,
            self.times,
            spacing=rng.uniform(5, 12),
            speed=self.speed * diameter * rng.uniform(0.7, 1.4),
            through=through,
            at=at,
            bounds=np.stack([np.full(2, margin), self.extent - margin]),
        )
        size = np.exp(drift(rng, self.times, spacing=6, step=rng.uniform(0, 0.02)))
        narrow = wander(rng, self.times, spacing=9, amount=rng.uniform(0, 0.3), shape=(2,))
        flip = np.array([rng.choice([-1.0, 1.0]), 1.0])
        spin = rng.choice([0.01, 0.04], p=[0.6, 0.4])
        return Placement(
            position=position + self.shake,
            angle=rng.uniform(-0.4, 0.4) + drift(rng, self.times, spacing=6, step=spin),
            stretch=np.clip(size, 0.55, 1.6)[..., None] * np.exp(narrow) * flip,
        )

    def standing(self, point: np.ndarray, *, at: int, nearness: float) -> Placement:
        """Something fixed in the world that is seen at ``point`` (x, y) in frame ``at``.

        Nearness 1 goes with the backdrop; what is nearer moves farther when the camera does.
        """
        middle = self.extent / 2
        moved = middle + nearness * (self.camera.position - middle)
        offset = (point - moved[at, 0]) / self.camera.stretch[at, 0]
        return Placement(
            moved + self.camera.stretch * offset, self.camera.angle, self.camera.stretch
        )
