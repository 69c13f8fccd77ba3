"""From tensors of a video that is explained to arrays for figures, the same for every method."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from ranet.errors import DataError
from ranet.methods.base import Fitted, VOSMethod, Watched
from ranet.methods.crops import crop_resize
from ranet.methods.objects import FUSIONS, to_labels
from ranet.visual.panels import CropBox, View


def labels_of(method: VOSMethod, watched: Watched, probabilities: Tensor) -> np.ndarray:
    """Ids of the objects on the canvas, H×W uint8, from 1×K×H×W."""
    channels = to_labels(FUSIONS[method.options.fusion], [probabilities])[0]
    return np.take(np.array((0, *watched.ids), np.uint8), channels.cpu().numpy())


def picture_of(image: Tensor) -> np.ndarray:
    """1×3×H×W in [0, 1] → H×W×3 uint8."""
    return np.asarray((image[0] * 255).round().byte().permute(1, 2, 0).cpu())


def array_of(tensor: Tensor) -> np.ndarray:
    """As float32, of the same shape."""
    return np.asarray(tensor.float().cpu())


def view_of(
    method: VOSMethod,
    watched: Watched,
    image: Tensor,
    probabilities: Tensor,
    box: Tensor,
    mask: Tensor,
) -> View:
    """A frame and its crop.

    Args:
        method: that cropped.
        watched: the video.
        image: 1×3×H×W in [0, 1].
        probabilities: 1×K×H×W, what was known when it was cropped.
        box: 1×4, what was cropped.
        mask: h×w in [0, 1], that the network was given with the crop.
    """
    return View(
        frame=picture_of(image),
        labels=labels_of(method, watched, probabilities),
        box=CropBox(*box[0].tolist()),
        crop=picture_of(crop_resize(image, box, (mask.shape[0], mask.shape[1]))),
        mask=array_of(mask),
    )


def places_apart(possible: np.ndarray, first: int, most: int) -> list[tuple[int, int]]:
    """Up to ``most`` places (row, column) of a grid of bool, far from each other, beginning with
    this one of the possible.
    """
    rest = np.argwhere(possible)  # ?×2
    chosen = [rest[first]]
    while len(chosen) < min(most, len(rest)):
        distances = np.linalg.norm(rest[:, None] - np.array(chosen)[None], axis=2).min(axis=1)
        chosen.append(rest[distances.argmax()])
    return [(int(row), int(column)) for row, column in chosen]


def cell_of(
    point: tuple[int, int], canvas: Fitted, box: Sequence[float], grid: Sequence[int], what: str
) -> tuple[int, int]:
    """Row and column of the cell of a grid that a pixel of a frame lies in.

    Args:
        point: (row, column) of the pixel.
        canvas: how frames lie on it.
        box: (top, left, bottom, right) on the canvas, which the grid covers.
        grid: its rows and columns.
        what: the box is, for the message.

    Raises:
        DataError: the pixel lies outside of the box.
    """
    top, left, bottom, right = box
    sides = (
        _Side(point[0], canvas.top, canvas.fitted[0] / canvas.frame[0], top, bottom, grid[0]),
        _Side(point[1], canvas.left, canvas.fitted[1] / canvas.frame[1], left, right, grid[1]),
    )
    if not all(0 <= side.cell < side.cells for side in sides):
        rows, columns = (f"{side.least} to {side.most}" for side in sides)
        raise DataError(
            f"The point {point} (row, column) lies outside of {what}: rows {rows}, columns "
            f"{columns}. Choose one nearer to the objects."
        )
    return sides[0].cell, sides[1].cell


class _Side(NamedTuple):
    """The rows of a frame, or its columns: on the canvas, and in the grid of a box."""

    at: int  # a pixel of the frame
    offset: int  # of the frame on the canvas
    scale: float  # of the frame on the canvas
    first: float  # of the box, on the canvas
    last: float  # beyond the box, on the canvas
    cells: int  # of the grid

    @property
    def cell(self) -> int:
        """The one that the pixel's centre lies in."""
        on_canvas = self.offset + (self.at + 0.5) * self.scale
        return math.floor((on_canvas - self.first) * self.cells / (self.last - self.first))

    @property
    def least(self) -> int:
        """The first pixel of the frame in the box."""
        return max(0, math.ceil((self.first - self.offset) / self.scale - 0.5))

    @property
    def most(self) -> int:
        """The last one."""
        return math.ceil((self.last - self.offset) / self.scale - 0.5) - 1
