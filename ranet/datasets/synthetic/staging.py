"""Where things are and how they move before the camera."""

from dataclasses import dataclass

import numpy as np

from ranet.datasets.synthetic.chance import log_uniform
from ranet.datasets.synthetic.motion import drift, walk, wander
from ranet.datasets.synthetic.scene import Placement

_SLOWEST, _FASTEST = 0.022, 0.075  # diameters a frame


@dataclass(frozen=True)
class Stage:
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


def draw_stage(rng: np.random.Generator, *, frames: int, size: tuple[int, int]) -> Stage:
    """A random pace, shutter and camera."""
    speed = log_uniform(rng, _SLOWEST, _FASTEST)
    times = np.arange(frames)[:, None] + _exposures(rng.uniform(0, 0.8), speed * min(size) / 3)
    width, height = size[::-1]
    jitter = rng.choice([0.0, 0.004, 0.012], p=[0.4, 0.4, 0.2]) * max(size)
    shake = wander(rng, times, spacing=2.5, amount=jitter, shape=(2,))
    return Stage(size, times, speed, shake, _camera(rng, times, shake, width, height))


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
