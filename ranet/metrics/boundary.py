"""F, the boundary measure: how well two masks' outlines agree within a small tolerance.

An outline pixel is matched when the other mask's outline passes within ``radius`` of it. Dilating
an outline with a disk marks all pixels near it; as only those on the other outline are looked at,
it suffices to do so inside the box around both masks, with the same result to the last bit.
"""

import functools
import math

import cv2
import numpy as np

from ranet.metrics.masks import check_masks, labelled_box

TOLERANCE = 0.008
"""Distance at which outlines still agree, as a share of the image's diagonal (DAVIS)."""


def boundary_radius(height: int, width: int) -> int:
    """The tolerance of F in pixels for an image of this size; 8 at 480×854."""
    return math.ceil(TOLERANCE * math.sqrt(height**2 + width**2))


def boundary_map(mask: np.ndarray) -> np.ndarray:
    """Pixels that differ from their neighbour to the right, below, or diagonally below right.

    The image's own border is no boundary: the last row has only the horizontal comparison, the
    last column only the vertical one, and the last pixel is never boundary.

    Args:
        mask: H×W bool.

    Returns:
        H×W bool.
    """
    boundary = np.zeros(mask.shape, dtype=bool)
    boundary[:, :-1] = mask[:, :-1] != mask[:, 1:]
    boundary[:-1] |= mask[:-1] != mask[1:]
    boundary[:-1, :-1] |= mask[:-1, :-1] != mask[1:, 1:]
    return boundary


def f_measure(prediction: np.ndarray, truth: np.ndarray, *, radius: int | None = None) -> float:
    """Harmonic mean of the boundaries' precision and recall, in [0, 1].

    Precision is the share of the prediction's boundary pixels with one of the truth's boundary
    within ``radius``; recall is the converse. F is 1 where neither mask has a boundary, and 0
    where only one has.

    Args:
        prediction: H×W bool.
        truth: H×W bool.
        radius: tolerance in pixels; None takes the :func:`boundary_radius` of an H×W image. Masks
            that are cut out of a larger image need that image's.

    Raises:
        ValueError: the masks are not bool, or differ in shape.
    """
    check_masks(prediction, truth)
    disk = _disk(boundary_radius(*truth.shape) if radius is None else radius)
    box = labelled_box(prediction | truth)
    found, expected = boundary_map(prediction[box]), boundary_map(truth[box])
    if not found.any() or not expected.any():
        return float(found.any() == expected.any())
    precision = _share_near(found, expected, disk)
    recall = _share_near(expected, found, disk)
    if precision + recall == 0:
        return 0.0
    return 2 * precision * recall / (precision + recall)


def _share_near(boundary: np.ndarray, other: np.ndarray, disk: np.ndarray) -> float:
    """Share of the pixels of ``boundary`` that the disk reaches from a pixel of ``other``."""
    near = cv2.dilate(other.view(np.uint8), disk).view(bool)
    return np.count_nonzero(boundary & near) / np.count_nonzero(boundary)


@functools.lru_cache(maxsize=8)
def _disk(radius: int) -> np.ndarray:
    """(2r+1)×(2r+1) uint8, 1 where dx² + dy² ≤ r²."""
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    disk: np.ndarray = (x**2 + y**2 <= radius**2).astype(np.uint8)
    disk.setflags(write=False)  # shared by all callers
    return disk
