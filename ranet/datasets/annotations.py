"""Objects that are marked in a frame: labels, boxes, and the files of annotation tools.

====================  ============================================================================
an image              ids, or black and white: :mod:`ranet.datasets.mask_pixels`; in CVAT's
                      "Segmentation mask 1.1", the colours of the ``labelmap.txt`` beside it
.npy                  an array H×W of the same meaning
polygons (JSON)       ``{"objects": [{"id": 1, "polygons": [[[x, y], …], …]}, …]}``: an object is
                      what lies inside any of its polygons
LabelMe (JSON)        each shape is an object; those of one ``group_id`` are one
COCO (JSON)           each annotation is an object, with its ``track_id`` as id if all have one
Label Studio (JSON)   each region is an object; of several annotators' work, none is chosen
====================  ============================================================================

Objects without ids are 1, 2, … in the order of the file, and so are those of several files of one
frame. Everywhere, later objects are in front of earlier ones.

Points are (x, y) in pixels. Polygons and LabelMe count from the centre of the top left pixel, and
include their outline; COCO and Label Studio count from its corner.
"""

import base64
import io
import json
import math
import operator
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from ranet.datasets.image_io import VOID, read_image, read_marks
from ranet.datasets.labels import checked_labels, naming_mask
from ranet.errors import DataError
from ranet.wording import size_text, some_of

PixelBox = tuple[int, int, int, int]
"""(top, left, bottom, right), half-open, in whole pixels."""

Objects = Iterable[tuple[int, Any]]
"""Ids, and where they are: H×W bool, or another index of an H×W array."""

Size = tuple[int, int]
"""(H, W)."""

_SUBPIXEL_BITS = 4
"""Fractional bits that OpenCV keeps of a polygon's coordinates."""

_FARTHEST = 32000
"""Largest coordinate that OpenCV can draw."""


def first_labels(
    mask: str | Path | np.ndarray | Sequence[str | Path], size: Size, frame: str | None = None
) -> tuple[np.ndarray, tuple[int, ...]]:
    """:func:`checked_labels` of a video's first frame.

    Args:
        mask: a file of :func:`marks_in`, several of one object each, or labels H×W.
        size: (H, W) of the frame.
        frame: its name.

    Raises:
        DataError: a file cannot be read, or as for :func:`checked_labels`.
    """
    if isinstance(mask, np.ndarray):
        return checked_labels(mask, size)
    paths = [mask] if isinstance(mask, str | Path) else list(mask)
    with naming_mask(some_of([str(path) for path in paths]), "first mask"):
        return checked_labels(marks_of_frame([Path(path) for path in paths], size, frame), size)


def marks_of_frame(paths: Sequence[Path], size: Size, frame: str | None = None) -> np.ndarray:
    """:func:`marks_in` of the only file, or one object a file, 1, 2, …; later ones are in front.

    Raises:
        DataError: as for :func:`marks_in`, or one of several files marks several objects, or is all
            hidden.
    """
    if len(paths) == 1:
        return marks_in(paths[0], size, frame)

    objects = []
    for label, path in enumerate(paths, start=1):
        marks, ids = checked_labels(marks_in(path, size, frame), size)
        if len(ids) > 1:
            raise DataError(
                f"{path}: expected one object in each of the {len(paths)} masks of a frame, found "
                f"{len(ids)} ids."
            )
        objects.append((label, marks > 0))
    return _in_front(objects, size, "the masks of a frame")


def marks_in(path: str | Path, size: Size, frame: str | None = None) -> np.ndarray:
    """The objects that a file marks in a frame.

    Args:
        path: of one of the formats at the top of this file, whichever it is.
        size: (H, W) of the frame.
        frame: its name, by which it is found in a file of several images.

    Returns:
        H×W uint8: 0 background, 1…254 objects.

    Raises:
        DataError: the file cannot be read, is of another size, or an object has no pixel.
    """
    path = Path(path)
    if path.suffix.lower() == ".json":
        return _in_front(_objects_in_json(path, size, frame), size, str(path))
    if path.suffix.lower() == ".npy":
        try:
            array = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"Cannot read the array {path}: {error}.") from error
        return checked_labels(array, size)[0]
    labels = _by_label_map(path)
    return read_marks(path) if labels is None else labels


