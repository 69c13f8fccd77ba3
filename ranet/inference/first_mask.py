"""Where the objects are in the first frame: a mask, boxes, or polygons, as labels.

Labels are H×W uint8: 0 background, 1…254 objects.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
from pydantic import Field

from ranet.config import Section, parse_config
from ranet.datasets.image_io import VOID, read_marks
from ranet.datasets.mask_pixels import labels_of_values
from ranet.errors import ConfigError, DataError
from ranet.wording import size_text

Box = tuple[int, int, int, int]
"""(top, left, bottom, right), half-open, in pixels."""

_SUBPIXEL_BITS = 4
"""Fractional bits that OpenCV keeps of a polygon's coordinates."""

Coordinate = Annotated[float, Field(ge=-32000, le=32000)]  # what OpenCV can draw

Point = tuple[Coordinate, Coordinate]


class PolygonObject(Section):
    """An object's outlines: it is all that lies inside any of them."""

    id: Annotated[int, Field(ge=1, lt=VOID)]
    polygons: Annotated[list[Annotated[list[Point], Field(min_length=3)]], Field(min_length=1)]


class PolygonFile(Section):
    """``{"objects": [{"id": 1, "polygons": [[[x, y], [x, y], [x, y]], …]}, …]}``, in pixels.

    x counts columns and y rows from the centre of the top left pixel.
    """

    objects: Annotated[list[PolygonObject], Field(min_length=1)]


def checked_labels(labels: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, tuple[int, ...]]:
    """Check the labels of a frame and drop void.

    Args:
        labels: H×W integers or booleans: 0 background, 1…254 objects, 255 void; or black and white
            as in a grey file: 0, and 255 for object 1.
        size: (H, W) of the frame.

    Returns:
        H×W uint8 with void as background, and the ids in it, rising.

    Raises:
        DataError: another size or type, ids that cannot be, or no object.
    """
    if not isinstance(labels, np.ndarray):
        raise DataError(
            "Labels should be an H×W numpy array of integers, found "
            f"{type(labels).__name__}. Make it one with numpy.asarray."
        )
    if labels.ndim != 2 or not (labels.dtype == bool or np.issubdtype(labels.dtype, np.integer)):
        raise DataError(
            "Labels should be an H×W array of integers (0 background, 1…254 objects), found shape "
            f"{labels.shape} of {labels.dtype}."
        )
    if labels.shape != size:
        raise DataError(
            f"The labels are {size_text(labels.shape)}, but their frame is {size_text(size)} "
            "(height×width). Labels should be of the frame's own size."
        )
    values = np.unique(labels)
    if values[0] < 0 or values[-1] > VOID:
        raise DataError(
            "Ids of objects should be 1…254 (0 is background, 255 void), found "
            f"{values[0]} to {values[-1]}. At most 254 objects can be followed at once."
        )
    labels = labels.astype(np.uint8)
    if values[-1] == VOID:
        labels = labels_of_values(labels, "The array of labels")
        values = np.unique(labels)
    ids = tuple(int(value) for value in values if value not in (0, VOID))
    if not ids:
        raise DataError(
            "The labels mark no object: every pixel is background or void. "
            "Mark at least one object with an id of 1…254."
        )
    return np.where(labels == VOID, 0, labels).astype(np.uint8), ids


@contextlib.contextmanager
def naming_mask(source: str | Path, what: str = "mask") -> Iterator[None]:
    """Say in a DataError about labels where they come from."""
    try:
        yield
    except DataError as error:
        raise DataError(f"The {what} {source} cannot be used. {error}") from error


def naming_first_mask(source: str | Path) -> contextlib.AbstractContextManager[None]:
    """:func:`naming_mask` of a video's first frame."""
    return naming_mask(source, "first mask")


def first_labels(
    mask: str | Path | np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, tuple[int, ...]]:
    """:func:`checked_labels` of a video's first frame, from a file or as they are.

    Args:
        mask: a file of them, or H×W.
        size: (H, W) of the frame.

    Raises:
        DataError: the file cannot be read, or as for :func:`checked_labels`.
    """
    if isinstance(mask, np.ndarray):
        return checked_labels(mask, size)
    with naming_first_mask(mask):
        return checked_labels(read_marks(mask), size)


def labels_of_boxes(boxes: Sequence[Box], size: tuple[int, int]) -> np.ndarray:
    """Boxes as objects 1, 2, …; where they overlap, the later one is in front.

    Args:
        boxes: at least one.
        size: (H, W) of the frame.

    Raises:
        DataError: a box is empty or goes beyond the frame, or is hidden by others; or they are too
            many.
    """
    if len(boxes) >= VOID:
        raise DataError(f"At most 254 objects can be followed at once, found {len(boxes)} boxes.")
    labels = np.zeros(size, np.uint8)
    for label, box in enumerate(boxes, start=1):
        top, left, bottom, right = box
        if not (0 <= top < bottom <= size[0] and 0 <= left < right <= size[1]):
            raise DataError(
                f"Box {label}, {_box_text(box)}, does not lie inside the frame of "
                f"{size_text(size)} (height×width). Expected top,left,bottom,right in pixels with "
                f"0 ≤ top < bottom ≤ {size[0]} and 0 ≤ left < right ≤ {size[1]}."
            )
        labels[top:bottom, left:right] = label
    for label, box in enumerate(boxes, start=1):
        if not (labels == label).any():
            raise DataError(
                f"Box {label}, {_box_text(box)}, is hidden by later boxes. Give the boxes in the "
                "order from back to front."
            )
    return labels


def _box_text(box: Box) -> str:
    return ",".join(map(str, box))


def labels_of_polygons(path: str | Path, size: tuple[int, int]) -> np.ndarray:
    """Objects from the outlines in a JSON file (:class:`PolygonFile`); later ones are in front.

    Args:
        path: the file.
        size: (H, W) of the frame.

    Raises:
        DataError: the file cannot be read or holds something else, or an object has no pixel.
    """
    described = _read_polygons(Path(path))
    labels = np.zeros(size, np.uint8)
    for described_object in described.objects:
        for polygon in described_object.polygons:
            corners = np.rint(np.array(polygon) * 2**_SUBPIXEL_BITS).astype(np.int32)
            cv2.fillPoly(labels, [corners], described_object.id, shift=_SUBPIXEL_BITS)
    for described_object in described.objects:
        if not (labels == described_object.id).any():
            raise DataError(
                f"{path}: object {described_object.id} marks no pixel of the frame of "
                f"{size_text(size)} (height×width). Expected [x, y] in pixels, inside the frame, "
                "not hidden by a later object."
            )
    return labels


def _read_polygons(path: Path) -> PolygonFile:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(
            f"Cannot read the polygons {path}: {error}. Expected JSON such as "
            '{"objects": [{"id": 1, "polygons": [[[x, y], [x, y], [x, y]]]}]}.'
        ) from error
    try:
        return parse_config(PolygonFile, content, source=str(path))
    except ConfigError as error:
        raise DataError(str(error)) from None
