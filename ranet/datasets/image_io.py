"""Images and label maps, from and to files.

Images are H×W×3 uint8 RGB. Label maps are H×W uint8: 0 background, 1…254 objects, 255 void (not
annotated). Masks in the colours of DAVIS, or in black and white, are read here; what the pixels of
any other mean is told by :mod:`ranet.datasets.mask_pixels`, which is loaded when one is met.
"""

import contextlib
import io
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ranet.errors import DataError, OutputError
from ranet.files import atomic_write
from ranet.palette import PALETTE

VOID = 255
"""The label of pixels that are not annotated."""

DEEP_MODES = ("I", "I;16", "I;16B", "I;16L")
"""Pillow's modes of grey images with more than 8 bits."""

MaskReader = Callable[[Path], np.ndarray]
"""From a mask file to H×W uint8 labels: 0 background, 1…254 objects, 255 void."""

_UNREADABLE = (OSError, SyntaxError, ValueError, LookupError, EOFError, struct.error, zlib.error)
"""What Pillow raises for files that are missing, truncated, corrupt, or no images."""


def read_image(path: str | Path) -> np.ndarray:
    """Read an image of any common format and mode as a viewer shows it.

    Grey and indexed images become RGB, 16-bit images keep their upper 8 bits, transparency is
    dropped, and the orientation a camera noted in the file (EXIF) is applied.

    Returns:
        H×W×3 uint8 RGB.

    Raises:
        DataError: the file is missing, truncated, corrupt, or no image; or it holds several.
    """
    path = Path(path)
    with _opened(path) as image:
        return _shown(image, path)


def picture_count(path: str | Path) -> int:
    """How many pictures a file holds: 1, or those of an animation, pages, or views.

    Raises:
        DataError: the file is missing or no image.
    """
    path = Path(path)
    with _opened(path, header_only=True, several=True) as image:
        return len(_pictures(image, path))


def read_pictures(path: str | Path, first: int = 0) -> Iterator[tuple[np.ndarray, float | None]]:
    """The pictures of an animation or of a file with several pages or views, in order.

    Args:
        path: the file.
        first: picture to begin with, from 0.

    Yields:
        As :func:`read_image`, and the seconds for which the picture is shown; None: not told.

    Raises:
        DataError: the file cannot be read, or one of its pictures.
    """
    path = Path(path)
    with _opened(path, header_only=True, several=True) as image:
        for number in _pictures(image, path)[first:]:
            with _reading(path):
                image.seek(number)
                image.load()
            duration = image.info.get("duration")
            yield _shown(image, path), duration / 1000 if duration else None


def _shown(image: Image.Image, path: Path) -> np.ndarray:
    """H×W×3 uint8 RGB of a decoded image."""
    image = _upright(image, path)
    if image.mode in DEEP_MODES:  # Pillow's own conversion would clip it
        image = Image.fromarray((deep_values(image, path) >> 8).astype(np.uint8))
    if image.mode == "F":
        raise DataError(
            f"Cannot read {path}: expected 8 or 16 bits a channel, found floating-point numbers."
        )
    return np.array(image.convert("RGB"))


def deep_values(image: Image.Image, path: Path) -> np.ndarray:
    """H×W integers in 0…65535 of a deep grey image (mode "I" may hold 32 bits)."""
    values = np.array(image)
    if values.min() < 0 or values.max() > 0xFFFF:
        raise DataError(
            f"Cannot read {path}: expected 8 or 16 bits a channel, found 32 ({values.max()})."
        )
    return values


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
    """Read a mask as labels; a mask in black and white is one object.

    What the pixels mean, and what is warned of: :mod:`ranet.datasets.mask_pixels`.

    Returns:
        H×W uint8: 0 background, 1…254 objects (ids may have gaps), 255 void.

    Raises:
        DataError: the file cannot be read, its colours or values are not ids, or they can be
            understood in two ways.
    """
    path = Path(path)
    with _opened_upright(path) as image:
        labels = _plain_labels(image)
        if labels is None:
            from ranet.datasets.mask_pixels import labels_of

            labels = labels_of(image, path)
        return labels