def labels_of_boxes(boxes: Sequence[PixelBox], size: Size) -> np.ndarray:
    """Boxes as objects 1, 2, …; where they overlap, the later one is in front.

    Args:
        boxes: at least one.
        size: (H, W) of the frame.

    Raises:
        DataError: a box is empty or goes beyond the frame, or is hidden by others; or they are too
            many.
    """
    objects = []
    for label, (top, left, bottom, right) in enumerate(boxes, start=1):
        if not (0 <= top < bottom <= size[0] and 0 <= left < right <= size[1]):
            raise DataError(
                f"Box {label}, {top},{left},{bottom},{right}, does not lie inside the frame of "
                f"{size_text(size)} (height×width): expected top,left,bottom,right in pixels with "
                f"0 ≤ top < bottom ≤ {size[0]} and 0 ≤ left < right ≤ {size[1]}."
            )
        objects.append((label, np.s_[top:bottom, left:right]))
    return _in_front(objects, size, "the boxes")


def _in_front(objects: Objects, size: Size, source: str) -> np.ndarray:
    """H×W uint8 of objects, the later in front of the earlier; each has to show."""
    labels, ids = np.zeros(size, np.uint8), set()
    for label, where in objects:
        if not 1 <= label < VOID:
            raise DataError(
                f"At most 254 objects can be followed at once, 1…254, but {source} has {label}."
            )
        labels[where] = label
        ids.add(label)
    unseen = sorted(ids - set(np.unique(labels).tolist()))
    if unseen or not ids:
        raise DataError(
            f"{source}: object {unseen[0] if unseen else 1} marks no pixel of the frame of "
            f"{size_text(size)} (height×width): expected it inside the frame, and not hidden by "
            "later objects."
        )
    return labels


def _objects_in_json(path: Path, size: Size, frame: str | None) -> Objects:
    """The objects in a JSON file of whichever tool, in its order."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"Cannot read {path}: {reason}; expected objects as JSON.") from error
    try:
        if "objects" in content:
            return [
                (operator.index(marked["id"]), _outlined(marked["polygons"], size))
                for marked in content["objects"]
            ]
        if "shapes" in content:
            return _label_me(content, size)
        if "images" in content:
            return _coco(content, size, frame)
        return _label_studio(content, size, frame)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OSError) as error:
        reason = f"{'' if type(error) is ValueError else f'{type(error).__name__}: '}{error}"
        raise DataError(
            f"{path}: expected objects as polygons, LabelMe, COCO or Label Studio write them, "
            f"found something else ({reason})."
        ) from error


def _check_size(height: int | None, width: int | None, size: Size) -> None:
    """Raise ValueError where an image is of another size than its frame; None: it does not tell."""
    if None not in (height, width) and (height, width) != size:
        raise ValueError(f"an image of {height}×{width}, but the frame is {size_text(size)}")


def _points(values: Any) -> np.ndarray:
    """N×2 (x, y) of a polygon's corners, flat or in pairs."""
    points = np.array(values, float).reshape(-1, 2)
    if len(points) < 3 or not (np.abs(points) <= _FARTHEST).all():
        raise ValueError(
            f"a polygon of {len(points)} corners, not of 3 or more, each within {_FARTHEST} pixels"
        )
    return points


# --- polygons and LabelMe: from the centre of a pixel


def _label_me(content: dict[str, Any], size: Size) -> Objects:
    _check_size(content.get("imageHeight"), content.get("imageWidth"), size)
    groups: dict[Any, np.ndarray] = {}
    for number, shape in enumerate(content["shapes"]):
        group = shape.get("group_id")
        key = f"shape {number}" if group is None else group
        groups[key] = groups.get(key, False) | _label_me_shape(shape, size)
    return enumerate(groups.values(), start=1)


def _label_me_shape(shape: dict[str, Any], size: Size) -> np.ndarray:
    kind, points = shape.get("shape_type", "polygon"), shape["points"]
    if kind == "polygon":
        return _outlined([points], size)
    points = np.array(points, float)
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    if kind == "rectangle":
        return _outlined([[left, top, right, top, right, bottom, left, bottom]], size)
    if kind == "circle":
        rows, columns = np.ogrid[: size[0], : size[1]]
        (x, y), radius = points[0], math.dist(*points)
        inside: np.ndarray = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
        return inside
    if kind == "mask":  # a PNG that is pasted where its box is
        with Image.open(io.BytesIO(base64.b64decode(shape["mask"], validate=True))) as image:
            pasted = np.array(image.convert("L")) > 0
        mask = np.zeros(size, bool)
        place = mask[round(top) :, round(left) :][: pasted.shape[0], : pasted.shape[1]]
        if min(top, left) < 0 or place.shape != pasted.shape:
            raise ValueError("a mask that goes beyond the frame")
        place[:] = pasted
        return mask
    raise ValueError(f"a shape {kind!r}, which encloses no area")


