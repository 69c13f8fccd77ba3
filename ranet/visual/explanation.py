"""What the network saw, compared, ranked, merged and answered, in one frame, for one object."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Box(NamedTuple):
    """A part of a frame, half-open, in pixels."""

    top: int
    left: int
    bottom: int
    right: int


class View(NamedTuple):
    """A frame, and the part of it that the network saw."""

    frame: np.ndarray
    """H×W×3 uint8 RGB, as it lies on its canvas."""
    labels: np.ndarray
    """H×W uint8: the objects that were known when the network looked at it."""
    box: Box
    """What was cropped."""
    crop: np.ndarray
    """h×w×3 uint8 RGB: the network's input."""
    mask: np.ndarray
    """h×w float32 in [0, 1]: of the object explained, in the crop."""


class Region(NamedTuple):
    """The foreground or the background of the object: its template positions and their maps."""

    weights: np.ndarray
    """gh×gw float32 in [0, 1]: how much a position belongs to the region."""
    scores: np.ndarray
    """gh×gw float32: r of Eq. 2; of several regions, the largest."""
    maps: np.ndarray
    """R×h/16×w/16 float32: those kept, best first; zero maps fill the end."""
    merged: np.ndarray
    """C×h/8×w/8 float32: what the merge module makes of them."""

    @property
    def filled(self) -> int:
        """How many of the R maps are not zero."""
        return int(self.maps.any(axis=(1, 2)).sum())


class Pixel(NamedTuple):
    """A chosen position of the template."""

    row: int
    """Of the template grid."""
    column: int
    """Of the same."""
    of_object: bool
    """It lies rather on the object than beside it."""


@dataclass(frozen=True)
class Explanation:
    """One frame of a video, from the network's inputs to its result.

    The network saw h×w pixels of each frame; gh×gw is its template grid, R the maps it keeps.
    """

    object_id: int
    """Of the object explained."""
    frame_number: int
    """Of the current frame, from 0, the template."""
    template: View
    """The frame in which the objects were marked."""
    current: View
    """The frame explained, with the labels and the mask of the frame before."""
    similarity: np.ndarray
    """gh×gw×h/16×w/16 float32 in [-1, 1] (Eq. 1)."""
    pixels: tuple[Pixel, ...]
    """Whose similarity maps are shown."""
    foreground: Region
    """On the object."""
    background: Region
    """Beside the object."""
    probability: np.ndarray
    """h×w float32: of the object, in the current crop."""
    labels: np.ndarray
    """H×W uint8: the result, on the canvas."""

    def similarity_of(self, pixel: Pixel) -> np.ndarray:
        """The similarity map of a template position: h/16×w/16."""
        return np.asarray(self.similarity[pixel.row, pixel.column])


@dataclass(frozen=True)
class Strip:
    """Some frames of a video with the objects as one network has found them."""

    network: str
    """Its name."""
    numbers: Sequence[int]
    """Of the frames, in the video, from 0."""
    frames: Sequence[np.ndarray]
    """Each H×W×3 uint8 RGB."""
    labels: Sequence[np.ndarray]
    """Each H×W uint8."""
