"""Objects drawn over a frame: tinted in the DAVIS colours, with contours."""

import cv2
import numpy as np

from ranet.palette import PALETTE
from ranet.visual.labelled import check_labelled


def overlay(
    image: np.ndarray, labels: np.ndarray, *, alpha: float = 0.45, contour: int | None = None
) -> np.ndarray:
    """Show which pixels belong to which object.

    Args:
        image: H×W×3 uint8 RGB.
        labels: H×W uint8; 0 is left as it is.
        alpha: how much of an object's colour covers it, 0 (none) to 1 (all).
        contour: width in pixels of the line around each object, drawn inside it; 0: none;
            None: as fits the size of the image.

    Returns:
        H×W×3 uint8 RGB, a new array.

    Raises:
        DataError: image or labels have another shape or type, or the sizes differ.

    Examples:
        >>> grey, labels = np.full((4, 6, 3), 100, np.uint8), np.zeros((4, 6), np.uint8)
        >>> labels[1:, 2:] = 1  # dark red in the palette
        >>> overlay(grey, labels, contour=0)[:2, 3].tolist()
        [[100, 100, 100], [113, 55, 55]]
    """
    check_labelled(image, labels)
    width = max(1, round(min(labels.shape) / 240)) if contour is None else contour
    colours = PALETTE[labels]
    tinted = cv2.addWeighted(image, 1 - alpha, colours, alpha, 0)
    drawn = np.where((labels > 0)[..., None], tinted, image)
    edge = contour_pixels(labels, width)
    # Halfway to white: most DAVIS colours are dark.
    drawn[edge] = (colours[edge] // 2) + 127
    return drawn


def contour_pixels(labels: np.ndarray, width: int) -> np.ndarray:
    """Pixels of objects that lie within ``width`` pixels of another label: H×W bool.

    The border of the image is no contour.
    """
    window = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    edge: np.ndarray = cv2.dilate(labels, window) != cv2.erode(labels, window)
    return edge & (labels > 0)
