"""Objects that are marked in a frame: from the files of annotation tools, or as boxes.

====================  ============================================================================
an image              ids, or black and white: :mod:`ranet.datasets.mask_pixels`; in CVAT's
                      "Segmentation mask 1.1", the colours of the ``labelmap.txt`` beside it
.npy                  an array H×W of the same meaning
polygons (JSON)       :class:`PolygonFile`
LabelMe (JSON)        each shape is an object; those of one ``group_id`` are one
COCO (JSON)           each annotation is an object, with its ``track_id`` as id if all have one
Label Studio (JSON)   each region is an object; of several annotators' work, none is chosen
====================  ============================================================================

Objects without ids are 1, 2, … in the order of the file, and so are those of several files of one
frame. Everywhere, later objects are in front of earlier ones.

LabelMe and :class:`PolygonFile` count from the centre of the top left pixel, COCO and Label Studio
from its corner.
"""

import base64
import binascii
import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
from PIL import Image
from pydantic import Field

from ranet.config import Section, parse_config
from ranet.datasets.image_io import VOID, read_image, read_marks
from ranet.datasets.video_io import FrameSource, ImageFrames
from ranet.errors import ConfigError, DataError
from ranet.inference.first_mask import checked_labels, naming_first_mask
from ranet.wording import size_text, some_of

Box = tuple[int, int, int, int]
"""(top, left, bottom, right), half-open, in pixels."""

Objects = Iterable[tuple[int, np.ndarray]]
"""Ids, and where they are: H×W bool."""

Size = tuple[int, int]
"""(H, W)."""

_SUBPIXEL_BITS = 4
"""Fractional bits that OpenCV keeps of a polygon's coordinates."""

Coordinate = Annotated[float, Field(ge=-32000, le=32000)]  # what OpenCV can draw

Point = tuple[Coordinate, Coordinate]

Id = Annotated[int, Field(ge=1, lt=VOID)]


class PolygonObject(Section):
    """An object's outlines: it is all that lies inside any of them."""

    id: Id
    polygons: Annotated[list[Annotated[list[Point], Field(min_length=3)]], Field(min_length=1)]


class PolygonFile(Section):
    """``{"objects": [{"id": 1, "polygons": [[[x, y], [x, y], [x, y]], …]}, …]}``, in pixels.

    x counts columns and y rows from the centre of the top left pixel.
    """

    objects: Annotated[list[PolygonObject], Field(min_length=1)]


class _Shape(Section, extra="ignore"):
    points: list[Point]
    shape_type: str = "polygon"
    group_id: int | None = None
    mask: str | None = None  # a PNG


class _LabelMe(Section, extra="ignore"):
    shapes: Annotated[list[_Shape], Field(min_length=1)]
    imageHeight: int | None = None
    imageWidth: int | None = None


class _RunLengths(Section, extra="ignore"):
    size: Size
    counts: list[Annotated[int, Field(ge=0)]] | str


_Polygon = Annotated[list[Coordinate], Field(min_length=6)]  # x, y, x, y, …


class _CocoImage(Section, extra="ignore"):
    id: int | str
    file_name: str = ""
    height: int | None = None
    width: int | None = None


class _CocoObject(Section, extra="ignore"):
    image_id: int | str
    segmentation: list[_Polygon] | _RunLengths = Field(default_factory=list)
    bbox: tuple[Coordinate, Coordinate, Coordinate, Coordinate] | None = None  # x, y, width, height
    track_id: int | None = None
    attributes: dict[str, Any] = Field(default_factory=dict)  # CVAT has the track there

    @property
    def track(self) -> Any:
        return self.attributes.get("track_id") if self.track_id is None else self.track_id


class _Coco(Section, extra="ignore"):
    images: Annotated[list[_CocoImage], Field(min_length=1)]
    annotations: Annotated[list[_CocoObject], Field(min_length=1)]


def frame_name(source: FrameSource, number: int) -> str:
    """What a frame is called in files of several images: as its image, or by its number."""
    images = source.paths if isinstance(source, ImageFrames) else ()
    return images[number].stem if 0 <= number < len(images) else str(number)


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
    colours = _label_map(path)
    return read_marks(path) if colours is None else _by_colour(path, colours)


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
    with naming_first_mask(some_of([str(path) for path in paths])):
        return checked_labels(marks_of_frame([Path(path) for path in paths], size, frame), size)


