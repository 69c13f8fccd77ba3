"""What the pixels of a mask mean, in every mode of a file, and in an array.

===============  =================================================================================
indexed (P)      only black and white, or only colours of the DAVIS palette: as these colours; else
                 the indices are the labels
1 bit (1)        0 and 1
grey (L, LA)     black and white: 0 and 1; otherwise the values are the labels
grey, 16 bits    the same, with white 65535 (or 255)
colour (RGB(A))  colours of the DAVIS palette: their labels; all pixels grey: as grey; else an error
array            as grey
===============  =================================================================================

Void (255) is a matter of annotations with ids. A black and white picture has none: there white is
the object, and a few greys between, as along soft edges, are parted at half white, with a warning
(:func:`labels_of_values` has the rule, and refuses what could be both).

What is transparent counts as black. Where the colour is the same all over, what is opaque is the
object, with a warning.

All rules take an image that is decoded and upright, and its path for messages; they raise DataError
where its colours or values are not ids, or can be understood in two ways. Some data sets have rules
of their own: :func:`saliency_of` reads black and white whose edges may be smoothed,
:func:`instances_of` colours that are the authors' own.
"""

import functools
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from ranet.datasets.image_io import DEEP_MODES, VOID, deep_values
from ranet.errors import DataError
from ranet.palette import PALETTE
from ranet.wording import some_of

_BLACK, _WHITE = 0x000000, 0xFFFFFF

_DARK, _BRIGHT = 32, 224
"""Where greys begin and end that nobody could take for black or for white."""

_IDS = 16
"""Where ids end that white may be the void of: lighter areas are rather of a grey picture."""


class _Labels(NamedTuple):
    values: np.ndarray  # H×W uint8
    by_colour: bool = False  # whether colours of the DAVIS palette told them, not indices or greys


def labels_of(image: Image.Image, path: Path) -> np.ndarray:
    """H×W uint8 labels of a mask, by the rules at the top of this file."""
    return _read(image, path).values


def marks_of(image: Image.Image, path: Path) -> np.ndarray:
    """:func:`labels_of` a mask that marks objects, which are not in the order BGR."""
    labels, by_colour = _read(image, path)
    ids = np.unique(labels[(labels > 0) & (labels < VOID)]).tolist()
    numbered = list(range(1, len(ids) + 1))
    swapped = sorted(_label_of_colour()[_packed(PALETTE[ids][:, ::-1])].tolist())
    if by_colour and ids != numbered and swapped == numbered:
        raise DataError(
            f"{path}: expected the colours of objects 1, 2, … in the order RGB, found them in the "
            "order BGR, as OpenCV writes an RGB array."
        )
    return labels


def object_of(image: Image.Image, path: Path) -> np.ndarray:
    """H×W bool of a mask: where it is not black (the rule of DAVIS 2016)."""
    image = _opaque(image, path)
    if image.mode == "P":
        indices, black = np.array(image), _packed(_palette(image)) == _BLACK
        # A palette of one's own without black has its background in front.
        return indices != 0 if not black[np.unique(indices)].any() else ~black[indices]
    if image.mode in DEEP_MODES:
        return deep_values(image, path) != 0
    values = np.array(image).max(axis=2) if image.mode == "RGB" else _grey_values(image, path)
    if np.any((values != 0) & (values != VOID)):
        _warn_if_smoothed(values, path)
    return values != 0


def saliency_of(image: Image.Image, path: Path) -> np.ndarray:
    """H×W uint8 of a black and white mask: 1 where it is at least half white."""
    if image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA"):
        raise DataError(
            f"{path} is no mask: expected black and white with 8 bits a channel, found "
            f"{image.mode}."
        )
    image = _opaque(image, path)
    if image.mode == "P":
        image = Image.fromarray(_palette(image).astype(np.uint8)[np.array(image)])
    return (np.array(image.convert("L")) >= 128).view(np.uint8)


