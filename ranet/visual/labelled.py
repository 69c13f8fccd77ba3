"""An image and the labels of its pixels, as all that draws the two expects them."""

import numpy as np

from ranet.errors import DataError
from ranet.wording import size_text


def check_labelled(image: np.ndarray, labels: np.ndarray) -> None:
    """Raise DataError unless these are H×W×3 uint8, and H×W uint8 of the same size."""
    _check_layout("The image", image, "H×W×3", image.ndim == 3 and image.shape[2] == 3)
    _check_layout("The labels", labels, "H×W", labels.ndim == 2)
    if image.shape[:2] != labels.shape:
        raise DataError(
            f"The labels are {size_text(labels.shape)}, but their image is "
            f"{size_text(image.shape)} (height×width): both have one size."
        )


def _check_layout(what: str, array: np.ndarray, layout: str, is_so: bool) -> None:
    if not is_so or array.dtype != np.uint8:
        raise DataError(
            f"{what} should be {layout} uint8, found {array.dtype} of shape {array.shape}. Convert "
            "it first."
        )