def read_marks(path: str | Path) -> np.ndarray:
    """Read a mask that marks objects, as of a first frame: :func:`read_labels` without void.

    Raises:
        DataError: as for :func:`read_labels`, or the colours are those of DAVIS in the order BGR.
    """
    path = Path(path)
    with _opened_upright(path) as image:
        labels = _plain_labels(image)
        if labels is None:
            from ranet.datasets.mask_pixels import marks_of

            labels = marks_of(image, path)
        return np.where(labels == VOID, 0, labels).astype(np.uint8)


def read_binary_mask(path: str | Path) -> np.ndarray:
    """H×W bool by the rule of DAVIS 2016: every pixel that is not black is the object.

    That holds for all ids of an indexed mask, void included, and for any colour.

    Raises:
        DataError: the file cannot be read.
    """
    path = Path(path)
    with _opened_upright(path) as image:
        labels = _plain_labels(image)
        if labels is None:
            from ranet.datasets.mask_pixels import object_of

            return object_of(image, path)
        return labels.astype(bool)


def _plain_labels(image: Image.Image) -> np.ndarray | None:
    """H×W uint8 of a mask in black and white, or whose indices have the colours of DAVIS.

    None: of another, for which :mod:`ranet.datasets.mask_pixels` has the rules.
    """
    if image.has_transparency_data or image.mode not in ("L", "P"):
        return None
    used = np.flatnonzero(image.histogram())
    if image.mode == "L":
        return (np.array(image) != 0).view(np.uint8) if set(used.tolist()) <= {0, VOID} else None
    palette = np.array(image.getpalette(), np.uint8).reshape(-1, 3)
    beginning = np.union1d(used, [0, 1])
    if beginning[-1] >= len(palette) or (palette[beginning] != PALETTE[beginning]).any():
        return None
    return np.array(image)


def _read_foreground(path: Path) -> np.ndarray:
    return read_binary_mask(path).view(np.uint8)


def label_reader(year: int) -> MaskReader:
    """How the rules of a DAVIS year read a mask.

    In 2016 there is one object, 1: all that is not black (:func:`read_binary_mask`). From 2017 on
    it is :func:`read_labels`.
    """
    return _read_foreground if year == 2016 else read_labels


def marks_reader(year: int) -> MaskReader:
    """How the rules of a DAVIS year read a first mask: :func:`label_reader` without void."""
    return _read_foreground if year == 2016 else read_marks


def read_saliency(path: str | Path) -> np.ndarray:
    """H×W uint8, 0 and 1, of a salient object's mask: black and white, perhaps with soft edges.

    What is at least half white is the object.

    Raises:
        DataError: the file cannot be read, or is no such mask.
    """
    from ranet.datasets.mask_pixels import saliency_of

    path = Path(path)
    with _opened_upright(path) as image:
        return saliency_of(image, path)


def read_instances(path: str | Path) -> np.ndarray:
    """:func:`read_labels` of a mask that tells objects apart by any colours."""
    from ranet.datasets.mask_pixels import instances_of

    path = Path(path)
    with _opened_upright(path) as image:
        return instances_of(image, path)


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
    _put(Path(path), encoded_labels(labels))


