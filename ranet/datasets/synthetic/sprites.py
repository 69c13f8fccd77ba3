"""Sprites: shapes cut out of painted material, that swing their parts, bend and roll.

A sprite is drawn once, at a little more than its size on the frame, and posed once a frame on a
canvas of its own; the scene then moves, turns and stretches the canvas as a whole.

Pictures of sprites and of their parts are h×w×4 uint8 RGBA, the colours premultiplied by the
coverage (the fourth channel, 255 where it is solid); interpolating such colours leaves no seams.
"""

from collections.abc import Sequence
from functools import cached_property

import cv2
import numpy as np

from ranet.datasets.synthetic.materials import Style
from ranet.datasets.synthetic.motion import wander
from ranet.datasets.synthetic.shapes import Part

DENSITY = 1.4
"""Canvas pixels for a pixel of the frame: leaves some detail for growing sprites."""

Rectangle = tuple[slice, slice]
"""Rows and columns."""

_MARGIN = 0.22  # of the canvas' longer side, on each side: room to swing and bend
_SHIFT = 4  # fractional bits of cv2.fillPoly's coordinates
_BEND_GRID = (4, 4)


class _Piece:
    """A painted part. Its material may be larger than the part, to slide below the outline."""

    def __init__(
        self,
        rng: np.random.Generator,
        part: Part,
        styles: tuple[Style, Style],
        unit: float,
        centre: np.ndarray,
        roll: float,
        relief: float,
    ) -> None:
        """Paint material and cut the part out of it; see :class:`Sprite`."""
        corners = np.concatenate(part.outlines) * unit + centre
        self.corner = np.floor(corners.min(axis=0)) - 1  # (x, y) on the sprite's canvas
        self.pivot = np.array(part.pivot) * unit + centre  # the same
        width, height = (np.ceil(corners.max(axis=0)) + 2 - self.corner).astype(int)
        self._coverage = _filled(part, unit, centre - self.corner, (height, width))
        self._room = 0 if part.accent else int(roll * min(width, height))
        shape = (height + 2 * self._room, width + 2 * self._room)
        self._material = styles[part.accent].paint(rng, shape)
        lit = _light(rng, self._coverage, relief) * self._coverage / np.float32(255)
        self._lit_coverage = cv2.merge([lit] * 3)

    def cut(self, roll: np.ndarray) -> np.ndarray:
        """h×w×4 uint8 premultiplied RGBA; ``roll`` is (x, y) in shares of the sliding room."""
        if not self._room:
            return self._unrolled
        height, width = self._coverage.shape
        centre = (np.array(self._material.shape[1::-1]) - 1) / 2 + roll * self._room
        visible = cv2.getRectSubPix(self._material, (width, height), tuple(map(float, centre)))
        return self._lit(visible)

    @cached_property
    def _unrolled(self) -> np.ndarray:
        return self._lit(self._material)

    def _lit(self, material: np.ndarray) -> np.ndarray:
        colours = cv2.multiply(material, self._lit_coverage, dtype=cv2.CV_8U)
        return np.dstack([colours, self._coverage])


class Sprite:
    """A shape cut out of its two materials, that moves within itself.

    Args:
        rng: source of everything random.
        parts: the shape, from back to front.
        styles: the main material and the accent's.
        area: pixels of the frame that the resting shape covers.
        frames: how many frames it moves for.
        bend: how far it bends, as a share of its longer side.
        roll: how far its surface slides below its outline, as a share of its size.
        relief: light and shade: 0 flat, 1 strong.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        parts: Sequence[Part],
        styles: tuple[Style, Style],
        *,
        area: float,
        frames: int,
        bend: float = 0.0,
        roll: float = 0.0,
        relief: float = 0.0,
    ) -> None:
        unit = DENSITY * np.sqrt(area / _unit_area(parts))  # canvas pixels for the shape's unit
        corners = np.concatenate([outline for part in parts for outline in part.outlines]) * unit
        low, high = corners.min(axis=0), corners.max(axis=0)
        longer = float((high - low).max())
        moves = bend > 0 or any(part.swing for part in parts)
        margin = _MARGIN * longer if moves else 2.0
        self._centre = np.ceil(margin - low)  # (x, y) on the canvas of the shape's origin
        self._canvas = np.ceil(high + self._centre + margin).astype(int)[::-1]  # height, width
        times = np.arange(frames, dtype=float)
        bend_pace, roll_pace = rng.uniform(4, 12, 2)
        self._pieces = [
            _Piece(rng, part, styles, unit, self._centre, roll, relief) for part in parts
        ]
        # Frames×parts: angles in radians.
        self._swings = np.stack([_swing(rng, part, times) for part in parts], axis=1)
        # Frames×4×4×2: how far the points of a coarse grid are shifted, in pixels.
        self._bends = wander(
            rng, times, spacing=bend_pace, amount=bend * longer, shape=(*_BEND_GRID, 2)
        )
        # Frames×2 in [-1, 1]: where the material has slid to, of the room there is.
        rolls = wander(rng, times, spacing=2 * roll_pace, amount=1.0, shape=(2,))
        self._rolls = np.clip(rolls, -1, 1)

    def pose(self, frame: int) -> tuple[np.ndarray, np.ndarray]:
        """The sprite as it is at ``frame``.

        Returns:
            A piece (h×w×4 uint8, premultiplied RGBA) that is no larger than what can be seen,
            and where the shape's origin is on it: (x, y).
        """
        canvas = np.zeros((*self._canvas, 4), np.uint8)
        for piece, angle in zip(self._pieces, self._swings[frame], strict=True):
            patch = piece.cut(self._rolls[frame])
            corner = piece.corner
            if angle:
                patch, corner = _turned(patch, piece.pivot - corner, angle, piece.pivot)
            _paste(canvas, patch, corner)
        if self._bends.any():
            canvas = _bent(canvas, self._bends[frame])
        box = content_box(canvas)
        return canvas[box], self._centre - (box[1].start, box[0].start)


def _unit_area(parts: Sequence[Part]) -> float:
    """Area of the shape's silhouette in squares of its unit."""
    scale, half = 48, 80
    silhouette = np.zeros((2 * half, 2 * half), np.uint8)
    for part in parts:
        silhouette |= _filled(part, scale, np.array([half, half]), silhouette.shape)
    return np.count_nonzero(silhouette > 127) / scale**2


