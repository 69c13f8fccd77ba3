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


@dataclass(frozen=True)
class VideoMotion:
    """What all movements of a video share: its times, its pace, and the camera."""

    size: tuple[int, int]  # height and width of the frame
    times: np.ndarray  # frames×exposures, in frames
    speed: float  # of what moves, in its own diameters a frame
    shake: np.ndarray  # frames×exposures×2: jitter of the hand-held camera, in pixels
    camera: Placement  # of the backdrop

    @property
    def extent(self) -> np.ndarray:
        """Width and height of the frame, in the order of points (x, y)."""
        return np.array(self.size[::-1], float)

    @property
    def area(self) -> float:
        """What the areas of things are shares of: the frame's, or less if it is very long."""
        shorter, longer = sorted(self.size)
        return shorter * min(longer, 2 * shorter)

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


def draw_motion(rng: np.random.Generator, *, frames: int, size: tuple[int, int]) -> VideoMotion:
    """A random pace, shutter and camera."""
    speed = log_uniform(rng, _SLOWEST, _FASTEST)
    times = np.arange(frames)[:, None] + _exposures(rng.uniform(0, 0.8), speed * min(size) / 3)
    width, height = size[::-1]
    jitter = rng.choice([0.0, 0.004, 0.012], p=[0.4, 0.4, 0.2]) * max(size)
    shake = wander(rng, times, spacing=2.5, amount=jitter, shape=(2,))
    return VideoMotion(size, times, speed, shake, _camera(rng, times, shake, width, height))


def _exposures(shutter: float, speed: float) -> np.ndarray:
    """Moments within a frame at which a blurred frame is rendered.

    Args:
        shutter: share of a frame's time for which it is open.
        speed: pixels a frame, of something typical.

    Returns:
        An odd number of times around 0, at most about a pixel of motion apart.
    """
    steps = 2 * min(round(shutter * speed / 2), 2)
    return np.linspace(-0.5, 0.5, steps + 1) * shutter if steps else np.zeros(1)


def _camera(
    rng: np.random.Generator, times: np.ndarray, shake: np.ndarray, width: int, height: int
) -> Placement:
    """A camera that pans, zooms and rolls: the placement of the backdrop's middle."""
    frame = np.array([width, height], float)
    reach = np.array([[-0.3], [0.3]]) * frame
    pan = walk(
        rng,
        times,
        spacing=rng.uniform(6, 20),
        speed=rng.choice([0.001, 0.008, 0.02]) * frame.max(),
        through=frame / 2,
        at=0,
        bounds=frame / 2 + reach,
    )
    zoom = np.exp(0.1 + wander(rng, times, spacing=12, amount=rng.uniform(0, 0.15)))
    roll = wander(rng, times, spacing=10, amount=rng.uniform(0, 0.08))
    return Placement(pan + shake, roll, np.stack([zoom, zoom], axis=-1))