def marks_of_frame(paths: Sequence[Path], size: Size, frame: str | None = None) -> np.ndarray:
    """:func:`marks_in` of the only file, or one object a file, 1, 2, …; later ones are in front.

    Raises:
        DataError: as for :func:`marks_in`, or one of several files marks several objects, or is all
            hidden.
    """
    if len(paths) == 1:
        return marks_in(paths[0], size, frame)

    def objects() -> Iterator[tuple[int, np.ndarray]]:
        for label, path in enumerate(paths, start=1):
            marks, ids = checked_labels(marks_in(path, size, frame), size)
            if len(ids) > 1:
                raise DataError(
                    f"{path}: expected one object in each of the {len(paths)} masks of a frame, "
                    f"found {len(ids)} ids."
                )
            yield label, marks > 0

    return _in_front(objects(), size, "the masks of a frame")


def labels_of_boxes(boxes: Sequence[Box], size: Size) -> np.ndarray:
    """Boxes as objects 1, 2, …; where they overlap, the later one is in front.

    Args:
        boxes: at least one.
        size: (H, W) of the frame.

    Raises:
        DataError: a box is empty or goes beyond the frame, or is hidden by others; or they are too
            many.
    """

    def objects() -> Iterator[tuple[int, np.ndarray]]:
        for label, box in enumerate(boxes, start=1):
            top, left, bottom, right = box
            if not (0 <= top < bottom <= size[0] and 0 <= left < right <= size[1]):
                raise DataError(
                    f"Box {label}, {','.join(map(str, box))}, does not lie inside the frame of "
                    f"{size_text(size)} (height×width). Expected top,left,bottom,right in pixels "
                    f"with 0 ≤ top < bottom ≤ {size[0]} and 0 ≤ left < right ≤ {size[1]}."
                )
            mask = np.zeros(size, bool)
            mask[top:bottom, left:right] = True
            yield label, mask

    return _in_front(objects(), size, "the boxes")


def _in_front(objects: Objects, size: Size, source: str) -> np.ndarray:
    """H×W uint8 of objects, the later in front of the earlier; each has to show."""
    labels, ids = np.zeros(size, np.uint8), []
    for label, mask in objects:
        if label >= VOID:
            raise DataError(f"At most 254 objects can be followed at once, {source} mark more.")
        labels[mask] = label
        ids.append(label)
    unseen = sorted(set(ids) - set(np.unique(labels).tolist()))
    if unseen:
        raise DataError(
            f"{source}: object {unseen[0]} marks no pixel of the frame of {size_text(size)} "
            "(height×width): expected it inside the frame, and not hidden by later objects."
        )
    return labels


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise DataError(f"Cannot read {path}: {reason}; expected objects as JSON.") from error


def _objects_in_json(path: Path, size: Size, frame: str | None) -> Objects:
    """The objects in a JSON file of whichever tool, in its order."""
    content = _read_json(path)
    keys = content.keys() if isinstance(content, dict) else set()
    if "objects" in keys:
        return _polygons(content, path, size)
    if "shapes" in keys:
        return _label_me(content, path, size)
    if "images" in keys and "annotations" in keys:
        return _coco(content, path, size, frame)
    tasks = [content] if "annotations" in keys else content
    if isinstance(tasks, list) and tasks and all(isinstance(task, dict) for task in tasks):
        return _label_studio(tasks, path, size, frame)
    raise DataError(
        f"{path}: expected objects as polygons, LabelMe, COCO or Label Studio write them, found "
        f"{some_of(sorted(keys)) if keys else type(content).__name__}."
    )


def _parsed(kind: type[Section], content: Any, path: Path) -> Any:
    try:
        return parse_config(kind, content, source=str(path))
    except ConfigError as error:
        raise DataError(str(error)) from None


def _check_size(found: tuple[int | None, int | None], size: Size, path: Path) -> None:
    """Raise DataError where an image is of another size than its frame; None: it does not tell."""
    if None not in found and found != size:
        raise DataError(
            f"{path} is of an image of {found[0]}×{found[1]}, but the frame is {size_text(size)} "
            "(height×width); expected the frame's own size."
        )


# --- polygons and LabelMe: from the centre of a pixel


def _polygons(content: Any, path: Path, size: Size) -> Objects:
    for described in _parsed(PolygonFile, content, path).objects:
        yield (
            described.id,
            _any_of((_outlined(points, size) for points in described.polygons), size),
        )


def _label_me(content: Any, path: Path, size: Size) -> Objects:
    described = _parsed(_LabelMe, content, path)
    _check_size((described.imageHeight, described.imageWidth), size, path)
    groups: dict[Any, list[_Shape]] = {}
    for number, shape in enumerate(described.shapes):
        key = ("alone", number) if shape.group_id is None else ("group", shape.group_id)
        groups.setdefault(key, []).append(shape)
    for label, shapes in enumerate(groups.values(), start=1):
        yield label, _any_of((_label_me_shape(shape, path, size) for shape in shapes), size)


