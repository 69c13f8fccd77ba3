"""What light, lens and sensor do to a rendered frame."""

from dataclasses import dataclass

import cv2
import numpy as np

from ranet.datasets.synthetic.motion import wander
from ranet.datasets.synthetic.textures import noise

_SHARP = 0.3  # pixels: a smaller blur changes nothing that 8 bits could show


@dataclass(frozen=True)
class Film:
    """Lighting that changes, a lens that is not quite in focus, and noise."""

    gain: np.ndarray  # frames×3: factor on each channel
    gamma: float  # of the sensor's curve
    cloud: np.ndarray  # h×w×3 float32: soft light and shade larger than the frame, about 1
    cloud_shift: np.ndarray  # frames×2: row and column of the frame's corner on ``cloud``
    blur: np.ndarray  # frames: standard deviation of the lens's blur in pixels
    grain: np.ndarray  # h×w×3 float32: noise, larger than the frame
    grain_shift: np.ndarray  # frames×2: row and column of the frame's corner on ``grain``

    def develop(self, image: np.ndarray, frame: int) -> np.ndarray:
        """The picture of a frame: H×W×3 uint8 to H×W×3 uint8."""
        if self.blur[frame] >= _SHARP:
            image = cv2.GaussianBlur(image, (0, 0), float(self.blur[frame]))
        levels = np.linspace(0, 1, 256)[:, None] ** self.gamma * self.gain[frame]
        curve = np.clip(np.round(levels * 255), 0, 255).astype(np.uint8)
        image = cv2.LUT(image, curve[:, None])
        cloud = _window(self.cloud, self.cloud_shift[frame], image.shape)
        lit = cv2.multiply(image, cloud, dtype=cv2.CV_32F)
        grain = _window(self.grain, self.grain_shift[frame], image.shape)
        return cv2.add(lit, grain, dtype=cv2.CV_8U)


def _window(field: np.ndarray, corner: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    top, left = corner.tolist()
    return field[top : top + shape[0], left : left + shape[1]]


def draw_film(rng: np.random.Generator, *, frames: int, size: tuple[int, int]) -> Film:
    """Random conditions for a video of ``frames`` frames of ``size`` (height, width)."""
    times = np.arange(frames, dtype=float)
    height, width = size
    margin = min(size) // 2
    flicker = 1 + wander(rng, times, spacing=rng.uniform(4, 15), amount=rng.uniform(0, 0.18))
    tint = 1 + wander(rng, times, spacing=20, amount=0.05, shape=(3,)) + rng.uniform(-0.06, 0.06, 3)
    strength = rng.choice([0.0, 0.15, 0.4])
    cloud = 1 + strength * (noise(rng, (height + margin, width + margin), margin, 2) - 0.5)
    cloud_path = 0.5 + wander(rng, times, spacing=12, amount=0.5, shape=(2,))
    softness = rng.uniform(-0.4, 0.7) + wander(rng, times, spacing=8, amount=0.3)
    grain = rng.standard_normal((height + 32, width + 32, 3), np.float32)
    return Film(
        gain=flicker[:, None] * tint,
        gamma=float(np.exp(rng.uniform(-0.25, 0.25))),
        cloud=cv2.merge([cloud.astype(np.float32)] * 3),
        cloud_shift=(np.clip(cloud_path, 0, 1) * margin).astype(int),
        blur=np.clip(softness, 0, None) * min(size) / 240,
        grain=grain * np.float32(rng.uniform(0.5, 6)),
        grain_shift=rng.integers(0, 33, (frames, 2)),
    )
