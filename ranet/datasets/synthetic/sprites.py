"""Sprites: shapes cut out of painted material, that swing their parts and bend.

A sprite is drawn once, at a little more than its size on the frame, and posed once a frame on a
canvas of its own; the scene then moves, turns and stretches the canvas as a whole.
Colours are premultiplied by the coverage everywhere, so that interpolating them leaves no seams.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ranet.datasets.synthetic.motion import wander
from ranet.datasets.synthetic.shapes import Part
from ranet.datasets.synthetic.textures import Style

_DENSITY = 1.4  # canvas pixels for a pixel of the frame: leaves some detail for growing sprites
_MARGIN = 0.22  # of the canvas' longer side, on each side: room to swing and bend
_SHIFT = 4  # fractional bits of cv2.fillPoly's coordinates
_BEND_GRID = (4, 4)


@dataclass(frozen=True)
class Sprite:
    """A painted shape and its movements within itself."""

    patches: tuple[np.ndarray, ...]  # a part each, back to front: h×w×4 uint8 premultiplied RGBA
    pivots: np.ndarray  # parts×2: (x, y) on the canvas
    swings: np.ndarray  # frames×parts: angles in radians
    bends: np.ndarray  # frames×4×4×2: how far the points of a coarse grid are shifted, in pixels
    centre: np.ndarray  # (x, y) on the canvas of the shape's origin
    density: float  # canvas pixels for a pixel of the frame

    def pose(self, frame: int) -> np.ndarray:
        """The sprite as it is at ``frame``: h×w×4 uint8, premultiplied RGBA."""
        canvas = self.patches[0]
        for index, patch in enumerate(self.patches):
            if self.swings[frame, index]:
                patch = _turned(patch, self.pivots[index], self.swings[frame, index])
            canvas = patch if index == 0 else _over(patch, canvas)
        return _bent(canvas, self.bends[frame]) if self.bends.any() else canvas


def draw_sprite(
    rng: np.random.Generator,
    parts: Sequence[Part],
    styles: tuple[Style, Style],
    *,
    area: float,
    frames: int,
    bend: float,
    relief: float,
) -> Sprite:
    """Cut a shape out of its two materials and let it move.

    Args:
        rng: source of everything random.
        parts: the shape, from back to front.
        styles: the main material and the accent's.
        area: pixels of the frame that the resting shape covers.
        frames: how many frames it moves for.
        bend: how far it bends, as a share of its longer side; 0 for a stiff one.
        relief: 0 for flat paint, up to 1 for strong light and shade.

    Returns:
        The sprite.
    """
    unit = _DENSITY * np.sqrt(area / _unit_area(parts))  # canvas pixels for the shape's unit
    corners = np.concatenate([outline for part in parts for outline in part.outlines]) * unit
    low, high = corners.min(axis=0), corners.max(axis=0)
    margin = _MARGIN * (high - low).max() if bend or any(part.swing for part in parts) else 2.0
    centre = np.ceil(margin - low)
    width, height = np.ceil(high + centre + margin).astype(int)
    patches = [_cut(rng, part, styles, unit, centre, (height, width), relief) for part in parts]
    times = np.arange(frames, dtype=float)
    swings = [_swing(rng, part, times) for part in parts]
    pace = rng.uniform(4, 12)
    amount = bend * max(height, width) / (1 + 2 * _MARGIN)
    return Sprite(
        patches=tuple(patches),
        pivots=np.array([part.pivot for part in parts]) * unit + centre,
        swings=np.stack(swings, axis=1),
        bends=wander(rng, times, spacing=pace, amount=amount, shape=(*_BEND_GRID, 2)),
        centre=centre,
        density=_DENSITY,
    )


def _unit_area(parts: Sequence[Part]) -> float:
    """Area of the shape's silhouette in squares of its unit."""
    scale, half = 48, 80
    silhouette = np.zeros((2 * half, 2 * half), np.uint8)
    for part in parts:
        silhouette |= _filled(part, scale, np.array([half, half]), silhouette.shape)
    return np.count_nonzero(silhouette > 127) / scale**2


