"""Arrays of labels: checked before they are followed, and called by where they come from."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ranet.datasets.image_io import VOID
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
    if not isinstance(labels, np.ndarray) or labels.ndim != 2 or labels.dtype.kind not in "biu":
        kind, shape = getattr(labels, "dtype", type(labels).__name__), getattr(labels, "shape", "?")
        raise DataError(
            "Labels should be an H×W numpy array of integers (0 background, 1…254 objects), found "
            f"{kind} of shape {shape}."
        )
    if labels.shape != size:
        raise DataError(
            f"The labels are {size_text(labels.shape)}, but their frame is {size_text(size)} "
            "(height×width)."
        )
    least, most = int(labels.min()), int(labels.max())
    if least < 0 or most > VOID:
        raise DataError(
            f"Ids of objects should be 1…254 (0 is background, 255 void), found {least} to {most}. "
            "At most 254 objects can be followed at once."
        )
    labels = labels.astype(np.uint8)
    if most == VOID:
        from ranet.datasets.mask_pixels import labels_of_values

        labels = labels_of_values(labels, "The array of labels")
    labels = np.where(labels == VOID, 0, labels).astype(np.uint8)
    ids = tuple(np.unique(labels[labels > 0]).tolist())
    if not ids:
        raise DataError("The labels mark no object: every pixel is background or void.")
    return labels, ids


@contextlib.contextmanager
def naming_mask(source: str | Path, what: str = "mask") -> Iterator[None]:
    """Say in a DataError about labels where they come from, if it does not say so itself."""
    try:
        yield
    except DataError as error:
        if str(source) in str(error):
            raise
        raise DataError(f"The {what} {source} cannot be used. {error}") from error
