"""Materials: small palettes, and procedural patterns of many kinds painted with them.

A pattern is a field of values in [0, 1]; a palette turns the values into colours. Keeping the two
apart is what makes look-alikes possible: a distractor may share an object's pattern and differ in
colour, or the other way round.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

_APART, _TRIES = 28.0, 12  # of palettes that are to differ: units of CIE L*a*b*, draws

Palette = np.ndarray
"""n×3 float32 RGB in 0…255."""

Shape = tuple[int, int]
"""(height, width) in pixels."""


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


def distinct_palette(rng: np.random.Generator, others: list[Palette]) -> Palette:
    """A random palette that is `_APART` from all ``others``, or the farthest of some tries."""
    best, farthest = random_palette(rng), -1.0
    for _ in range(_TRIES):
        candidate = random_palette(rng)
        nearest = min((distance(candidate, other) for other in others), default=_APART)
        if nearest > farthest:
            best, farthest = candidate, nearest
        if farthest >= _APART:
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


def noise(rng: np.random.Generator, shape: Shape, cell: float, octaves: int = 3) -> np.ndarray:
    """Smooth random field: octaves of random grids, each half as coarse and half as strong.

    Args:
        rng: source of the grids.
        shape: height and width of the field.
        cell: pixels between grid points of the coarsest octave.
        octaves: how many grids are added.

    Returns:
        H×W float32, stretched to [0, 1].
    """
    height, width = shape
    field = np.zeros(shape, np.float32)
    for octave in range(octaves):
        spacing = max(cell / 2**octave, 1.0)
        rows, columns = int(height / spacing) + 3, int(width / spacing) + 3
        grid = rng.random((rows, columns), dtype=np.float32)
        large = cv2.resize(
            grid,
            (max(width, round(columns * spacing)), max(height, round(rows * spacing))),
            interpolation=cv2.INTER_CUBIC,
        )
        field += large[:height, :width] * np.float32(0.5**octave)
    return _stretched(field)


def _stretched(field: np.ndarray) -> np.ndarray:
    """``field`` scaled so that its values fill [0, 1]."""
    low, high = float(field.min()), float(field.max())
    return ((field - low) / max(high - low, 1e-6)).astype(np.float32)


def _coordinates(rng: np.random.Generator, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Pixel coordinates along and across a random direction: two H×W float32 fields."""
    angle = rng.uniform(0, np.pi)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return cosine * x + sine * y, cosine * y - sine * x


def _wave(phase: np.ndarray, hardness: float) -> np.ndarray:
    """A wave of period 1: a sine for hardness 1, nearly a square for large values."""
    return np.clip(np.sin(2 * np.pi * phase) * hardness, -1, 1) / 2 + np.float32(0.5)


