"""Images and label maps, from and to files.

Images are H×W×3 uint8 RGB. Label maps are H×W uint8: 0 background, 1…254 objects, 255 void (not
annotated). How a mask's pixels become labels depends on the file:

===============  =================================================================================
indexed (P)      the indices as they are; the colours of its palette mean nothing
1 bit (1)        0 and 1
grey (L, LA)     only black and white: 0 and 1; otherwise the values are the ids, 255 void
grey, 16 bits    the same, with white 65535 (or 255) and ids up to 255
colour (RGB(A))  colours of the DAVIS palette: their ids; all pixels grey: as grey; else an error
===============  =================================================================================

Transparency is ignored. Smoothed edges turn into ids that no object has ("phantom ids"), so a grey
or colour mask that looks smoothed is reported as a warning (:func:`_phantom_ids` has the rule).
"""

import contextlib
import functools
import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from ranet.errors import DataError, OutputError
from ranet.files import atomic_write
from ranet.palette import PALETTE

VOID = 255
"""The label of pixels that are not annotated."""

_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)
"""What Pillow raises for files that are missing, truncated, corrupt, or no images."""

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns an image of each EXIF orientation upright."""

_COLOUR_MODES = ("RGB", "RGBA")
_SIXTEEN_BIT_MODES = ("I", "I;16", "I;16B", "I;16L")
_JPEG_SUFFIXES = (".jpg", ".jpeg")


def read_image(path: str | Path) -> np.ndarray:
    """Read an image of any common format and mode as a viewer shows it.

    Grey and indexed images become RGB, 16-bit images keep their upper 8 bits, transparency is
    dropped, and the orientation a camera noted in the file (EXIF) is applied.

    Returns:
        H×W×3 uint8 RGB.

    Raises:
        DataError: the file is missing, truncated, corrupt, or no image.
    """
    path = Path(path)
    with _opened(path) as image:
        turned = _turned(_eight_bits(image, path), _orientation(image, path))
        return np.array(turned.convert("RGB"))


def image_size(path: str | Path) -> tuple[int, int]:
    """(height, width) of what :func:`read_image` would return, from the file's header alone.

    Raises:
        DataError: the file is missing or no image. Damage behind the header goes unnoticed.
    """
    path = Path(path)
    with _opened(path, header_only=True) as image:
        width, height = image.size
        # Pillow decodes all of a PNG to look for EXIF behind the pixels, where nobody puts it.
        has_exif = image.format != "PNG" or "exif" in image.info
        sideways = has_exif and _orientation(image, path) >= 5
    return (width, height) if sideways else (height, width)


def read_labels(path: str | Path) -> np.ndarray:
    """Read a mask as ids, by the rules at the top of this file.

    Returns:
        H×W uint8: 0 background, 1…254 objects (ids may have gaps), 255 void.

    Raises:
        DataError: the file cannot be read, or its colours or values are not ids.
    """
    path = Path(path)
    with _opened(path) as image:
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
        labels = _labels_of_grey(grey)
    _warn_if_smoothed(labels, path)
    return labels


def read_binary_mask(path: str | Path) -> np.ndarray:
    """Read a mask by the rule of DAVIS 2016: every pixel that is not black is the object.

    That holds for all ids of an indexed mask, void included, and for any colour.

    Returns:
        H×W bool.

    Raises:
        DataError: the file cannot be read.
    """
    path = Path(path)
    with _opened(path) as image:
        if image.mode == "P":
            return np.array(image) != 0
        if image.mode == "1":
            return _ones(image)
        if image.mode in _SIXTEEN_BIT_MODES:
            return _sixteen_bits(image, path) != 0
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


def write_labels(path: str | Path, labels: np.ndarray) -> None:
    """Write a label map as an indexed PNG with the DAVIS palette; it appears whole or not at all.

    :func:`read_labels` returns exactly ``labels`` again.

    Args:
        path: the PNG file; missing folders are created.
        labels: H×W uint8.

    Raises:
        OutputError: the file cannot be written.
        ValueError: ``labels`` is not a label map.
    """
    if labels.dtype != np.uint8 or labels.ndim != 2 or labels.size == 0:
        raise ValueError(f"Labels are H×W uint8, but got {labels.dtype} of shape {labels.shape}.")
    image = Image.fromarray(np.ascontiguousarray(labels))
    image.putpalette(PALETTE.tobytes())  # turns the grey image into an indexed one
    _write(Path(path), image, "PNG")


def write_image(path: str | Path, image: np.ndarray, *, jpeg_quality: int = 95) -> None:
    """Write an image as PNG or JPEG, by the ending of ``path``; it appears whole or not at all.

    Args:
        path: ends in .png, .jpg or .jpeg; missing folders are created.
        image: H×W×3 uint8 RGB; for a PNG also H×W×4, with transparency.
        jpeg_quality: 1…95.

    Raises:
        OutputError: the file cannot be written, or the ending is another.
        ValueError: ``image`` is not an image.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".png", *_JPEG_SUFFIXES):
        raise OutputError(
            f"Cannot write {path}: images are written as .png, .jpg or .jpeg, "
            f"but its ending is {path.suffix!r}."
        )
    channels = (3,) if suffix in _JPEG_SUFFIXES else (3, 4)
    if (
        image.dtype != np.uint8
        or image.ndim != 3
        or image.shape[2] not in channels
        or not image.size
    ):
        raise ValueError(
            f"An image for a {suffix} file is H×W×{' or '.join(map(str, channels))} uint8, "
            f"but got {image.dtype} of shape {image.shape}."
        )
    file_format = "JPEG" if suffix in _JPEG_SUFFIXES else "PNG"
    _write(path, Image.fromarray(np.ascontiguousarray(image)), file_format, quality=jpeg_quality)