def _outlined(polygons: Iterable[Any], size: Size) -> np.ndarray:
    """H×W bool: polygons and their outlines."""
    mask = np.zeros(size, np.uint8)
    for points in polygons:
        corners = np.rint(_points(points) * 2**_SUBPIXEL_BITS).astype(np.int32)
        cv2.fillPoly(mask, [corners], 1, shift=_SUBPIXEL_BITS)
    return mask.view(bool)


# --- COCO and Label Studio: from the corner of a pixel


def _coco(content: dict[str, Any], size: Size, frame: str | None) -> Objects:
    marked = {found["image_id"] for found in content["annotations"]}
    images = [image for image in content["images"] if image["id"] in marked]
    image = _of_frame([(image, image.get("file_name", "")) for image in images], frame)
    _check_size(image.get("height"), image.get("width"), size)
    objects = [found for found in content["annotations"] if found["image_id"] == image["id"]]
    tracks = [  # CVAT has the track among the attributes
        found.get("track_id") or found.get("attributes", {}).get("track_id") for found in objects
    ]
    if not all(isinstance(track, int) and 1 <= track < VOID for track in tracks):
        tracks = list(range(1, len(objects) + 1))
    return zip(tracks, [_coco_mask(found, size) for found in objects], strict=True)


def _coco_mask(annotation: dict[str, Any], size: Size) -> np.ndarray:
    found = annotation.get("segmentation")
    if isinstance(found, dict):
        return _of_run_lengths(found, size)
    if not found and annotation.get("bbox"):  # as CVAT writes rectangles
        x, y, width, height = annotation["bbox"]
        found = [[x, y, x + width, y, x + width, y + height, x, y + height]]
    return _enclosed(found or (), size)


def _of_frame(candidates: list[tuple[Any, str]], frame: str | None) -> Any:
    """The only image that objects are marked in, or the one that is named like the frame."""
    if len(candidates) == 1:
        return candidates[0][0]
    named = [image for image, file in candidates if _is_named(Path(file).stem, frame)]
    if len(named) != 1:
        names = [Path(file).stem for _, file in candidates]
        raise ValueError(
            f"objects in {some_of(names) or 'no image'}, not in one, or in one that is named like "
            f"the frame{f' ({frame})' if frame else ''}"
        )
    return named[0]


def _is_named(name: str, frame: str | None) -> bool:
    """Whether an image is named like a frame, or so behind what a tool puts in front."""
    if frame is None or name == frame:
        return frame is not None
    ends = [re.fullmatch(r"(?:.*[^0-9])?([0-9]+)", text) for text in (name, frame)]
    if None not in ends:
        number, wanted = (int(end[1]) for end in ends if end)
        return number == wanted
    return name.endswith((f"-{frame}", f"_{frame}"))


def _of_run_lengths(found: dict[str, Any], size: Size) -> np.ndarray:
    """H×W bool of run lengths, column by column, first of 0."""
    _check_size(*found["size"], size)
    counts = found["counts"]
    counts = np.array(_unpacked(counts) if isinstance(counts, str) else counts)
    if counts.sum() != size[0] * size[1] or counts.min() < 0:
        raise ValueError(f"run lengths of {counts.sum()} pixels, not of {size[0] * size[1]}")
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(size[::-1]).T


def _unpacked(text: str) -> list[int]:
    """Run lengths from COCO's compressed ones: six bits a character, differences from the third.

    pycocotools, which is optional, reads beyond the end of a text that is none.
    """
    counts: list[int] = []
    value = shift = 0
    for bits in (ord(character) - 48 for character in text):
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            value -= (bits & 16) << shift - 4  # the sign
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    return counts


def _enclosed(polygons: Iterable[Any], size: Size) -> np.ndarray:
    """H×W bool: the pixels whose centre lies inside a polygon, by even-odd; in any of several."""
    mask = np.zeros(size, bool)
    for points in map(_points, polygons):
        crossings = np.zeros((size[0], size[1] + 1), np.int32)
        for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
            first, last = np.clip(np.ceil(np.array(sorted((y0, y1))) - 0.5), 0, size[0]).astype(int)
            rows = np.arange(first, last)
            x = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0 or 1)
            crossings[rows, np.clip(np.ceil(x - 0.5), 0, size[1]).astype(int)] += 1
        mask |= np.cumsum(crossings[:, :-1], axis=1) % 2 == 1
    return mask