def _filled(part: Part, unit: float, centre: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Coverage of a part on its canvas: H×W uint8, 255 inside, smooth at the edges."""
    coverage = np.zeros(shape, np.uint8)
    outlines = [
        np.round((outline * unit + centre) * 2**_SHIFT).astype(np.int32)
        for outline in part.outlines
    ]
    cv2.fillPoly(coverage, outlines, 255, lineType=cv2.LINE_AA, shift=_SHIFT)
    return coverage


def _cut(
    rng: np.random.Generator,
    part: Part,
    styles: tuple[Style, Style],
    unit: float,
    centre: np.ndarray,
    shape: tuple[int, int],
    relief: float,
) -> np.ndarray:
    """A part of painted material: H×W×4 uint8, premultiplied RGBA."""
    coverage = _filled(part, unit, centre, shape)
    left, top, width, height = cv2.boundingRect(coverage)
    box = np.s_[top : top + height, left : left + width]
    colours = styles[part.accent].paint(rng, (height, width)).astype(np.float32)
    colours *= _light(rng, coverage[box], relief)[..., None]
    patch = np.zeros((*shape, 4), np.uint8)
    patch[box][..., :3] = np.clip(colours, 0, 255) * (coverage[box][..., None] / np.float32(255))
    patch[..., 3] = coverage
    return patch


def _light(rng: np.random.Generator, coverage: np.ndarray, relief: float) -> np.ndarray:
    """Brightness of a rounded body lit from a side: H×W float32 around 1."""
    solid = cv2.copyMakeBorder(coverage, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    depth = cv2.distanceTransform((solid > 127).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    depth = cv2.GaussianBlur(np.sqrt(depth), (0, 0), max(min(coverage.shape) / 20, 1.0))
    slope_y, slope_x = np.gradient(depth) if min(depth.shape) > 1 else (depth, depth)
    angle = rng.uniform(0, 2 * np.pi)
    slope = np.cos(angle) * slope_x + np.sin(angle) * slope_y
    strongest = max(float(np.abs(slope).max()), 1e-6)
    rim = np.clip(depth / max(float(depth.max()), 1e-6), 0, 1)
    return (1 + relief * (0.5 * slope / strongest + 0.6 * (rim - 0.7))).astype(np.float32)


def _swing(rng: np.random.Generator, part: Part, times: np.ndarray) -> np.ndarray:
    """Angles of a part over time: to and fro at a pace of its own."""
    if not part.swing:
        return np.zeros_like(times)
    period = rng.uniform(8, 20)
    sway = np.sin(2 * np.pi * (times / period + rng.random()))
    return part.swing * rng.uniform(0.5, 1) * sway


def _turned(patch: np.ndarray, pivot: np.ndarray, angle: float) -> np.ndarray:
    height, width = patch.shape[:2]
    matrix = cv2.getRotationMatrix2D(tuple(map(float, pivot)), float(np.degrees(angle)), 1.0)
    return cv2.warpAffine(patch, matrix, (width, height), flags=cv2.INTER_LINEAR)


def _over(front: np.ndarray, back: np.ndarray) -> np.ndarray:
    """``front`` laid upon ``back``, both h×w×4 uint8 and premultiplied."""
    left, top, width, height = cv2.boundingRect(front[..., 3])
    box = np.s_[top : top + height, left : left + width]
    result = back.copy()
    open_share = (255 - front[box][..., 3:]) * np.float32(1 / 255)
    result[box] = front[box] + (back[box] * open_share + 0.5).astype(np.uint8)
    return result


def _bent(canvas: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """``canvas`` shifted by a coarse grid of displacements, interpolated to every pixel."""
    height, width = canvas.shape[:2]
    shift = cv2.resize(grid.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    x = np.arange(width, dtype=np.float32)
    y = np.arange(height, dtype=np.float32)[:, None]
    return cv2.remap(canvas, shift[..., 0] + x, shift[..., 1] + y, cv2.INTER_LINEAR)
