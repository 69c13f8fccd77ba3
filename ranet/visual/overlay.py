"""Objects drawn over a frame in the DAVIS colours, or cut out of it."""

import cv2
import numpy as np

from ranet.errors import DataError
from ranet.palette import PALETTE


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
    _check(image, labels)
    width = max(1, round(min(labels.shape) / 240)) if contour is None else contour
    colours = PALETTE[labels]
    tinted = cv2.addWeighted(image, 1 - alpha, colours, alpha, 0)
    drawn = np.where((labels > 0)[..., None], tinted, image)
    edge = contour_pixels(labels, width)
    # Halfway to white: most DAVIS colours are dark.
    drawn[edge] = (colours[edge] // 2) + 127
    return drawn


def cut_out(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The objects of a frame on nothing.

    The background is not only transparent but black: what was cut away cannot be brought back, and
    takes no room in a file.

    Args:
        image: H×W×3 uint8 RGB.
        labels: H×W uint8; all but 0 is kept.

    Returns:
        H×W×4 uint8 RGBA, not premultiplied: opaque objects, transparent background.

    Raises:
        DataError: image or labels have another shape or type, or the sizes differ.
    """
    _check(image, labels)
    kept = labels > 0
    return np.dstack([image * kept[..., None], np.where(kept, np.uint8(255), np.uint8(0))])


def object_layer(labels: np.ndarray, *, alpha: int, contour: int) -> np.ndarray:
    """What :func:`overlay` draws, on nothing, to be laid over a frame.

    Args:
        labels: H×W uint8; 0 is transparent.
        alpha: opacity of an object, 0…255; its contour is opaque.
        contour: width in pixels of the line around each object.

    Returns:
        H×W×4 uint8 RGBA, not premultiplied.
    """
    layer = np.dstack([PALETTE[labels], np.where(labels > 0, np.uint8(alpha), np.uint8(0))])
    edge = contour_pixels(labels, contour)
    layer[edge, :3] = layer[edge, :3] // 2 + 127  # as above
    layer[edge, 3] = 255
    return layer


def contour_pixels(labels: np.ndarray, width: int) -> np.ndarray:
    """Pixels of objects that lie within ``width`` pixels of another label: H×W bool.

    The border of the image is no contour.
    """
    window = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    edge: np.ndarray = cv2.dilate(labels, window) != cv2.erode(labels, window)
    return edge & (labels > 0)


def _check(image: np.ndarray, labels: np.ndarray) -> None:
    fits = image.ndim == 3 and image.shape == (*labels.shape, 3)
    if not fits or image.dtype != np.uint8 or labels.dtype != np.uint8:
        raise DataError(
            "Expected an image H×W×3 uint8 and its labels H×W uint8, but found "
            f"{image.shape} {image.dtype} and {labels.shape} {labels.dtype}."
        )