def instances_of(image: Image.Image, path: Path) -> np.ndarray:
    """H×W uint8 labels of a mask in which each object has a colour, whichever.

    Indexed and grey masks are read as ever. In a colour mask the objects are numbered in the order
    of their colours 0xRRGGBB; black is background, and a colour that nowhere fills 2×2 pixels, as
    along smoothed edges, is void.
    """
    if image.mode not in ("RGB", "RGBA"):
        return labels_of(image, path)
    colours = _packed(np.array(_opaque(image, path).convert("RGB")))
    objects = np.unique(colours[:-1, :-1][_solid(colours) & (colours[:-1, :-1] != 0)])
    if len(objects) >= VOID:
        raise DataError(
            f"{path} is no mask of instances: expected a colour for each of at most 254 objects, "
            f"found {len(objects)} that fill areas."
        )
    labels = np.searchsorted(objects, colours) + 1
    known = np.append(objects, 0)[labels - 1] == colours
    labels[~known] = VOID
    labels[colours == 0] = 0
    return labels.astype(np.uint8)


def labels_of_values(values: np.ndarray, name: str | Path, *, lossy: bool = False) -> np.ndarray:
    """H×W uint8 labels of a grey picture, by what its values fill areas of 2×2 pixels or more.

    ======================================================  ======================================
    only 0 and 255                                          black and white: 0 and 1
    white (255), and nothing else fills an area             the same, parted at 128, with a warning
    white, and ids below 16 fill areas, or all is thin      ids, and 255 is void
    white, and greys between fill areas, as in a trimap     an error: which of them are objects?
    no white                                                ids; a warning if they look smoothed
    ======================================================  ======================================

    Args:
        values: H×W uint8.
        name: where it comes from, for messages.
        lossy: whether it was compressed so that values are not kept: no ids can be told then.

    Raises:
        DataError: it can be understood in two ways.
    """
    present = np.bincount(values.ravel(), minlength=256) > 0
    if not present[1:VOID].any():
        return (values != 0).view(np.uint8)
    blocks = values[:-1, :-1][_solid(values)]
    filling = np.bincount(blocks, minlength=256) > 0
    thin = present & ~filling
    bright_area = bool(_solid(values >= _BRIGHT)[values[:-1, :-1] >= _BRIGHT].any())
    smoothed = np.count_nonzero(thin[_DARK:_BRIGHT]) > 1
    if not (present[VOID] or (bright_area and (lossy or smoothed))):
        _warn_if_smoothed(values, name)
        return values
    greys = np.arange(_DARK if lossy else _IDS, _BRIGHT)
    if filling[greys].any():
        grey = greys[filling[greys]].max()
        raise DataError(
            f"{name}: expected black and white, or ids 1, 2, … and void (255), found areas of "
            f"white and of grey ({grey})."
        )
    dark_alone = not present[_DARK:VOID].any() and not bright_area
    if (filling[1:_DARK].any() and not lossy) or dark_alone:
        if smoothed or present[_BRIGHT:VOID].any():
            raise DataError(
                f"{name}: expected ids alone, or black and white, found ids, white (255), and "
                f"{np.count_nonzero(thin)} greys in lines one pixel wide, as of smoothing."
            )
        return values
    between = np.count_nonzero((values > 0) & (values < VOID))
    warnings.warn(
        f"{name} looks black and white with soft edges ({between} grey pixels): what is at least "
        "half white (128) is object 1.",
        UserWarning,
        stacklevel=2,
    )
    return (values >= 128).view(np.uint8)


def _read(image: Image.Image, path: Path) -> _Labels:
    lossy = image.format in ("JPEG", "MPO")
    image = _opaque(image, path)
    if image.mode == "P":
        return _indexed(image, path)
    if image.mode == "RGB":
        colours = _packed(np.array(image))
        labels = _label_of_colour()[colours]
        if np.array_equal(labels == 0, colours == _BLACK):
            return _Labels(labels, by_colour=True)
        if np.any(colours % 0x010101):
            row, column = np.unravel_index(np.argmax(labels < (colours != _BLACK)), labels.shape)
            found = tuple(int(colours[row, column]) >> shift & 0xFF for shift in (16, 8, 0))
            raise DataError(
                f"{path} is no mask: expected the colours of the DAVIS palette, black and white, "
                "or grey values that are the ids, but the pixel at "
                f"row {row}, column {column} is {found}, as of smoothed edges or JPEG."
            )
        values = (colours & 0xFF).astype(np.uint8)
    else:
        values = _grey_values(image, path)
    return _Labels(labels_of_values(values, path, lossy=lossy))


