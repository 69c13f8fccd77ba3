"""The measures of DAVIS: J and F of two masks, and mean, recall and decay of their values.

J is the Jaccard index of the regions. F tells how well outlines agree within a small tolerance: an
outline pixel is matched when the other mask's outline passes within ``radius`` of it. Dilating an
outline with a disk marks all pixels near it; as only those on the other outline are looked at, it
suffices to do so inside the box around both masks, with the same result to the last bit.

Mean, recall and decay are over the scored frames of a video: each takes the values of one object in
order of time, and at least one value.
"""

import functools
import math
from collections.abc import Sequence

import cv2
import numpy as np

TOLERANCE = 0.008
"""Distance at which outlines still agree, as a share of the image's diagonal (DAVIS)."""

RECALL_THRESHOLD = 0.5
DECAY_BINS = 4


def jaccard(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union of two masks, in [0, 1]; 1 where both are empty.

    Args:
        prediction: H×W bool.
        truth: H×W bool.

    Raises:
        ValueError: the masks are not bool, or differ in shape.
    """
    check_masks(prediction, truth)
    union = np.count_nonzero(prediction | truth)
    if union == 0:
        return 1.0
    return np.count_nonzero(prediction & truth) / union


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


def mean(values: Sequence[float]) -> float:
    """The average value.

    Raises:
        ValueError: there are no values.
    """
    return float(np.mean(_at_least_one(values)))


def recall(values: Sequence[float]) -> float:
    """Share of the values strictly above 0.5, in [0, 1].

    Raises:
        ValueError: there are no values.
    """
    return float(np.mean(_at_least_one(values) > RECALL_THRESHOLD))


def decay(values: Sequence[float]) -> float:
    """How much is lost over time: mean of the first quarter less mean of the last, in [-1, 1].

    Quarters share the value at their common end, as in the official code. That code keeps the
    ends in 8 bits, so its decay is wrong from 257 values on; this one is right for any number.

    Raises:
        ValueError: there are no values.
    """
    array = _at_least_one(values)
    position = np.linspace(1, len(array), DECAY_BINS + 1)
    ends = np.round(position + 1e-10).astype(int) - 1  # 1e-10: halves are rounded up
    first, last = array[: ends[1] + 1], array[ends[-2] :]
    return float(np.mean(first) - np.mean(last))


def _at_least_one(values: Sequence[float]) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(
            f"Statistics need at least one value in one row, but got shape {array.shape}."
        )
    return array


def check_masks(prediction: np.ndarray, truth: np.ndarray) -> None:
    """Refuse what is not a pair of H×W bool masks of one size.

    Raises:
        ValueError: another type or number of dimensions, or differing shapes.
    """
    for name, mask in (("prediction", prediction), ("truth", truth)):
        if mask.dtype != bool or mask.ndim != 2:
            raise ValueError(
                f"The {name} should be an H×W bool mask, but it is {mask.dtype} of shape "
                f"{mask.shape}. Make one from a label map with `labels == id`."
            )
    if prediction.shape != truth.shape:
        raise ValueError(
            f"Masks of one size can be compared, but the prediction is {prediction.shape} and the "
            f"truth {truth.shape}."
        )


def labelled_box(labels: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns that hold all labelled pixels, and one row or column more on each side.

    Two masks cut to the box of both keep their J and F. The margin is for their boundary maps:
    a boundary runs one pixel above and left of its mask, and the mask's last row and column are
    compared with the next.

    Args:
        labels: H×W uint8 or bool; 0 is background.

    Returns:
        Slices within H and W; of a single pixel if all is background.
    """
    left, top, width, height = cv2.boundingRect(labels.view(np.uint8))  # zeros if there is none
    return np.s_[max(top - 1, 0) : top + height + 1, max(left - 1, 0) : left + width + 1]
