"""GrabCut (Rother et al., SIGGRAPH 2004): from a rough mask of an object to its edges."""

import cv2
import numpy as np

from ranet.errors import DataError

_ITERATIONS = 5

_GROWTH = 0.2
"""How far beyond its box an object may grow, in sides of the box."""

_CONTEXT = 1.0
"""How much around that tells what the background looks like, in sides of the box."""

_LARGEST = 480
"""Pixels of the longer side at which edges are found; a larger crop is made smaller."""

_SPECK = 0.02
"""Share of an object's area below which a piece of it, or a hole in it, is taken for noise."""


def grab_cut(
    image: np.ndarray,
    rough: np.ndarray,
    *,
    inside: np.ndarray,
    outside: np.ndarray,
    may_grow: bool,
) -> np.ndarray:
    """Find the edges of an object in what looks like it.

    Args:
        image: H×W×3 uint8 RGB.
        rough: H×W bool: where it may be.
        inside: H×W bool: where it is for sure.
        outside: H×W bool: where it is not for sure.
        may_grow: whether it may go beyond ``rough``, by a margin.

    Returns:
        H×W bool.

    Raises:
        DataError: nothing is marked, or nothing else is there to tell it from, or nothing of it
            would be left.
    """
    if not rough.any():
        raise DataError(
            "There is nothing to refine: the object is not marked in this frame. Draw a box "
            "around it, or paint it, first."
        )
    window, reach = _window(rough)
    trimap = np.full(rough.shape, cv2.GC_BGD, np.uint8)
    if may_grow:
        trimap[reach] = cv2.GC_PR_BGD
    trimap[rough] = cv2.GC_PR_FGD
    trimap[outside] = cv2.GC_BGD
    trimap[inside] = cv2.GC_FGD
    found = np.zeros_like(rough)
    found[window] = _cut(image[window], trimap[window])
    found = (_without_specks(found) | inside) & ~outside
    if not found.any():
        raise DataError(
            "GrabCut took all of the object for background: it looks like what is around it. "
            "Paint it with the brush instead."
        )
    return found


def _window(rough: np.ndarray) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """What GrabCut gets to see, and where in the frame the object may reach."""
    left, top, width, height = cv2.boundingRect(rough.astype(np.uint8))
    side = max(width, height)

    def grown(by: int) -> tuple[slice, slice]:
        rows = slice(max(0, top - by), top + height + by)
        return rows, slice(max(0, left - by), left + width + by)

    growth = round(_GROWTH * side) + 2
    return grown(growth + round(_CONTEXT * side) + 2), grown(growth)


def _cut(image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
    """GrabCut itself, on an image of bounded size: H×W bool."""
    foreground = (trimap == cv2.GC_FGD) | (trimap == cv2.GC_PR_FGD)
    if foreground.all():
        raise DataError(
            "There is nothing around the object to tell it from: the marks fill all of the frame. "
            "Draw them closer around it."
        )
    height, width = trimap.shape
    scale = min(1.0, _LARGEST / max(height, width))
    size = max(1, round(scale * width)), max(1, round(scale * height))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    small_trimap = cv2.resize(trimap, size, interpolation=cv2.INTER_NEAREST)
    if len(np.unique(small_trimap % 2)) < 2:  # the marks are too thin to be seen at this size
        return foreground
    cv2.setRNGSeed(0)  # of this thread: the same marks give the same mask
    models = np.zeros((2, 1, 65))
    cv2.grabCut(small, small_trimap, None, models[0], models[1], _ITERATIONS, cv2.GC_INIT_WITH_MASK)
    found = (small_trimap % 2).astype(np.float32)  # GC_FGD and GC_PR_FGD are the odd ones
    return cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR) > 0.5


def _without_specks(mask: np.ndarray) -> np.ndarray:
    """Without small pieces and small holes; the largest piece stays, however small it is."""
    least = _SPECK * mask.sum()
    return ~_large_pieces(~_large_pieces(mask, least), least)


def _large_pieces(mask: np.ndarray, least: float) -> np.ndarray:
    _, pieces, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    areas = statistics[:, cv2.CC_STAT_AREA]
    areas[0] = 0  # what is not of the mask
    return ((areas > 0) & (areas >= min(least, areas.max())))[pieces]