def _opaque(image: Image.Image, path: Path) -> Image.Image:
    """The image without transparency, of 1 bit as grey: what is transparent is black.

    Where only one colour shows, or those of a photograph, what shows is white instead. An indexed
    image keeps its indices; its palette tells (:func:`_palette`).
    """
    if not image.has_transparency_data or image.mode == "P":
        return image.convert("L") if image.mode == "1" else image
    grey = image.mode in ("L", "LA", "1")
    pixels = np.array(image.convert("RGBA"))
    colours, shown = pixels[..., :3].copy(), pixels[..., 3] >= 128
    if not shown.all():
        kinds = np.unique(_packed(colours[shown] if shown.any() else colours))
        one = len(kinds) == 1 and (grey or _label_of_colour()[kinds[0]] == 0)
        if one or len(kinds) >= VOID:
            warnings.warn(
                f"{path} has its shape in its transparency: what is opaque is object 1.",
                UserWarning,
                stacklevel=2,
            )
            return Image.fromarray(shown.astype(np.uint8) * 255)
        if shown.any():
            colours[~shown] = 0
    return Image.fromarray(colours[..., 0] if grey else colours)


def _indexed(image: Image.Image, path: Path) -> _Labels:
    """Labels of an indexed mask: tools reorder palettes, and then the colours are what is left."""
    indices, palette = np.array(image), _palette(image)
    used = np.flatnonzero(image.histogram())
    colours = _packed(palette)
    if _is_davis(palette, used):
        return _Labels(indices)
    shown, davis = colours[used], _label_of_colour()[np.maximum(colours, 0)]
    known = (davis[used] > 0) | (shown == _BLACK)
    grey = bool(np.all(shown % 0x010101 == 0) and shown.min() >= 0)
    table, by_colour = np.arange(256, dtype=np.uint8), False
    if np.array_equal(np.unique(shown), [_BLACK, _WHITE]):
        table[used] = shown == _WHITE
    elif known.all():
        table[used], by_colour = davis[used], True
    elif grey and (_WHITE in shown or np.array_equal(shown, used * 0x010101)) and len(used) > 1:
        # A grey picture, with soft edges perhaps, that was made an indexed one.
        return _Labels(labels_of_values((colours & 0xFF).astype(np.uint8)[indices], path))
    else:
        wrong = np.all(known | (shown == _WHITE)) and np.any(davis[used][known] != used[known])
        if wrong or used[shown == _BLACK].any():
            raise _reordered(path)
        _warn_if_smoothed(indices, path)
    if np.array_equal(table[used], used):
        return _Labels(indices)
    others = np.setdiff1d(np.arange(len(_stored(image))), used)
    own = (davis[others] == 0) & (colours[others] % 0x010101 != 0)  # colours that no tool adds
    if own.any():
        # Somebody's own palette, of which the frame happens to use such colours alone.
        if len(used) > 2 or used[shown == _BLACK].any():
            raise _reordered(path)
        return _Labels(indices)
    return _Labels(table[indices], by_colour)


def _reordered(path: Path) -> DataError:
    return DataError(
        f"{path}: expected a palette in the order of the ids, with black at index 0 (background), "
        "found one that a tool has reordered; save the mask with the DAVIS palette."
    )


def _is_davis(palette: np.ndarray, used: np.ndarray) -> bool:
    """Whether indices and colours of what is used agree with a palette of DAVIS.

    There are two: that of :mod:`ranet.palette`, and one whose entries from 22 on are grey. A
    palette of DAVIS whose channels are in the wrong order is taken as one, too.
    """
    beginning = PALETTE[:7]
    if np.array_equal(palette[:7], beginning[:, ::-1]):
        return True
    if not np.array_equal(palette[:2], beginning[:2]):
        return False
    codes = _packed(palette[used])
    agrees = _label_of_colour()[np.maximum(codes, 0)] == used
    return bool(np.all(agrees | ((used >= 22) & (codes == used * 0x010101))))


