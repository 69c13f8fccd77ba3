"""Laying translucent pieces over images.

A piece is h×w×4 uint8 RGBA, its colours premultiplied by its coverage (the fourth channel, 255
where it is solid); interpolating such colours leaves no seams.
"""

import cv2
import numpy as np

Box = tuple[slice, slice]
"""Rows and columns."""


def content_box(piece: np.ndarray) -> Box:
    """The smallest box that holds all that can be seen of a piece; empty if that is nothing."""
    left, top, width, height = cv2.boundingRect(piece[..., 3])
    return np.s_[top : top + height, left : left + width]


def lay_over(image: np.ndarray, piece: np.ndarray, box: Box) -> None:
    """Lay a piece over a part of an image, in place.

    Args:
        image: H×W×3 uint8 RGB, or H×W×4 uint8, itself a piece.
        piece: h×w×4 uint8.
        box: h rows and w columns of the image.
    """
    if not piece.size:
        return
    under = image[box]
    uncovered = cv2.bitwise_not(cv2.extractChannel(piece, 3))
    if image.shape[2] == 3:
        uncovered = cv2.cvtColor(uncovered, cv2.COLOR_GRAY2RGB)
        piece = cv2.cvtColor(piece, cv2.COLOR_RGBA2RGB)
    else:
        uncovered = cv2.merge([uncovered] * 4)
    under[:] = cv2.add(cv2.multiply(under, uncovered, scale=1 / 255), piece)