def _filled(part: Part, unit: float, centre: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Coverage of a part on a canvas: H×W uint8, 255 inside, smooth at the edges."""
    coverage = np.zeros(shape, np.uint8)
    outlines = [
        np.round((outline * unit + centre) * 2**_SHIFT).astype(np.int32)
        for outline in part.outlines
    ]
    cv2.fillPoly(coverage, outlines, 255, lineType=cv2.LINE_AA, shift=_SHIFT)
    return coverage


def _light(rng: np.random.Generator, coverage: np.ndarray, relief: float) -> np.ndarray:
    """Brightness of a rounded body lit from a side: H×W float32, about 1."""
    solid = cv2.copyMakeBorder(coverage, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    depth = cv2.distanceTransform((solid > 127).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    depth = cv2.GaussianBlur(np.sqrt(depth), (0, 0), max(min(coverage.shape) / 20, 1.0))
    slope_y, slope_x = np.gradient(depth)
    angle = rng.uniform(0, 2 * np.pi)
    slope = np.cos(angle) * slope_x + np.sin(angle) * slope_y
    steepest = max(float(np.abs(slope).max()), 1e-6)
    height = depth / max(float(depth.max()), 1e-6)
    return (1 + relief * (0.5 * slope / steepest + 0.6 * (height - 0.7))).astype(np.float32)


def _swing(rng: np.random.Generator, part: Part, times: np.ndarray) -> np.ndarray:
    """Angles of a part over time: to and fro at a pace of its own."""
    if not part.swing:
        return np.zeros_like(times)
    period = rng.uniform(10, 30)
    sway = np.sin(2 * np.pi * (times / period + rng.random()))
    return part.swing * rng.uniform(0.5, 1) * sway


def _turned(
    patch: np.ndarray, pivot: np.ndarray, angle: float, goal: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A patch turned about ``pivot`` (on the patch), which comes to lie at ``goal``.

    Returns:
        The turned patch, and the whole-numbered (x, y) of its corner.
    """
    cosine, sine = np.cos(angle), np.sin(angle)
    linear = np.array([[cosine, -sine], [sine, cosine]])
    height, width = patch.shape[:2]
    ends = (np.array([[0, 0], [width, 0], [0, height], [width, height]]) - pivot) @ linear.T + goal
    low, high = np.floor(ends.min(axis=0)), np.ceil(ends.max(axis=0))
    matrix = np.column_stack([linear, goal - low - linear @ pivot])
    size = (high - low).astype(int)
    return cv2.warpAffine(patch, matrix, (int(size[0]), int(size[1]))), low


def _paste(canvas: np.ndarray, patch: np.ndarray, corner: np.ndarray) -> None:
    """Lay ``patch`` on the canvas, its corner at (x, y); what lies outside is lost."""
    left, top = corner.astype(int)
    height, width = patch.shape[:2]
    y0, y1 = np.clip([top, top + height], 0, canvas.shape[0])
    x0, x1 = np.clip([left, left + width], 0, canvas.shape[1])
    lay_over(canvas, patch[y0 - top : y1 - top, x0 - left : x1 - left], np.s_[y0:y1, x0:x1])


def _bent(canvas: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """``canvas`` shifted by a coarse grid of displacements, interpolated to every pixel."""
    height, width = canvas.shape[:2]
    shift = cv2.resize(grid.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    x = np.arange(width, dtype=np.float32)
    y = np.arange(height, dtype=np.float32)[:, None]
    return cv2.remap(canvas, shift[..., 0] + x, shift[..., 1] + y, cv2.INTER_LINEAR)


def content_box(piece: np.ndarray) -> Rectangle:
    """The smallest box that holds all that can be seen of a piece; empty if that is nothing."""
    left, top, width, height = cv2.boundingRect(piece[..., 3])
    return np.s_[top : top + height, left : left + width]


def lay_over(image: np.ndarray, piece: np.ndarray, box: Rectangle) -> None:
    """Lay a piece over a part of an image, in place.

    Args:
        image: H×W×3 uint8 RGB, or H×W×4 uint8, itself a piece.
        piece: h×w×4 uint8.
        box: h rows and w columns of the image.
    """
    if not piece.size:
        return
    under = image[box]
    uncovered = cv2.bitwise_not(cv2.extractChannel(piece, 3))
    if image.shape[2] == 3:
        uncovered = cv2.cvtColor(uncovered, cv2.COLOR_GRAY2RGB)
        piece = cv2.cvtColor(piece, cv2.COLOR_RGBA2RGB)
    else:
        uncovered = cv2.merge([uncovered] * 4)
    under[:] = cv2.add(cv2.multiply(under, uncovered, scale=1 / 255), piece)