def _stored(image: Image.Image) -> np.ndarray:
    """N×3 uint8: the entries that the palette of an indexed image has."""
    return np.array(image.getpalette(), np.uint8).reshape(-1, 3)


def _palette(image: Image.Image) -> np.ndarray:
    """256×3 integers: the colours of an indexed image, −1 where its palette has none.

    Transparent entries are black, and the one that shows is white then, if it is black itself.
    """
    palette = np.full((256, 3), -1)
    stored = _stored(image)
    palette[: len(stored)] = stored
    transparency = image.info.get("transparency", b"")
    if isinstance(transparency, int):
        transparency = b"\xff" * transparency + b"\0"
    alpha = np.full(256, 255)
    alpha[: len(transparency)] = list(transparency)[:256]
    used = np.array(image.histogram()) > 0
    if (alpha[used] < 128).any() and (alpha[used] >= 128).any():
        palette[alpha < 128] = 0
        if not palette[used].any():
            palette[used & (alpha >= 128)] = 255
    return palette


def _grey_values(image: Image.Image, path: Path) -> np.ndarray:
    """H×W uint8: the values of a grey mask."""
    if image.mode == "L":
        return np.array(image)
    if image.mode not in DEEP_MODES:
        raise DataError(
            f"{path} is no mask: expected an indexed, grey, RGB(A) or 1-bit image, found "
            f"{image.mode}."
        )
    values = deep_values(image, path)
    if not np.any((values > 0) & (values < 0xFFFF)):
        values = values & 0xFF  # black and white, whose lower byte is 255
    if values.max() > 255:
        row, column = np.unravel_index(np.argmax(values), values.shape)
        raise DataError(
            f"{path} is no mask: expected the ids of at most 254 objects (255 is void), but the "
            f"16-bit value at row {row}, column {column} is {values.max()}."
        )
    return values.astype(np.uint8)


@functools.cache
def _label_of_colour() -> np.ndarray:
    """2²⁴ uint8: the label of each colour 0xRRGGBB of the palette, 0 for all other colours.

    16 MiB of address space, of which the system hands out only the pages that are touched.
    """
    table = np.zeros(1 << 24, dtype=np.uint8)
    labels = np.arange(len(PALETTE))
    table[_packed(np.where(PALETTE == 192, 191, PALETTE))] = labels  # as DAVIS itself writes them
    table[_packed(PALETTE)] = labels
    return table


def _packed(colours: np.ndarray) -> np.ndarray:
    """Colours …×3 as int32 0xRRGGBB."""
    red, green, blue = np.moveaxis(colours, -1, 0).astype(np.int32)
    packed: np.ndarray = red << 16 | green << 8 | blue
    return packed


def _solid(values: np.ndarray) -> np.ndarray:
    """(H−1)×(W−1) bool: whether the 2×2 block to the lower right of a pixel has one value."""
    above, below = values[:-1], values[1:]
    solid = (above == below)[:, :-1]
    solid &= (above == below)[:, 1:]
    solid &= above[:, :-1] == above[:, 1:]
    return solid


def _warn_if_smoothed(labels: np.ndarray, name: str | Path) -> None:
    """Warn if at least two, and at least half, of the ids are nowhere two pixels wide.

    The pixels of an object fill a 2×2 block somewhere; the grey levels along a smoothed edge form
    lines one pixel wide. One tiny object, or a few among many, is a mask as it should be.
    """
    present = np.bincount(labels.ravel(), minlength=256)[1:VOID] > 0
    filling = np.bincount(labels[:-1, :-1][_solid(labels)], minlength=256)[1:VOID] > 0
    phantoms = (np.flatnonzero(present & ~filling) + 1).tolist()
    ids = int(present.sum())
    if len(phantoms) < max(2, ids / 2):
        return
    warnings.warn(
        f"{name} looks smoothed: {len(phantoms)} of its {ids} ids "
        f"({some_of(list(map(str, phantoms)))}) are nowhere two pixels wide, as along anti-aliased "
        "edges, and would count as objects.",
        UserWarning,
        stacklevel=2,
    )
