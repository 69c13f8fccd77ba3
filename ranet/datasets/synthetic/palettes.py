"""Small sets of colours that go together, and how far two of them are apart."""

import cv2
import numpy as np

Palette = np.ndarray
"""n×3 float32 RGB in 0…255."""


def random_palette(rng: np.random.Generator) -> Palette:
    """Two to four colours, as often muted as in photographs and sometimes as vivid as in toys."""
    count = int(rng.integers(2, 5))
    spread = rng.choice([12, 40, 180], p=[0.45, 0.35, 0.2])  # degrees: one hue, neighbours, any
    hue = rng.uniform(0, 360) + rng.uniform(-spread, spread, count)
    vividness = rng.choice([0.1, 0.3, 0.55, 0.85], p=[0.25, 0.35, 0.27, 0.13])
    saturation = np.clip(vividness * rng.uniform(0.5, 1.4, count), 0, 1)
    value = np.clip(rng.uniform(0.2, 0.9) + rng.uniform(-0.35, 0.35, count), 0.06, 1)
    hsv = np.stack([hue % 360, saturation, value], axis=1).astype(np.float32)
    return cv2.cvtColor(hsv[None], cv2.COLOR_HSV2RGB)[0] * np.float32(255)


def distance(first: Palette, second: Palette) -> float:
    """How far the mean colours of two palettes are apart, in units of CIE L*a*b*."""
    means = np.stack([first.mean(axis=0), second.mean(axis=0)])[None] / np.float32(255)
    lab = cv2.cvtColor(means.astype(np.float32), cv2.COLOR_RGB2LAB)[0]
    return float(np.linalg.norm(lab[0] - lab[1]))


def distinct_palette(
    rng: np.random.Generator, others: list[Palette], *, apart: float = 28.0, tries: int = 12
) -> Palette:
    """A random palette at least ``apart`` from all ``others``, or the farthest of ``tries``."""
    best, farthest = random_palette(rng), -1.0
    for _ in range(tries):
        candidate = random_palette(rng)
        nearest = min((distance(candidate, other) for other in others), default=apart)
        if nearest > farthest:
            best, farthest = candidate, nearest
        if farthest >= apart:
            break
    return best


def related_palette(rng: np.random.Generator, palette: Palette) -> Palette:
    """A slight variation of ``palette``: what camouflage is made of."""
    varied = palette * rng.uniform(0.8, 1.2) + rng.uniform(-18, 18, 3)
    return np.clip(varied, 0, 255).astype(np.float32)


def ramp(palette: Palette) -> np.ndarray:
    """The palette's colours from the first to the last, interpolated: 256×3 uint8."""
    positions = np.linspace(0, 1, len(palette))
    values = np.linspace(0, 1, 256)
    channels = [np.interp(values, positions, palette[:, c]) for c in range(3)]
    return np.round(np.stack(channels, axis=1)).astype(np.uint8)
