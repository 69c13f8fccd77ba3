"""What the measures compare: two masks of one frame, and the part of the frame that matters."""

import cv2
import numpy as np


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
