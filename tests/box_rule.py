"""The released crop rule once more, in plain numbers, to hold the one for tensors against."""

from fractions import Fraction

import numpy as np


def box_around(
    mask: np.ndarray, *, aspect: tuple[int, int], scale: float, smallest: int
) -> tuple[int, int, int, int]:
    """The crop around an object, by the rule of the released network.

    With the object's rows y0…y1 and columns x0…x1 (last ones included) and the aspect h:w, the
    box has its centre at ((y0+y1)//2, (x0+x1)//2), half the height ⌊a⌋ and half the width ⌊a·w/h⌋,
    where a = max(scale·(y1−y0)/2, h/w·scale·(x1−x0)/2), and is clipped to the frame. It is the
    whole frame if there is no object or a side of the clipped box is below ``smallest``.

    The floors are taken of exact fractions.

    Args:
        mask: H×W; all that is not zero is object.
        aspect: (h, w) of the image that the crop becomes; only their ratio counts.
        scale: side of the box over side of the mask's bounding box (1.5).
        smallest: in pixels (32).
    """
    height, width = mask.shape
    rows = np.flatnonzero(mask.any(axis=1))
    if len(rows) == 0:
        return 0, 0, height, width
    columns = np.flatnonzero(mask.any(axis=0))
    y0, y1, x0, x1 = int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])
    h, w = aspect
    half_scale = Fraction(scale).limit_denominator(1000) / 2
    a = half_scale * max(y1 - y0, Fraction(h, w) * (x1 - x0))
    half_height, half_width = int(a), int(a * w / h)
    y, x = (y0 + y1) // 2, (x0 + x1) // 2
    top, bottom = max(y - half_height, 0), min(y + half_height, height)
    left, right = max(x - half_width, 0), min(x + half_width, width)
    if bottom - top < smallest or right - left < smallest:
        return 0, 0, height, width
    return top, left, bottom, right