def _label_me_shape(shape: _Shape, path: Path, size: Size) -> np.ndarray:
    points, kind = np.array(shape.points).reshape(-1, 2), shape.shape_type
    if kind == "polygon" and len(points) >= 3:
        return _outlined(points, size)
    if kind == "rectangle" and len(points) >= 2:
        (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
        corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
        return _outlined(corners, size)
    if kind == "circle" and len(points) == 2:
        rows, columns = np.ogrid[: size[0], : size[1]]
        (x, y), radius = points[0], math.dist(*points)
        inside: np.ndarray = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
        return inside
    if kind == "mask" and shape.mask and len(points) == 2:
        return _label_me_mask(shape.mask, points, path, size)
    raise DataError(
        f"{path}: expected shapes that enclose an area (polygon, rectangle, circle, mask), found "
        f"{kind!r} of {len(points)} points."
    )


def _label_me_mask(encoded: str, points: np.ndarray, path: Path, size: Size) -> np.ndarray:
    """A mask that is pasted where its box is."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(encoded, validate=True))) as image:
            inside = np.array(image.convert("L")) > 0
    except (OSError, SyntaxError, ValueError, binascii.Error) as error:
        raise DataError(f"{path}: cannot read the mask of a shape: {error}.") from error
    left, top = np.rint(points.min(axis=0)).astype(int)
    bottom, right = top + inside.shape[0], left + inside.shape[1]
    if not (0 <= top < bottom <= size[0] and 0 <= left < right <= size[1]):
        raise DataError(
            f"{path}: expected masks inside the frame of {size_text(size)} (height×width), found "
            f"one at row {top}, column {left} of {size_text(inside.shape)}."
        )
    mask = np.zeros(size, bool)
    mask[top:bottom, left:right] = inside
    return mask


def _outlined(points: Sequence[Point] | np.ndarray, size: Size) -> np.ndarray:
    """H×W bool: a polygon and its outline."""
    mask = np.zeros(size, np.uint8)
    corners = np.rint(np.array(points) * 2**_SUBPIXEL_BITS).astype(np.int32)
    cv2.fillPoly(mask, [corners], 1, shift=_SUBPIXEL_BITS)
    return mask.view(bool)


def _any_of(masks: Iterable[np.ndarray], size: Size) -> np.ndarray:
    union = np.zeros(size, bool)
    for mask in masks:
        union |= mask
    return union


# --- COCO and Label Studio: from the corner of a pixel


def _coco(content: Any, path: Path, size: Size, frame: str | None) -> Objects:
    described = _parsed(_Coco, content, path)
    marked = {found.image_id for found in described.annotations}
    names = [(image, Path(image.file_name).stem) for image in described.images]
    image = _of_frame([pair for pair in names if pair[0].id in marked], frame, path)
    _check_size((image.height, image.width), size, path)
    objects = [found for found in described.annotations if found.image_id == image.id]
    tracks = [found.track for found in objects]
    if not all(isinstance(track, int) and 1 <= track < VOID for track in tracks):
        tracks = list(range(1, len(objects) + 1))
    for track, found in zip(tracks, objects, strict=True):
        if isinstance(found.segmentation, _RunLengths):
            yield track, _of_run_lengths(found.segmentation, path, size)
        else:
            outlines = found.segmentation
            if not outlines and found.bbox:  # as CVAT writes rectangles
                x, y, width, height = found.bbox
                outlines = [[x, y, x + width, y, x + width, y + height, x, y + height]]
            if any(len(outline) % 2 for outline in outlines):
                raise DataError(f"{path}: expected polygons x, y, x, y, …, found an odd number.")
            polygons = (np.array(outline).reshape(-1, 2) for outline in outlines)
            yield track, _any_of((_enclosed(points, size) for points in polygons), size)


def _of_frame(candidates: list[tuple[Any, str]], frame: str | None, path: Path) -> Any:
    """The only image that objects are marked in, or the one that is named like the frame."""
    if len(candidates) > 1:
        named = [image for image, name in candidates if _is_named(name, frame)]
        if len(named) != 1:
            names = [name for _, name in candidates]
            raise DataError(
                f"{path}: expected objects in one image, or in one that is named like the frame"
                f"{f' ({frame})' if frame else ''}, found them in {some_of(names)}."
            )
        return named[0]
    if not candidates:
        raise DataError(f"{path}: expected objects in an image, found none.")
    return candidates[0][0]


def _is_named(name: str, frame: str | None) -> bool:
    """Whether an image is named like a frame, or so behind what a tool puts in front."""
    if frame is None or name == frame:
        return frame is not None
    ends = [re.fullmatch(r"(?:.*[^0-9])?([0-9]+)", text) for text in (name, frame)]
    if None not in ends:
        number, wanted = (int(end[1]) for end in ends if end)
        return number == wanted
    return name.endswith((f"-{frame}", f"_{frame}"))


def _of_run_lengths(found: _RunLengths, path: Path, size: Size) -> np.ndarray:
    """H×W bool of run lengths, column by column, first of 0."""
    _check_size(found.size, size, path)
    counts = _counts(found.counts, path) if isinstance(found.counts, str) else found.counts
    if sum(counts) != size[0] * size[1] or min(counts) < 0:
        raise DataError(
            f"{path}: expected run lengths of {size[0] * size[1]} pixels, found {sum(counts)}."
        )
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(size[::-1]).T


def _counts(text: str, path: Path) -> list[int]:
    """Run lengths from COCO's compressed ones: six bits a character, differences from the third."""
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise DataError(
                f"{path}: expected run lengths as COCO writes them, found {text[:20]!r}."
            )
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            value -= (bits & 16) << shift - 4  # the sign
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    return counts


def _enclosed(points: np.ndarray, size: Size) -> np.ndarray:
    """H×W bool: the pixels whose centre lies inside a polygon, N×2 of (x, y); by even-odd."""
    crossings = np.zeros((size[0], size[1] + 1), np.int32)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        first, last = np.clip(np.ceil(np.array(sorted((y0, y1))) - 0.5), 0, size[0]).astype(int)
        rows = np.arange(first, last)
        x = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0 or 1)
        crossings[rows, np.clip(np.ceil(x - 0.5), 0, size[1]).astype(int)] += 1
    return np.cumsum(crossings[:, :-1], axis=1) % 2 == 1


