"""What the pixels of a mask file mean, in every mode of a file.

===============  =================================================================================
indexed (P)      the indices are the labels; the colours of the palette mean nothing
1 bit (1)        0 and 1
grey (L, LA)     only black and white: 0 and 1; otherwise the values are the labels
grey, 16 bits    the same, with white 65535 (or 255)
colour (RGB(A))  colours of the DAVIS palette: their labels; all pixels grey: as grey; else an error
===============  =================================================================================

Transparency is ignored. Smoothed edges turn into ids that no object has ("phantom ids"), so a grey
or colour mask that looks smoothed is reported as a warning (:func:`_phantom_ids` has the rule). A
black and white one beyond doubt is an error where labels are read.

Some data sets have rules of their own: :func:`saliency_of` reads black and white whose edges may be
smoothed, :func:`instances_of` colours that are the authors' own.
"""

import functools
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from ranet.errors import DataError
from ranet.palette import PALETTE

VOID = 255
"""The label of pixels that are not annotated."""

DEEP_MODES = ("I", "I;16", "I;16B", "I;16L")
"""Pillow's modes of grey images with more than 8 bits."""

_COLOUR_MODES = ("RGB", "RGBA")

_MANY_IDS = 10
"""More than a mask of a few objects, some of them tiny, has."""


def labels_of(image: Image.Image, path: Path) -> np.ndarray:
    """H×W uint8 labels of a decoded mask, by the rules at the top of this file.

    Args:
        image: the mask.
        path: where it comes from, for messages.

    Raises:
        DataError: its colours or values are not ids, or it is black and white with smoothed edges.
    """
    if image.mode == "P":
        return np.array(image)
    if image.mode == "1":
        return _ones(image).view(np.uint8)
    if image.mode in _COLOUR_MODES:
        labels = _palette_labels(image)
        if labels is not None:
            return labels
        grey = _grey_of_colours(image, path)
    else:
        grey = _grey_channel(image, path)
    values = np.array(grey)
    if not _has_grey_levels(grey):
        return (values != 0).view(np.uint8)
    _refuse_smoothed_black_and_white(values, path)
    _warn_if_smoothed(values, path)
    return values


def object_of(image: Image.Image, path: Path) -> np.ndarray:
    """H×W bool of a decoded mask: where it is not black (the rule of DAVIS 2016).

    Args:
        image: the mask.
        path: where it comes from, for messages.

    Raises:
        DataError: it is no mask.
    """
    if image.mode == "P":
        return np.array(image) != 0
    if image.mode == "1":
        return _ones(image)
    if image.mode in DEEP_MODES:
        return deep_values(image, path) != 0
    if image.mode in _COLOUR_MODES:
        red, green, blue = _channels(image)
        brightness = red | green | blue
    else:
        grey = _grey_channel(image, path)
        brightness = np.array(grey)
        if not _has_grey_levels(grey):
            return brightness != 0
    _warn_if_smoothed(brightness, path)
    return brightness != 0


def saliency_of(image: Image.Image, path: Path) -> np.ndarray:
    """H×W uint8 of a decoded black and white mask: 1 where it is at least half white.

    Args:
        image: the mask.
        path: where it comes from, for messages.

    Raises:
        DataError: it is no such mask.
    """
    if image.mode not in ("1", "L", "LA", "P", *_COLOUR_MODES):
        raise DataError(
            f"{path} is no mask: expected black and white in an image of 8 bits a channel, "
            f"but its mode is {image.mode}. Save it as a grey PNG."
        )
    return (np.array(image.convert("L")) >= 128).view(np.uint8)


def instances_of(image: Image.Image, path: Path) -> np.ndarray:
    """H×W uint8 labels of a decoded mask in which each object has a colour, whichever.

    The indices of an indexed mask and the values of a grey one are the labels, as ever. In a
    colour mask the objects are numbered in the order of their colours 0xRRGGBB; black is
    background, and a colour that nowhere fills 2×2 pixels, as along smoothed edges, is void.

    Args:
        image: the mask.
        path: where it comes from, for messages.

    Raises:
        DataError: its values are not ids, or it has more colours than labels.
    """
    if image.mode not in _COLOUR_MODES:
        return labels_of(image, path)
    colours = _packed_colours(image)
    objects = np.unique(colours[:-1, :-1][_solid(colours) & (colours[:-1, :-1] != 0)])
    if len(objects) >= VOID:
        raise DataError(
            f"{path} is no mask of instances: expected one colour for each of at most 254 objects, "
            f"but {len(objects)} colours fill areas. Is this a photograph?"
        )
    labels = np.searchsorted(objects, colours) + 1
    known = np.append(objects, 0)[labels - 1] == colours
    labels[~known] = VOID
    labels[colours == 0] = 0
    return labels.astype(np.uint8)


def deep_values(image: Image.Image, path: Path) -> np.ndarray:
    """H×W integers in 0…65535 of a deep grey image (mode "I" may hold 32 bits)."""
    values = np.array(image)
    if values.min() < 0 or values.max() > 0xFFFF:
        raise DataError(
            f"Cannot read {path}: its pixels have 32 bits (up to {values.max()}). "
            "Save the image with 8 or 16 bits a channel."
        )
    return values


def _ones(image: Image.Image) -> np.ndarray:
    """H×W bool of a 1-bit image; numpy would take its bytes, 0 and 255, for bools as they are."""
    return np.array(image.convert("L")) != 0