def _seeds(rng: np.random.Generator, shape: Shape, cell: float) -> np.ndarray:
    """H×W uint8, 0 at one random pixel in about every ``cell``×``cell`` square and 1 elsewhere."""
    rows, columns = int(shape[0] / cell) + 2, int(shape[1] / cell) + 2
    corners = np.stack(np.mgrid[:rows, :columns], axis=-1)
    points = (corners + rng.uniform(-0.4, 0.4, corners.shape)) * cell
    points = points.reshape(-1, 2).astype(int)
    inside = ((points >= 0) & (points < shape)).all(axis=1)
    field = np.ones(shape, np.uint8)
    field[tuple(points[inside].T)] = 0
    field[shape[0] // 2, shape[1] // 2] = 0  # never without a seed, however small the field
    return field


def _clouds(rng: np.random.Generator, shape: Shape, cell: float) -> np.ndarray:
    return noise(rng, shape, 2 * cell, octaves=4)


def _marble(rng: np.random.Generator, shape: Shape, cell: float) -> np.ndarray:
    along, _ = _coordinates(rng, shape)
    warp = noise(rng, shape, 2.5 * cell) * rng.uniform(1.5, 3)
    return _wave(along / (2 * cell) + warp, 1)


def _stripes(rng: np.random.Generator, shape: Shape, cell: float) -> np.ndarray:
    along, _ = _coordinates(rng, shape)
    warp = noise(rng, shape, 4 * cell, octaves=2) * rng.uniform(0, 0.8)
    return _wave(along / (1.4 * cell) + warp, rng.uniform(1, 5))


def _checks(rng: np.random.Generator, shape: Shape, cell: float) -> np.ndarray:
    along, across = _coordinates(rng, shape)
    stretch = rng.uniform(0.7, 1.5)
    waves = np.sin(np.pi * along / cell) * np.sin(np.pi * across / (cell * stretch))
    return (np.clip(waves * rng.uniform(2, 6), -1, 1) / 2 + 0.5).astype(np.float32)


def _spots(rng: np.random.Generator, shape: Shape, cell: float) -> np.ndarray:
    distance = cv2.distanceTransform(_seeds(rng, shape, cell), cv2.DIST_L2, 3)
    radius = cell * rng.uniform(0.2, 0.42)
    radii = radius * (0.6 + 0.8 * noise(rng, shape, 2 * cell, octaves=1))
    return np.clip((radii - distance) / max(0.08 * cell, 1.0) + 0.5, 0, 1).astype(np.float32)


def _cells(rng: np.random.Generator, shape: Shape, cell: float) -> np.ndarray:
    distance, nearest = cv2.distanceTransformWithLabels(
        _seeds(rng, shape, 1.5 * cell), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    values = rng.random(int(nearest.max()) + 1, dtype=np.float32)
    return values[nearest] * np.clip(1.1 - distance / (3 * cell), 0, 1)


def _blocks(rng: np.random.Generator, shape: Shape, cell: float) -> np.ndarray:
    field = np.full(shape, rng.random(), np.float32)
    count = min(int(1.5 * shape[0] * shape[1] / cell**2), 600)
    tops = rng.integers(-int(cell), shape[0], count)
    lefts = rng.integers(-int(cell), shape[1], count)
    sides = rng.uniform(0.5, 2.2, (count, 2)) * cell
    values = rng.random(count)
    for top, left, (height, width), value in zip(tops, lefts, sides, values, strict=True):
        bottom, right = max(top + int(height), 0), max(left + int(width), 0)
        field[max(top, 0) : bottom, max(left, 0) : right] = value
    return field


def _fur(rng: np.random.Generator, shape: Shape, cell: float) -> np.ndarray:
    fine = rng.random(shape, dtype=np.float32)
    length = max(int(1.2 * cell), 3)
    kernel = np.zeros((length, length), np.float32)
    reach = rng.uniform(-0.5, 0.5) * (length - 1)
    middle = (length - 1) / 2
    ends = [(0, round(middle - reach)), (length - 1, round(middle + reach))]
    if rng.random() < 0.5:
        ends = [(y, x) for x, y in ends]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    strands = _stretched(cv2.filter2D(fine, -1, kernel / kernel.sum()))
    return 0.55 * strands + 0.45 * noise(rng, shape, 3 * cell, octaves=2)


def _shade(rng: np.random.Generator, shape: Shape, cell: float) -> np.ndarray:
    along, _ = _coordinates(rng, shape)
    return 0.8 * _stretched(along) + 0.2 * noise(rng, shape, cell)


PATTERNS: dict[str, Callable[[np.random.Generator, Shape, float], np.ndarray]] = {
    "blocks": _blocks,
    "cells": _cells,
    "checks": _checks,
    "clouds": _clouds,
    "fur": _fur,
    "marble": _marble,
    "shade": _shade,
    "spots": _spots,
    "stripes": _stripes,
}
"""Each pattern takes a generator, a shape and the size of its features in pixels."""

WILD_PATTERNS = ("blocks", "cells", "clouds", "fur", "marble", "shade")
"""Patterns that nature and streets have over large areas; the others look like wallpaper there."""


@dataclass(frozen=True)
class Style:
    """How a surface looks; painting it twice gives two pieces of the same material."""

    pattern: str
    cell: float  # size of the pattern's features, in pixels
    palette: Palette  # colours from the pattern's value 0 to 1
    grain: float  # standard deviation of fine detail, in grey levels

    def paint(self, rng: np.random.Generator, shape: Shape) -> np.ndarray:
        """A piece of this material: H×W×3 uint8 RGB."""
        field = PATTERNS[self.pattern](rng, shape, self.cell)
        image = ramp(self.palette)[(field * 255).astype(np.uint8)]
        detail = (noise(rng, shape, max(self.cell / 3, 2.5), octaves=2) - 0.5) * (4 * self.grain)
        return cv2.add(image, cv2.merge([detail] * 3), dtype=cv2.CV_8U)


def random_style(
    rng: np.random.Generator,
    palette: Palette,
    cell: float,
    patterns: tuple[str, ...] = tuple(PATTERNS),
) -> Style:
    """A random pattern in the given colours, its features about ``cell`` pixels large."""
    return Style(
        pattern=str(rng.choice(patterns)),
        cell=max(cell * rng.uniform(0.6, 1.6), 3.0),
        palette=palette,
        grain=rng.uniform(1, 9),
    )
