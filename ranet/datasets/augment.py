"""One sampling map a view: deformation and crop in one, for image and mask alike (§3.5).

A sampling map says for each pixel of the view which point of the source it shows. Spline,
rotation, scale, flip, crop and resizing are composed into one such map, so a view is resampled
once, and image and mask cannot get out of step. Beyond its border the source goes on as its
mirror image, labels included.

Points are (x, y), as OpenCV has them, with whole numbers at the centres of pixels.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from ranet.datasets.tps import SplineGrid, ThinPlateSpline

Box = tuple[float, float, float, float]
"""(top, left, bottom, right), half-open, in pixels."""

_STRIDE = 8
"""Maps are computed once per block of 8×8 pixels and interpolated: within 0.2 pixels on average."""


@dataclass(frozen=True)
class Deformation:
    """Takes points of a deformed frame to points of the frame it is made of."""

    domain: Box  # what the spline's unit square covers, and whose centre stays in place
    linear: np.ndarray  # 2×2: undoes scale, rotation and flip
    shift: tuple[float, float]  # (x, y) in pixels: how far the content has moved
    spline: ThinPlateSpline | None = None

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """…×2 (x, y) to …×2, float64."""
        top, left, bottom, right = self.domain
        side = np.array([right - left, bottom - top])
        corner = np.array([left - 0.5, top - 0.5])  # of the corner pixel's area, not its centre
        centre = corner + side / 2
        points = (points - centre - self.shift) @ self.linear.T + centre
        if self.spline is None:
            return points
        return corner + side * self.spline((points - corner) / side)


def deformation(
    domain: Box,
    *,
    rotation: float = 0.0,
    scale: float = 1.0,
    shift: tuple[float, float] = (0.0, 0.0),
    flip: bool = False,
    spline: ThinPlateSpline | None = None,
) -> Deformation:
    """A deformation by what it does to the content: flip, rotate, scale, then shift.

    Args:
        domain: the part of the frame that the deformation is about.
        rotation: degrees, counter-clockwise as one sees it.
        scale: above 1 makes things larger.
        shift: (right, down) in units of the domain's sides.
        flip: mirrors left and right.
        spline: bends the content first.
    """
    top, left, bottom, right = domain
    cosine, sine = np.cos(np.radians(rotation)), np.sin(np.radians(rotation))
    linear = np.array([[cosine, -sine], [sine, cosine]]) / scale  # y points down
    if flip:
        linear[0] *= -1
    pixels = (shift[0] * (right - left), shift[1] * (bottom - top))
    return Deformation(domain, linear, pixels, spline)


def random_deformation(
    rng: np.random.Generator,
    domain: Box,
    grid: SplineGrid,
    *,
    spline_shift: float,
    rotation: float,
    scale: tuple[float, float] = (1.0, 1.0),
    shift: float = 0.0,
    flip: bool = False,
) -> Deformation:
    """A deformation with parameters drawn evenly from their ranges.

    Args:
        rng: always advanced by the same number of draws.
        domain: the part of the frame that the deformation is about.
        grid: control points of the spline.
        spline_shift: largest shift of a control point, in units of the domain's sides.
        rotation: largest angle in degrees, either way.
        scale: smallest and largest factor.
        shift: largest shift of all, in units of the domain's sides, either way.
        flip: whether to mirror left and right.
    """
    moved = rng.uniform(-spline_shift, spline_shift, (grid.rows * grid.columns, 2))
    angle = rng.uniform(-rotation, rotation)
    factor = rng.uniform(*scale)
    right, down = rng.uniform(-shift, shift, 2)
    return deformation(
        domain,
        rotation=angle,
        scale=factor,
        shift=(right, down),
        flip=flip,
        spline=grid.fit(moved) if spline_shift > 0 else None,
    )


def sampling_map(size: tuple[int, int], box: Box, *deformations: Deformation) -> np.ndarray:
    """The map of a view: a box of a deformed frame, resized.

    Args:
        size: (H, W) of the view in pixels.
        box: what the view shows, in the coordinates of the deformed frame.
        deformations: the first is the one that is applied to the content last.

    Returns:
        H×W×2 float32: the point of the source at each pixel of the view.
    """
    height, width = size
    top, left, bottom, right = box
    # A node in the middle of each block of pixels, as cv2.resize sees it, and one block more at
    # either end, as it does not extrapolate.
    rows, columns = (-(-side // _STRIDE) + 2 for side in size)
    y = top + (np.arange(rows) - 0.5) * _STRIDE * (bottom - top) / height - 0.5
    x = left + (np.arange(columns) - 0.5) * _STRIDE * (right - left) / width - 0.5
    points = np.stack(np.meshgrid(x, y), axis=-1)
    for step in deformations:
        points = step(points)
    fine = cv2.resize(
        points.astype(np.float32),
        (columns * _STRIDE, rows * _STRIDE),
        interpolation=cv2.INTER_LINEAR,
    )
    return fine[_STRIDE : _STRIDE + height, _STRIDE : _STRIDE + width]


def warp_image(image: np.ndarray, sampling: np.ndarray) -> np.ndarray:
    """The view of an image: H×W×3 uint8, bilinear, for a map of H×W×2."""
    return cv2.remap(image, sampling, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def warp_labels(labels: np.ndarray, sampling: np.ndarray, *, mirrored: bool = True) -> np.ndarray:
    """The view of a label map: H×W uint8, nearest, for a map of H×W×2.

    ``mirrored=False`` puts background beyond the border of the source.
    """
    border = cv2.BORDER_REFLECT_101 if mirrored else cv2.BORDER_CONSTANT
    return cv2.remap(labels, sampling, None, cv2.INTER_NEAREST, borderMode=border)


def whole(array: np.ndarray) -> Box:
    """The box of all of an image or label map."""
    height, width = array.shape[:2]
    return 0, 0, height, width


def jitter_box(
    box: Box, frame: tuple[int, int], *, scale: float, shift: tuple[float, float]
) -> Box:
    """A box somewhat off: ``scale`` times as large, moved, and clipped to the frame again.

    Args:
        box: (top, left, bottom, right).
        frame: (height, width) in pixels.
        scale: factor on both sides.
        shift: (down, right) in units of the given box's sides; under 0.5 the box keeps some of
            its place, so that something of it is left inside the frame.
    """
    top, left, bottom, right = box
    y = (top + bottom) / 2 + shift[0] * (bottom - top)
    x = (left + right) / 2 + shift[1] * (right - left)
    half_height, half_width = scale * (bottom - top) / 2, scale * (right - left) / 2
    return (
        max(y - half_height, 0.0),
        max(x - half_width, 0.0),
        min(y + half_height, float(frame[0])),
        min(x + half_width, float(frame[1])),
    )