def _channels(image: Image.Image) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Red, green and blue of a colour image, each H×W uint8."""
    red, green, blue = (np.array(channel) for channel in image.split()[:3])
    return red, green, blue


def _grey_channel(image: Image.Image, path: Path) -> Image.Image:
    """The values of a grey mask, as a mode L image."""
    if image.mode == "L":
        return image
    if image.mode == "LA":
        return image.getchannel(0)
    if image.mode not in DEEP_MODES:
        raise DataError(
            f"{path} is no mask: expected an indexed, grey, RGB(A) or 1-bit image, "
            f"but its mode is {image.mode}. Save it as an indexed PNG whose indices are the ids."
        )
    values = deep_values(image, path)
    if not np.any((values > 0) & (values < 0xFFFF)):
        values = values & 0xFF  # black and white, whose lower byte is 255
    if values.max() > 255:
        row, column = np.unravel_index(np.argmax(values), values.shape)
        raise DataError(
            f"{path} is no mask: expected the ids of at most 254 objects (255 is void), but the "
            f"16-bit value at row {row}, column {column} is {values.max()}. Number the objects "
            "through, and save the mask as an indexed PNG whose indices are the ids."
        )
    return Image.fromarray(values.astype(np.uint8))


def _has_grey_levels(grey: Image.Image) -> bool:
    """Whether a mode L image holds values other than 0 and 255."""
    return any(grey.histogram()[1:255])


@functools.cache
def _label_of_colour() -> np.ndarray:
    """2²⁴ uint8: the label of each colour 0xRRGGBB of the palette, 0 for all other colours.

    16 MiB of address space, of which the system hands out only the pages that are touched.
    """
    table = np.zeros(1 << 24, dtype=np.uint8)
    red, green, blue = PALETTE.T.astype(np.int32)
    table[red << 16 | green << 8 | blue] = np.arange(len(PALETTE))
    return table


def _packed_colours(image: Image.Image) -> np.ndarray:
    """H×W int32 of 0xRRGGBB."""
    red, green, blue = _channels(image)
    return red.astype(np.int32) << 16 | green.astype(np.int32) << 8 | blue


def _palette_labels(image: Image.Image) -> np.ndarray | None:
    """H×W labels of an image in palette colours alone; None if it holds another colour."""
    colours = _packed_colours(image)
    labels = _label_of_colour()[colours]
    return labels if np.array_equal(labels == 0, colours == 0) else None


def _grey_of_colours(image: Image.Image, path: Path) -> Image.Image:
    """The one channel of a colour image that is all grey, as a mode L image."""
    colours = _packed_colours(image)
    if not np.any(colours % 0x010101):
        return image.getchannel(0)
    foreign = (_label_of_colour()[colours] == 0) & (colours != 0)
    row, column = np.unravel_index(np.argmax(foreign), foreign.shape)
    found = image.getpixel((int(column), int(row)))[:3]
    raise DataError(
        f"{path} is no mask: expected the colours of the DAVIS palette (1 is {_colour(1)}, "
        f"2 is {_colour(2)}, …), black and white, or grey values that are the ids, but the pixel "
        f"at row {row}, column {column} is {found}. Smoothed edges and JPEG make such colours: "
        "save it as an indexed PNG whose indices are the ids, without smoothing."
    )


def _colour(label: int) -> tuple[int, ...]:
    return tuple(int(value) for value in PALETTE[label])


def _solid(values: np.ndarray) -> np.ndarray:
    """(H−1)×(W−1) bool: whether the 2×2 block to the lower right of a pixel has one value."""
    above, below = values[:-1], values[1:]
    solid = (above == below)[:, :-1]
    solid &= (above == below)[:, 1:]
    solid &= above[:, :-1] == above[:, 1:]
    return solid


def _phantom_ids(labels: np.ndarray) -> tuple[list[int], int]:
    """The ids that come from smoothed edges, and the number of all ids (0 and 255 not counted).

    The pixels of an object fill a 2×2 block somewhere; the grey levels along a smoothed edge form
    lines one pixel wide. So an id without any 2×2 block is called a phantom.
    """
    present = np.bincount(labels.ravel(), minlength=256)[1:VOID] > 0
    filling = np.bincount(labels[:-1, :-1][_solid(labels)], minlength=256)[1:VOID] > 0
    phantoms = np.flatnonzero(present & ~filling) + 1
    return [int(label) for label in phantoms], int(present.sum())


def _refuse_smoothed_black_and_white(labels: np.ndarray, path: Path) -> None:
    """Raise :class:`DataError` if white fills an area, and many ids a thin rim at most.

    Void, the other meaning of 255, lies around objects that fill areas themselves.
    """
    white = np.count_nonzero(labels == VOID)
    between = np.count_nonzero(labels) - white
    if white <= between:
        return
    phantoms, ids = _phantom_ids(labels)
    if ids <= _MANY_IDS or len(phantoms) < 0.9 * ids:
        return
    raise DataError(
        f"{path} looks black and white with smoothed edges: expected ids, but 255 fills {white} "
        f"pixels, and {ids} other values are spread over {between} pixels, in lines one pixel "
        "wide. Each would count as an object. Save the mask without smoothing, or make it black "
        "and white again: white where it is at least 128, black elsewhere."
    )


def _warn_if_smoothed(labels: np.ndarray, path: Path) -> None:
    """Warn if at least two, and at least half, of the ids are phantoms.

    One tiny object, or a few among many, is a mask as it should be.
    """
    phantoms, ids = _phantom_ids(labels)
    if len(phantoms) < max(2, ids / 2):
        return
    shown = ", ".join(map(str, phantoms[:5])) + (", …" if len(phantoms) > 5 else "")
    warnings.warn(
        f"{path} looks smoothed: {len(phantoms)} of its {ids} ids ({shown}) are nowhere two pixels "
        "wide, as the grey levels of anti-aliased edges or JPEG are. They would count as objects. "
        "Save masks without smoothing, best as indexed PNGs.",
        UserWarning,
        stacklevel=4,
    )