def _label_studio(tasks: list[Any], path: Path, size: Size, frame: str | None) -> Objects:
    """Regions of an export as JSON or JSON-MIN."""
    try:
        regions = [(list(_regions(task)), _task_name(task)) for task in tasks]
        found = _of_frame([pair for pair in regions if pair[0]], frame, path)
        masks = [_region(region, path, size) for region in found]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise DataError(
            f"{path}: expected an export of Label Studio with brush strokes, polygons, rectangles "
            f"or ellipses, found something else ({type(error).__name__}: {error})."
        ) from error
    return list(enumerate(masks, start=1))


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


def _task_name(task: dict[str, Any]) -> str:
    texts = [text for text in task.get("data", task).values() if isinstance(text, str)]
    return Path(texts[0]).stem if texts else ""


def _region(region: dict[str, Any], path: Path, size: Size) -> np.ndarray:
    value = region["value"]
    _check_size((region["original_height"], region["original_width"]), size, path)
    if "rle" in value:
        return _of_brush(value["rle"], size)
    if "points" in value:
        points = np.array(value["points"], float)
    elif "radiusX" in value:
        angles = np.linspace(0, 2 * math.pi, 360, endpoint=False)
        rim = np.stack([value["radiusX"] * np.cos(angles), value["radiusY"] * np.sin(angles)], -1)
        points = rim + np.array([value["x"], value["y"]])
    else:
        left, top, width, height = (value[key] for key in ("x", "y", "width", "height"))
        corners = [[0, 0], [width, 0], [width, height], [0, height]]
        points = np.array(corners, float) + np.array([left, top])
    pixels = points * (size[1], size[0]) / 100  # from percent
    if not np.isfinite(pixels).all():
        raise ValueError("coordinates that are no numbers")
    if value.get("rotation"):  # clockwise, around the first corner or the centre
        pivot = np.array([value["x"], value["y"]]) * (size[1], size[0]) / 100
        angle = math.radians(value["rotation"])
        turn = [[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]
        pixels = (pixels - pivot) @ np.array(turn) + pivot
    return _enclosed(pixels, size)


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


def _label_map(path: Path) -> dict[tuple[int, ...], int] | None:
    """The ids of the colours in the ``labelmap.txt`` beside or above a mask; None without one.

    They are numbered in its order. Masks of instances have the colours of the DAVIS palette.
    """
    files = [folder / "labelmap.txt" for folder in (path.parent, path.parent.parent)]
    found = next((file for file in files if file.is_file()), None)
    if found is None or path.parent.name == "SegmentationObject":
        return None
    colours: dict[tuple[int, ...], int] = {(0, 0, 0): 0}
    for line in found.read_text(encoding="utf-8", errors="replace").splitlines():
        colour = re.match(r"[^#:][^:]*:(\d+),(\d+),(\d+):", line)
        if colour:
            colours.setdefault(tuple(map(int, colour.groups())), len(colours))
    return colours


def _by_colour(path: Path, colours: dict[tuple[int, ...], int]) -> np.ndarray:
    """H×W uint8 of a mask in the colours of a label map; other masks as without one."""
    pixels = read_image(path)
    labels = np.zeros(pixels.shape[:2], np.uint8)
    known = np.zeros(pixels.shape[:2], bool)
    for colour, label in colours.items():
        here = (pixels == colour).all(axis=2)
        labels[here], known = label, known | here
    return labels if known.all() else read_marks(path)
