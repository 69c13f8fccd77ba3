"""What a person has marked: in one frame, and in a video, with the way back.

Everything here is immutable, so that undoing is going back to an older value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ranet.datasets.image_io import VOID
from ranet.errors import DataError

_STEPS = 30
"""That can be undone; each holds the arrays of the frame that it changed."""


@dataclass(frozen=True)
class FrameAnnotation:
    """The objects of one frame. The arrays are never changed."""

    labels: np.ndarray
    """H×W uint8: 0 background, else the object."""
    sure: np.ndarray
    """H×W bool: painted or erased by hand, and so not to be refined."""
    outlined: frozenset[int] = frozenset()
    """Objects that a box or polygons go around: they lie inside what is marked."""

    @classmethod
    def empty(cls, size: tuple[int, int]) -> "FrameAnnotation":
        """Of a frame of (H, W) in which nothing is marked yet."""
        return cls(np.zeros(size, np.uint8), np.zeros(size, bool))

    @cached_property
    def ids(self) -> frozenset[int]:
        """Objects that have pixels."""
        return frozenset(np.unique(self.labels).tolist()) - {0}

    def without(self, label: int) -> "FrameAnnotation":
        """As if the object had not been marked."""
        inside = self.labels == label
        return FrameAnnotation(
            np.where(inside, np.uint8(0), self.labels),
            self.sure & ~inside,
            self.outlined - {label},
        )


@dataclass(frozen=True)
class Annotations:
    """The objects of a video."""

    objects: tuple[int, ...] = (1,)
    """Their ids, rising; some may not be marked anywhere yet."""
    frames: Mapping[int, FrameAnnotation] = field(default_factory=dict)
    """By the number of the frame."""

    def marked(self) -> dict[int, np.ndarray]:
        """Labels H×W of the frames in which there is an object, by their rising numbers."""
        return {
            number: self.frames[number].labels
            for number in sorted(self.frames)
            if self.frames[number].ids
        }

    def with_frame(self, number: int, annotation: FrameAnnotation) -> "Annotations":
        """With another annotation of a frame."""
        return replace(self, frames={**self.frames, number: annotation})

    def with_new_object(self) -> "Annotations":
        """With one more object, under the lowest free id.

        Raises:
            DataError: there are 254 already.
        """
        free = next((i for i in range(1, VOID) if i not in self.objects), None)
        if free is None:
            raise DataError("At most 254 objects can be followed at once. Remove one first.")
        return replace(self, objects=tuple(sorted({*self.objects, free})))

    def without_object(self, label: int) -> "Annotations":
        """Without an object, which is marked in no frame any more.

        Raises:
            DataError: there is no such object, or no other.
        """
        self.check_object(label)
        if len(self.objects) == 1:
            raise DataError("The last object cannot be removed. Clear its marks instead.")
        return Annotations(
            tuple(i for i in self.objects if i != label),
            {number: marks.without(label) for number, marks in self.frames.items()},
        )

    def check_object(self, label: int) -> None:
        """Raise DataError where there is no such object."""
        if label not in self.objects:
            raise DataError(
                f"There is no object {label}; there are {list(self.objects)}. Add it first."
            )


class History:
    """Annotations, and those that they were before."""

    def __init__(self, beginning: Annotations) -> None:
        self.now = beginning
        self.version = 0
        """Rises with every change."""
        self._past: list[tuple[Annotations, int]] = []
        self._future: list[tuple[Annotations, int]] = []

    @property
    def can_undo(self) -> bool:
        """Whether there is something to go back to."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether something was undone, and nothing done since."""
        return bool(self._future)

    def do(self, changed: Annotations, frame: int) -> None:
        """Go on to what was changed; ``frame`` is where that can be seen."""
        self._past = [*self._past[1 - _STEPS :], (self.now, frame)]
        self._future = []
        self._become(changed)

    def undo(self) -> int:
        """Go a step back; the number of the frame where that can be seen.

        Raises:
            DataError: there is none.
        """
        return self._step(self._past, self._future, "undo")

    def redo(self) -> int:
        """Undo the last :meth:`undo`, likewise."""
        return self._step(self._future, self._past, "redo")

    def _step(
        self,
        leave: list[tuple[Annotations, int]],
        enter: list[tuple[Annotations, int]],
        called: str,
    ) -> int:
        if not leave:
            raise DataError(f"There is nothing to {called}.")
        before, frame = leave.pop()
        enter.append((self.now, frame))
        self._become(before)
        return frame

    def _become(self, annotations: Annotations) -> None:
        self.now = annotations
        self.version += 1
