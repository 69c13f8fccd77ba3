"""Pictures as a browser takes them."""

import cv2
import numpy as np

from ranet.errors import DataError
from ranet.palette import PALETTE
from ranet.visual.overlay import contour_pixels

_JPEG_QUALITY = 92
_FAST = 1  # of PNG's levels 0…9


def jpeg(image: np.ndarray) -> bytes:
    """An image H×W×3 uint8 RGB as the bytes of a JPEG file."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return _encoded(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))


def layer(labels: np.ndarray) -> bytes:
    """Objects to be laid over a frame, as the bytes of a PNG file with transparency.

    Args:
        labels: H×W uint8; 0 is transparent. Objects have the DAVIS colours and opaque, lighter
            contours, as :func:`ranet.visual.overlay.overlay` draws them.
    """
    colours = PALETTE[labels]
    alpha = np.where(labels > 0, np.uint8(140), np.uint8(0))
    edge = contour_pixels(labels, max(1, round(min(labels.shape) / 360)))
    colours[edge] = (colours[edge] // 2) + 127
    alpha[edge] = 255
    rgba = np.dstack([colours[..., ::-1], alpha])
    return _encoded(".png", rgba, (cv2.IMWRITE_PNG_COMPRESSION, _FAST))


def _encoded(ending: str, pixels: np.ndarray, options: tuple[int, int]) -> bytes:
    done, data = cv2.imencode(ending, pixels, options)
    if not done:
        raise DataError(f"OpenCV cannot encode a picture of {pixels.shape} as {ending}.")
    return data.tobytes()
