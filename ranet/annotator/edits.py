"""What a person can do to the marks of a frame, as the page asks for it.

Coordinates are in pixels, from the centre of the top left one; x counts columns.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

import cv2
import numpy as np
from pydantic import Field

from ranet.annotator.annotation import FrameAnnotation
from ranet.annotator.grab_cut import grab_cut
from ranet.config import Section
from ranet.datasets.image_io import VOID
from ranet.errors import DataError
from ranet.wording import size_text

_SUBPIXEL_BITS = 4
"""Fractional bits that OpenCV keeps of coordinates."""

Coordinate = Annotated[float, Field(ge=-16000, le=16000)]  # what OpenCV can draw, and more
Point = tuple[Coordinate, Coordinate]
Points = Annotated[list[Point], Field(max_length=20000)]


class Scene(NamedTuple):
    """What an edit may look at."""

    read_image: Callable[[], np.ndarray]
    """Gives the frame, H×W×3 uint8 RGB."""
    result: np.ndarray | None
    """H×W uint8: labels that the network gave this frame."""


class Edit(Section):
    """Something done to one object in one frame."""

    object: Annotated[int, Field(ge=1, lt=VOID)]

    @abstractmethod
    def applied(self, marks: FrameAnnotation, scene: Scene) -> FrameAnnotation:
        """The marks after it.

        Raises:
            DataError: it cannot be done.
        """

    def _with_result(self, marks: FrameAnnotation, scene: Scene) -> FrameAnnotation:
        """The marks with what the network found of an object that is not marked yet.

        Whoever corrects a result does not have to mark the object again.
        """
        if scene.result is None or self.object in marks.ids:
            return marks
        found = (scene.result == self.object) & (marks.labels == 0) & ~marks.sure
        return FrameAnnotation(
            np.where(found, np.uint8(self.object), marks.labels), marks.sure, marks.outlined
        )


class Box(Edit):
    """Begins the object anew in this frame: it lies inside. Other objects stay in front."""

    kind: Literal["box"]
    box: tuple[int, int, int, int]
    """top, left, bottom, right, half-open."""

    def applied(self, marks: FrameAnnotation, scene: Scene) -> FrameAnnotation:
        """See :meth:`Edit.applied`."""
        top, left, bottom, right = (max(0, edge) for edge in self.box)
        inside = np.zeros(marks.labels.shape, bool)
        inside[top:bottom, left:right] = True
        _check_any(inside, "box")
        others = marks.without(self.object)
        inside &= others.labels == 0
        _check_any(inside, "box, outside the other objects,")
        return FrameAnnotation(
            np.where(inside, np.uint8(self.object), others.labels),
            others.sure & ~inside,
            others.outlined | {self.object},
        )


class Polygon(Edit):
    """Adds what lies inside to the object, over others."""

    kind: Literal["polygon"]
    points: Annotated[Points, Field(min_length=3)]

    def applied(self, marks: FrameAnnotation, scene: Scene) -> FrameAnnotation:
        """See :meth:`Edit.applied`."""
        drawn = np.zeros(marks.labels.shape, np.uint8)
        cv2.fillPoly(drawn, [_fixed_point(self.points)], 1, shift=_SUBPIXEL_BITS)
        inside = drawn > 0
        _check_any(inside, "polygon")
        is_new = self.object not in marks.ids
        return FrameAnnotation(
            np.where(inside, np.uint8(self.object), marks.labels),
            marks.sure & ~inside,
            marks.outlined | {self.object} if is_new else marks.outlined,
        )


class _Stroke(Edit):
    points: Annotated[Points, Field(min_length=1)]
    radius: Annotated[float, Field(gt=0, le=1000)]

    def _covered(self, size: tuple[int, int]) -> np.ndarray:
        """H×W bool."""
        drawn = np.zeros(size, np.uint8)
        path = _fixed_point(self.points)
        thickness = max(1, round(2 * self.radius))
        cv2.polylines(drawn, [path], False, 1, thickness, shift=_SUBPIXEL_BITS)
        radius = round(self.radius * 2**_SUBPIXEL_BITS)
        for end in (path[0], path[-1]):
            cv2.circle(drawn, end.tolist(), radius, 1, cv2.FILLED, shift=_SUBPIXEL_BITS)
        return drawn > 0


class Brush(_Stroke):
    """Paints the object, over others, for sure."""

    kind: Literal["brush"]

    def applied(self, marks: FrameAnnotation, scene: Scene) -> FrameAnnotation:
        """See :meth:`Edit.applied`."""
        marks = self._with_result(marks, scene)
        covered = self._covered(marks.labels.shape)
        _check_any(covered, "stroke")
        beyond = (covered & (marks.labels != self.object)).any()
        return FrameAnnotation(
            np.where(covered, np.uint8(self.object), marks.labels),
            marks.sure | covered,
            marks.outlined - {self.object} if beyond else marks.outlined,
        )


class Eraser(_Stroke):
    """Takes from the object, and from no other, for sure."""

    kind: Literal["eraser"]

    def applied(self, marks: FrameAnnotation, scene: Scene) -> FrameAnnotation:
        """See :meth:`Edit.applied`."""
        marks = self._with_result(marks, scene)
        covered = self._covered(marks.labels.shape) & np.isin(marks.labels, (0, self.object))
        return FrameAnnotation(
            np.where(covered, np.uint8(0), marks.labels), marks.sure | covered, marks.outlined
        )


class Refine(Edit):
    """Moves the object's edges to those in the image, but for what was painted or erased."""

    kind: Literal["refine"]

    def applied(self, marks: FrameAnnotation, scene: Scene) -> FrameAnnotation:
        """See :meth:`Edit.applied`."""
        marks = self._with_result(marks, scene)
        rough = marks.labels == self.object
        found = grab_cut(
            scene.read_image(),
            rough,
            inside=rough & marks.sure,
            outside=~rough & (marks.sure | (marks.labels > 0)),
            may_grow=self.object not in marks.outlined,
        )
        labels = np.where(rough, np.uint8(0), marks.labels)
        labels[found] = self.object
        return FrameAnnotation(labels, marks.sure, marks.outlined - {self.object})


class Clear(Edit):
    """Takes the object's marks in this frame away."""

    kind: Literal["clear"]

    def applied(self, marks: FrameAnnotation, scene: Scene) -> FrameAnnotation:
        """See :meth:`Edit.applied`."""
        return marks.without(self.object)


class FrameEdit(Section):
    """An edit and the frame that it is done to."""

    frame: Annotated[int, Field(ge=0)]
    edit: Annotated[Box | Polygon | Brush | Eraser | Refine | Clear, Field(discriminator="kind")]


def _fixed_point(points: list[Point]) -> np.ndarray:
    return np.rint(np.array(points) * 2**_SUBPIXEL_BITS).astype(np.int32)


def _check_any(covered: np.ndarray, called: str) -> None:
    if not covered.any():
        raise DataError(
            f"The {called} covers no pixel of the frame of {size_text(covered.shape)} "
            "(height×width). Draw it over the object."
        )