@contextlib.contextmanager
def _opened(path: Path, *, header_only: bool = False) -> Iterator[Image.Image]:
    """The image in ``path``, decoded unless ``header_only``; unreadable files raise DataError."""
    try:
        image = Image.open(path)
    except (*_UNREADABLE, Image.DecompressionBombError) as error:
        raise DataError(_why_not_open(path, error)) from error
    with image:
        if not header_only:
            try:
                image.load()
            except _UNREADABLE as error:
                raise DataError(
                    f"Cannot read {path}: the image is truncated or corrupt ({error}). "
                    "Copy, unpack or export this file again."
                ) from error
        yield image


def _why_not_open(path: Path, error: Exception) -> str:
    """The message for a file of which not even the header could be read."""
    if not path.exists():
        return f"Cannot read {path}: there is no such file. Check the path and the data folder."
    if path.is_dir():
        return f"Cannot read {path}: an image file was expected, but this is a folder."
    if isinstance(error, Image.UnidentifiedImageError):
        if path.stat().st_size == 0:
            return f"Cannot read {path}: the file is empty (0 bytes). Copy or export it again."
        return (
            f"Cannot read {path}: it is not an image, or its beginning is damaged. "
            "Give a PNG, JPEG or another common image, or copy this file again."
        )
    if isinstance(error, OSError) and error.strerror:
        return f"Cannot read {path}: {error.strerror}. Check its permissions and the disk."
    return (
        f"Cannot read {path}: the image is truncated or corrupt ({error}). "
        "Copy, unpack or export this file again."
    )


def _orientation(image: Image.Image, path: Path) -> int:
    """How the camera was held, 1…8; 1, upright, if the file does not say (readably)."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except _UNREADABLE as error:
        warnings.warn(
            f"{path} has damaged EXIF data ({error}); it is taken as upright. If it is not, "
            "turn it and save it again.",
            UserWarning,
            stacklevel=3,
        )
        return 1


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    """The image upright."""
    transpose = _UPRIGHT.get(orientation)
    return image if transpose is None else image.transpose(transpose)


def _eight_bits(image: Image.Image, path: Path) -> Image.Image:
    """The image with 8 bits a channel; Pillow's own conversion would clip deeper ones."""
    if image.mode in _SIXTEEN_BIT_MODES:
        return Image.fromarray((_sixteen_bits(image, path) >> 8).astype(np.uint8))
    if image.mode == "F":
        raise DataError(
            f"Cannot read {path}: its pixels are floating-point numbers of unknown range. "
            "Save the image with 8 or 16 bits a channel."
        )
    return image


def _sixteen_bits(image: Image.Image, path: Path) -> np.ndarray:
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
    if image.mode not in _SIXTEEN_BIT_MODES:
        raise DataError(
            f"{path} is no mask: expected an indexed, grey, RGB(A) or 1-bit image, "
            f"but its mode is {image.mode}. Save it as an indexed PNG whose indices are the ids."
        )
    values = _sixteen_bits(image, path)
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


def _labels_of_grey(grey: Image.Image) -> np.ndarray:
    """H×W labels of a mode L image."""
    values = np.array(grey)
    return values if _has_grey_levels(grey) else (values != 0).view(np.uint8)


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


def _phantom_ids(labels: np.ndarray) -> tuple[list[int], int]:
    """The ids that come from smoothed edges, and the number of all ids (0 and 255 not counted).

    The pixels of an object fill a 2×2 block somewhere; the grey levels along a smoothed edge form
    lines one pixel wide. So an id without any 2×2 block is called a phantom.
    """
    above, below = labels[:-1], labels[1:]
    solid = (above == below)[:, :-1]
    solid &= (above == below)[:, 1:]
    solid &= above[:, :-1] == above[:, 1:]
    present = np.bincount(labels.ravel(), minlength=256)[1:VOID] > 0
    filling = np.bincount(above[:, :-1][solid], minlength=256)[1:VOID] > 0
    phantoms = np.flatnonzero(present & ~filling) + 1
    return [int(label) for label in phantoms], int(present.sum())


def _warn_if_smoothed(labels: np.ndarray, path: Path) -> None:
    """Warn if at least two, and at least half, of the ids are phantoms.

    One tiny object, or a few among many, is a mask as it should be.
    """
    if labels.max() < 2:
        return  # background and one object: the common case
    phantoms, ids = _phantom_ids(labels)
    if len(phantoms) < max(2, ids / 2):
        return
    shown = ", ".join(map(str, phantoms[:5])) + (", …" if len(phantoms) > 5 else "")
    warnings.warn(
        f"{path} looks smoothed: {len(phantoms)} of its {ids} ids ({shown}) are nowhere two pixels "
        "wide, as the grey levels of anti-aliased edges or JPEG are. They would count as objects. "
        "Save masks without smoothing, best as indexed PNGs.",
        UserWarning,
        stacklevel=3,
    )


def _write(path: Path, image: Image.Image, file_format: str, **options: int) -> None:
    """Encode in memory first: an error while writing then is the disk's, with its own reason."""
    buffer = io.BytesIO()
    image.save(buffer, format=file_format, **options)
    with atomic_write(path) as file:
        file.write(buffer.getbuffer())
