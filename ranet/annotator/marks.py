"""What a person marks in a video.

All of it is immutable, so that undoing is going back to an older value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

import cv2
import numpy as np
from pydantic import Field, validate_call

from ranet.annotator.grab_cut import grab_cut
from ranet.datasets.annotations import marks_in
from ranet.datasets.image_io import VOID
from ranet.datasets.labels import checked_labels, naming_mask
from ranet.errors import DataError
from ranet.wording import size_text

_SUBPIXEL_BITS = 4
"""Fractional bits that OpenCV keeps of coordinates."""

Label = Annotated[int, Field(ge=1, lt=VOID)]
Coordinate = Annotated[float, Field(ge=-16000, le=16000)]  # what OpenCV can draw, and more
Points = Annotated[list[tuple[Coordinate, Coordinate]], Field(min_length=1, max_length=20000)]
Corners = Annotated[Points, Field(min_length=3)]
Radius = Annotated[float, Field(gt=0, le=1000)]


@dataclass(frozen=True)
class FrameMarks:
    """The objects of one frame, and what can be done to one of them. The arrays are never changed.

    Points are (x, y) in pixels, from the centre of the top left one; x counts columns. What cannot
    be done raises DataError, arguments that are none pydantic's ValidationError.
    """

    labels: np.ndarray
    """H×W uint8: 0 background, else the object."""
    sure: np.ndarray
    """H×W bool: painted or erased by hand, and so not to be refined."""
    outlined: frozenset[int] = frozenset()
    """Objects that a box or polygons go around: they lie inside what is marked."""

    @classmethod
    def empty(cls, size: tuple[int, int]) -> Self:
        """The marks of a frame of (H, W) in which nothing is marked yet."""
        return cls(np.zeros(size, np.uint8), np.zeros(size, bool))

    @cached_property
    def ids(self) -> frozenset[int]:
        """Objects that have pixels."""
        return frozenset(np.unique(self.labels).tolist()) - {0}

    def with_found(self, label: int, found: np.ndarray) -> Self:
        """With what the network found (labels H×W) of an object that is not marked yet.

        Whoever corrects a result does not have to mark the object again.
        """
        if label in self.ids:
            return self
        inside = (found == label) & (self.labels == 0) & ~self.sure
        return replace(self, labels=np.where(inside, np.uint8(label), self.labels))

    @validate_call
    def clear(self, label: Label) -> Self:
        """As if the object had not been marked."""
        inside = self.labels == label
        labels = np.where(inside, np.uint8(0), self.labels)
        outlined = self.outlined - {label}
        return replace(self, labels=labels, sure=self.sure & ~inside, outlined=outlined)

    @validate_call
    def box(self, label: Label, box: tuple[int, int, int, int]) -> Self:
        """Begin the object anew, inside top, left, bottom, right; others stay in front."""
        top, left, bottom, right = (max(0, edge) for edge in box)
        inside = np.zeros(self.labels.shape, bool)
        inside[top:bottom, left:right] = True
        _check_any(inside, "box")
        others = self.clear(label)
        inside &= others.labels == 0
        _check_any(inside, "box, outside the other objects,")
        labels = np.where(inside, np.uint8(label), others.labels)
        outlined = others.outlined | {label}
        return replace(self, labels=labels, sure=others.sure & ~inside, outlined=outlined)

    @validate_call
    def polygon(self, label: Label, points: Corners) -> Self:
        """Add what lies inside to the object, over others."""
        drawn = np.zeros(self.labels.shape, np.uint8)
        cv2.fillPoly(drawn, [_fixed_point(points)], 1, shift=_SUBPIXEL_BITS)
        inside = drawn > 0
        _check_any(inside, "polygon")
        labels = np.where(inside, np.uint8(label), self.labels)
        outlined = self.outlined if label in self.ids else self.outlined | {label}
        return replace(self, labels=labels, sure=self.sure & ~inside, outlined=outlined)

    @validate_call
    def brush(self, label: Label, points: Points, radius: Radius) -> Self:
        """Paint the object, over others, for sure."""
        covered = self._stroke(points, radius)
        _check_any(covered, "stroke")
        beyond = (covered & (self.labels != label)).any()
        labels = np.where(covered, np.uint8(label), self.labels)
        outlined = self.outlined - {label} if beyond else self.outlined
        return replace(self, labels=labels, sure=self.sure | covered, outlined=outlined)

    @validate_call
    def eraser(self, label: Label, points: Points, radius: Radius) -> Self:
        """Take from the object, and from no other, for sure."""
        covered = self._stroke(points, radius) & np.isin(self.labels, (0, label))
        labels = np.where(covered, np.uint8(0), self.labels)
        return replace(self, labels=labels, sure=self.sure | covered)

    @validate_call
    def refine(self, label: Label, image: Any) -> Self:
        """Move the object's edges to those in the frame, but for what was painted or erased.

        Args:
            label: of the object.
            image: H×W×3 uint8 RGB, the frame.
        """
        rough = self.labels == label
        found = grab_cut(
            image,
            rough,
            inside=rough & self.sure,
            outside=~rough & (self.sure | (self.labels > 0)),
            may_grow=label not in self.outlined,
        )
        labels = np.where(rough, np.uint8(0), self.labels)
        labels[found] = label
        return replace(self, labels=labels, outlined=self.outlined - {label})

    def _stroke(self, points: Points, radius: float) -> np.ndarray:
        """H×W bool: what a round brush covers on its way."""
        drawn = np.zeros(self.labels.shape, np.uint8)
        path = _fixed_point(points)
        cv2.polylines(drawn, [path], False, 1, max(1, round(2 * radius)), shift=_SUBPIXEL_BITS)
        fixed = round(radius * 2**_SUBPIXEL_BITS)
        for end in (path[0], path[-1]):
            cv2.circle(drawn, end.tolist(), fixed, 1, cv2.FILLED, shift=_SUBPIXEL_BITS)
        return drawn > 0


@dataclass(frozen=True)
class Marks:
    """The objects of a video."""

    objects: tuple[int, ...] = (1,)
    """Their ids, rising; some may not be marked anywhere yet."""
    frames: Mapping[int, FrameMarks] = field(default_factory=dict)
    """By the number of the frame."""

    def labels(self) -> dict[int, np.ndarray]:
        """H×W of the frames in which there is an object, by their rising numbers."""
        return {n: marks.labels for n, marks in sorted(self.frames.items()) if marks.ids}

    def check(self, label: int) -> None:
        """Raise DataError where there is no such object."""
        if label not in self.objects:
            raise DataError(f"There is no object {label}; there are {list(self.objects)}.")

    def without(self, label: int) -> "Marks":
        """Without an object, which is marked in no frame any more; DataError if it is the last."""
        self.check(label)
        if len(self.objects) == 1:
            raise DataError("The last object cannot be removed. Clear its marks instead.")
        frames = {
            number: marks.clear(label) if label in marks.ids | marks.outlined else marks
            for number, marks in self.frames.items()
        }
        return Marks(tuple(i for i in self.objects if i != label), frames)

    def with_new_object(self) -> tuple["Marks", int]:
        """With one more object, and its id: the lowest that is free; DataError if there is none."""
        free = next((i for i in range(1, VOID) if i not in self.objects), None)
        if free is None:
            raise DataError("At most 254 objects can be followed at once. Remove one first.")
        return replace(self, objects=tuple(sorted((*self.objects, free)))), free


def marks_of_masks(masks: Mapping[int, Path], size: tuple[int, int]) -> Marks:
    """Marks from masks that there are already, by the number of their frame, of (H, W).

    Raises:
        DataError: one cannot be read, is of another size or marks nothing.
    """
    frames = {}
    for number, path in masks.items():
        with naming_mask(path):
            labels, _ = checked_labels(marks_in(path, size), size)
        frames[number] = FrameMarks(labels, np.zeros(size, bool))
    ids = set().union(*(marks.ids for marks in frames.values()))
    return Marks(tuple(sorted(ids)) or (1,), frames)


def _fixed_point(points: Points) -> np.ndarray:
    return np.rint(np.array(points) * 2**_SUBPIXEL_BITS).astype(np.int32)


def _check_any(covered: np.ndarray, called: str) -> None:
    if not covered.any():
        raise DataError(
            f"The {called} covers no pixel of the frame of {size_text(covered.shape)} "
            "(height×width). Draw it over the object."
        )
