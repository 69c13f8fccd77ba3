"""The labels of a frame in which objects are marked, checked.

Labels are H×W uint8: 0 background, 1…254 objects.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ranet.datasets.image_io import VOID
from ranet.datasets.mask_pixels import labels_of_values
from ranet.errors import DataError
from ranet.wording import size_text


def checked_labels(labels: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, tuple[int, ...]]:
    """Check the labels of a frame and drop void.

    Args:
        labels: H×W integers or booleans: 0 background, 1…254 objects, 255 void; or black and white
            as in a grey file: 0, and 255 for object 1.
        size: (H, W) of the frame.

    Returns:
        H×W uint8 with void as background, and the ids in it, rising.

    Raises:
        DataError: another size or type, ids that cannot be, or no object.
    """
    if not isinstance(labels, np.ndarray):
        raise DataError(
            "Labels should be an H×W numpy array of integers, found "
            f"{type(labels).__name__}. Make it one with numpy.asarray."
        )
    if labels.ndim != 2 or not (labels.dtype == bool or np.issubdtype(labels.dtype, np.integer)):
        raise DataError(
            "Labels should be an H×W array of integers (0 background, 1…254 objects), found shape "
            f"{labels.shape} of {labels.dtype}."
        )
    if labels.shape != size:
        raise DataError(
            f"The labels are {size_text(labels.shape)}, but their frame is {size_text(size)} "
            "(height×width). Labels should be of the frame's own size."
        )
    values = np.unique(labels)
    if values[0] < 0 or values[-1] > VOID:
        raise DataError(
            "Ids of objects should be 1…254 (0 is background, 255 void), found "
            f"{values[0]} to {values[-1]}. At most 254 objects can be followed at once."
        )
    labels = labels.astype(np.uint8)
    if values[-1] == VOID:
        labels = labels_of_values(labels, "The array of labels")
        values = np.unique(labels)
    ids = tuple(int(value) for value in values if value not in (0, VOID))
    if not ids:
        raise DataError(
            "The labels mark no object: every pixel is background or void. "
            "Mark at least one object with an id of 1…254."
        )
    return np.where(labels == VOID, 0, labels).astype(np.uint8), ids


@contextlib.contextmanager
def naming_mask(source: str | Path, what: str = "mask") -> Iterator[None]:
    """Say in a DataError about labels where they come from, if it does not say so itself."""
    try:
        yield
    except DataError as error:
        if str(source) in str(error):
            raise
        raise DataError(f"The {what} {source} cannot be used. {error}") from error


def naming_first_mask(source: str | Path) -> contextlib.AbstractContextManager[None]:
    """:func:`naming_mask` of a video's first frame."""
    return naming_mask(source, "first mask")
