"""What light, lens and sensor do to a rendered frame."""

from dataclasses import dataclass

import cv2
import numpy as np

from ranet.datasets.synthetic.motion import wander
from ranet.datasets.synthetic.textures import noise


@dataclass(frozen=True)
class Film:
    """Lighting that changes, a lens that is not quite in focus, and noise."""

    gain: np.ndarray  # frames×3: factor on each channel
    cloud: np.ndarray  # h×w float32: a soft pattern of light larger than the frame, around 1
    cloud_shift: np.ndarray  # frames×2: (x, y) of the frame's corner on ``cloud``
    blur: np.ndarray  # frames: standard deviation of the lens's blur in pixels; under 0.3: none
    grain: np.ndarray  # h×w×3 float32: noise, larger than the frame
    seed: int  # of the noise's place in each frame

    def develop(self, image: np.ndarray, frame: int) -> np.ndarray:
        """The picture of a frame: H×W×3 float32 in 0…255 to H×W×3 uint8."""
        height, width = image.shape[:2]
        x, y = self.cloud_shift[frame].astype(int)
        light = self.cloud[y : y + height, x : x + width, None]
        image = image * (light * self.gain[frame].astype(np.float32))
        if self.blur[frame] >= 0.3:
            image = cv2.GaussianBlur(image, (0, 0), float(self.blur[frame]))
        room = np.array(self.grain.shape[:2]) - (height, width)
        top, left = np.random.default_rng([self.seed, frame]).integers(0, room + 1)
        image = image + self.grain[top : top + height, left : left + width]
        return np.clip(image + 0.5, 0, 255).astype(np.uint8)


def draw_film(rng: np.random.Generator, *, frames: int, size: tuple[int, int]) -> Film:
    """Random conditions for a video of ``frames`` frames of ``size`` (height, width)."""
    times = np.arange(frames, dtype=float)
    height, width = size
    margin = max(min(size) // 2, 1)
    large = (height + margin, width + margin)
    flicker = 1 + wander(rng, times, spacing=rng.uniform(4, 15), amount=rng.uniform(0, 0.18))
    tint = 1 + wander(rng, times, spacing=20, amount=0.05, shape=(3,)) + rng.uniform(-0.06, 0.06, 3)
    strength = rng.choice([0.0, 0.15, 0.4])
    shift = 0.5 + wander(rng, times, spacing=12, amount=0.5, shape=(2,))
    sigma = rng.uniform(0.5, 6)
    return Film(
        gain=flicker[:, None] * tint,
        cloud=1 + strength * (noise(rng, large, margin, octaves=2) - np.float32(0.5)),
        cloud_shift=np.clip(shift, 0, 1) * margin,
        blur=np.clip(rng.uniform(-0.3, 0.8) + wander(rng, times, spacing=8, amount=0.4), 0, 1.6),
        grain=sigma * rng.standard_normal((height + 32, width + 32, 3), np.float32),
        seed=int(rng.integers(2**31)),
    )