def encoded_labels(labels: np.ndarray) -> bytes:
    """The bytes of the file that :func:`write_labels` writes.

    Raises:
        ValueError: ``labels`` is not a label map.
    """
    if labels.dtype != np.uint8 or labels.ndim != 2 or labels.size == 0:
        raise ValueError(f"Labels are H×W uint8, but got {labels.dtype} of shape {labels.shape}.")
    image = Image.fromarray(np.ascontiguousarray(labels))
    image.putpalette(PALETTE.tobytes())  # turns the grey image into an indexed one
    # Rows of a label map are runs: looking for nothing else takes half the time, and less room.
    return _encoded(image, "PNG", compress_type=zlib.Z_RLE)


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
    formats = {".png": ("PNG", (3, 4)), ".jpg": ("JPEG", (3,)), ".jpeg": ("JPEG", (3,))}
    if path.suffix.lower() not in formats:
        raise OutputError(
            f"Cannot write {path}: expected .png, .jpg or .jpeg, found {path.suffix!r}."
        )
    file_format, channels = formats[path.suffix.lower()]
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in channels:
        raise ValueError(
            f"An image for a {file_format} file is H×W×{' or '.join(map(str, channels))} uint8, "
            f"but got {image.dtype} of shape {image.shape}."
        )
    pixels = Image.fromarray(np.ascontiguousarray(image))
    _put(path, _encoded(pixels, file_format, quality=jpeg_quality))


@contextlib.contextmanager
def _opened_upright(path: Path) -> Iterator[Image.Image]:
    """A decoded picture, turned as its EXIF says; unreadable files raise DataError."""
    with _opened(path) as image:
        turned = _upright(image, path)
        turned.format = image.format
        yield turned


@contextlib.contextmanager
def _opened(
    path: Path, *, header_only: bool = False, several: bool = False
) -> Iterator[Image.Image]:
    """The image in ``path``, decoded unless ``header_only``; unreadable files raise DataError.

    So do files of several pictures, unless ``several``: one of them is not what the file shows.
    """
    with _reading(path):
        image = Image.open(path)
    with image:
        if image.format == "TIFF" and image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
            raise DataError(  # Pillow would turn it otherwise than other formats
                f"{path}: expected a TIFF that is stored upright, found one with an orientation."
            )
        pictures = 1 if several else len(_pictures(image, path))
        if pictures > 1:
            raise DataError(
                f"{path}: expected one image, found {pictures} pictures (an animation, pages or "
                "views); save each as a file of its own, or give the file as a video."
            )
        if not header_only:
            with _reading(path):
                image.load()
        yield image


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what Pillow raises into a DataError that names the file."""
    try:
        yield
    except (*_UNREADABLE, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or f"the image is truncated or corrupt ({error})"
        if isinstance(error, UnidentifiedImageError):
            size = path.stat().st_size
            reason = f"it is not an image, or its beginning is damaged ({size} bytes)"
        raise DataError(f"Cannot read {path}: {reason}.") from error


def _pictures(image: Image.Image, path: Path) -> list[int]:
    """The numbers of the pictures that an open file is made of; the first is loaded afterwards.

    Of MPO (JPEG) and TIFF, smaller ones do not count where all but the first are smaller: these
    are previews, gain maps, overviews.
    """
    with _reading(path):
        number = getattr(image, "n_frames", 1)
        if number > 1 and image.format in ("MPO", "TIFF"):
            sizes = []
            for index in range(number):
                image.seek(index)
                sizes.append(image.size)
            image.seek(0)
            number = number if sizes.count(sizes[0]) > 1 else 1
    # The first picture of an animated PNG may be for programs that show no animations.
    return list(range(int(number > 1 and bool(image.info.get("default_image"))), number))


def _orientation(image: Image.Image, path: Path) -> int:
    """How the camera was held, 1…8; 1, upright, if the file does not say (readably)."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except _UNREADABLE as error:
        warnings.warn(
            f"{path} has damaged EXIF data ({error}); it is taken as upright.",
            UserWarning,
            stacklevel=3,
        )
        return 1


def _upright(image: Image.Image, path: Path) -> Image.Image:
    return image if _orientation(image, path) == 1 else ImageOps.exif_transpose(image)


def _encoded(image: Image.Image, file_format: str, **options: int) -> bytes:
    """Encode in memory first: an error while writing then is the disk's, with its own reason."""
    buffer = io.BytesIO()
    image.save(buffer, format=file_format, **options)
    return buffer.getvalue()


def _put(path: Path, content: bytes) -> None:
    with atomic_write(path) as file:
        file.write(content)