def _label_studio(content: Any, size: Size, frame: str | None) -> Objects:
    """Regions of an export as JSON or JSON-MIN, of one task or several."""
    tasks = [content] if isinstance(content, dict) else content
    regions = [(list(_regions(task)), _task_file(task)) for task in tasks]
    found = _of_frame([pair for pair in regions if pair[0]], frame)
    return enumerate([_region(region, size) for region in found], start=1)


def _regions(task: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Where objects are, with the size of the image: ``value`` holds the shape in JSON alone."""
    if "annotations" in task:
        kept = [work for work in task["annotations"] if not work.get("was_cancelled")]
        if len(kept) > 1:
            raise ValueError(f"{len(kept)} annotations of one image, of which one is to be chosen")
        found = [region for work in kept for region in work["result"] if "value" in region]
        return (r for r in found if _SHAPES & r["value"].keys())
    lists = [value for value in task.values() if isinstance(value, list)]
    return ({**region, "value": region} for regions in lists for region in regions)


_SHAPES = {"rle", "points", "width", "radiusX"}
"""What one of a region's values is called, by its kind; a label alone has none of them."""


def _task_file(task: dict[str, Any]) -> str:
    return next((text for text in task.get("data", task).values() if isinstance(text, str)), "")


def _region(region: dict[str, Any], size: Size) -> np.ndarray:
    value = region["value"]
    _check_size(region["original_height"], region["original_width"], size)
    if "rle" in value:
        return _of_brush(value["rle"], size)
    if "points" in value:
        points = np.array(value["points"], float)
    elif "radiusX" in value:
        angles = np.linspace(0, 2 * math.pi, 360, endpoint=False)
        rim = np.stack([value["radiusX"] * np.cos(angles), value["radiusY"] * np.sin(angles)], -1)
        points = rim + np.array([value["x"], value["y"]])
    else:
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
        points = corners * [value["width"], value["height"]] + [value["x"], value["y"]]
    pixels = points * (size[1], size[0]) / 100  # from percent
    if value.get("rotation"):  # clockwise, around the first corner or the centre
        pivot = np.array([value["x"], value["y"]]) * (size[1], size[0]) / 100
        angle = math.radians(value["rotation"])
        turn = [[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]
        pixels = (pixels - pivot) @ np.array(turn) + pivot
    return _enclosed([pixels], size)


def _of_brush(packed: Sequence[int], size: Size) -> np.ndarray:
    """H×W bool of a brush stroke: RGBA bytes in runs of one value or of single ones.

    A stream of bits: how many bytes (32 bits), bits a value less one (5), bits of four kinds of
    lengths less one (4 each); then runs: whether of one value (1), the kind of length (2), the
    length less one, and the value or values.
    """
    bits = "".join(f"{byte:08b}" for byte in packed)
    at = 0

    def read(count: int) -> int:
        nonlocal at
        at += count
        if at > len(bits):
            raise ValueError("a brush stroke that ends too early")
        return int(bits[at - count : at], 2)

    total, word = read(32), read(5) + 1
    if total != size[0] * size[1] * 4:
        raise ValueError(f"a brush stroke of {total} bytes for {size_text(size)} pixels")
    lengths = [read(4) + 1 for _ in range(4)]
    values, done = np.zeros(total, np.uint8), 0
    while done < total:
        same = read(1)
        end = done + 1 + read(lengths[read(2)])
        if same:
            values[done:end] = read(word)
        else:
            values[done:end] = [read(word) for _ in range(done, min(end, total))]
        done = end
    return values.reshape(*size, 4)[..., 3] > 0


# --- CVAT's labels by colour


def _by_label_map(path: Path) -> np.ndarray | None:
    """H×W uint8 of a mask in the colours of the ``labelmap.txt`` beside or above it, in its order.

    None without such a file or in other colours; masks of instances have those of DAVIS.
    """
    files = [folder / "labelmap.txt" for folder in (path.parent, path.parent.parent)]
    found = next((file for file in files if file.is_file()), None)
    if found is None or path.parent.name == "SegmentationObject":
        return None
    text = found.read_text(encoding="utf-8", errors="replace")
    listed = re.findall(r"^[^#:\n][^:\n]*:(\d+),(\d+),(\d+):", text, re.MULTILINE)
    colours = dict.fromkeys([(0, 0, 0), *(tuple(map(int, colour)) for colour in listed)])
    pixels = read_image(path)
    labels = np.full(pixels.shape[:2], VOID, np.uint8)
    for label, colour in enumerate(colours):
        labels[(pixels == colour).all(axis=2)] = label
    return None if (labels == VOID).any() else labels
