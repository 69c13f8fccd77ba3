"""Contact sheets: rows of captioned pictures of any sizes on one page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ranet.visual.overlay import overlay

if TYPE_CHECKING:
    from ranet.structures import TrainingSample

_GAP = 6  # pixels between pictures
_LINE = 22  # pixels of a line of text
_FONT_SIZE = 14
_PAPER, _INK = (255, 255, 255), (30, 30, 30)


@dataclass(frozen=True)
class SheetRow:
    """Pictures side by side, under a title."""

    title: str
    images: Sequence[np.ndarray]  # each H×W×3 uint8 RGB, or H×W uint8 grey
    captions: Sequence[str] = ()  # below the images; none, or one each


@dataclass(frozen=True)
class Strip:
    """Some frames of a video with their objects, as one network has found them, for instance."""

    network: str
    """Its name, or what else to call them."""
    numbers: Sequence[int]
    """Of the frames, in the video, from 0."""
    frames: Sequence[np.ndarray]
    """Each H×W×3 uint8 RGB."""
    labels: Sequence[np.ndarray]
    """Each H×W uint8."""


def contact_sheet(rows: Sequence[SheetRow], *, image_width: int = 280) -> np.ndarray:
    """Lay out rows of pictures, each resized to one width with its aspect kept.

    Args:
        rows: at least one, with at least one image each.
        image_width: pixels.

    Returns:
        The page: H×W×3 uint8 RGB.

    Raises:
        ValueError: there is no picture, or a row has another number of captions than of images.
    """
    if not rows or not all(row.images for row in rows):
        raise ValueError("a contact sheet needs rows, and each row images")
    strips = [_strip(row, image_width) for row in rows]
    width = max(strip.width for strip in strips)
    page = Image.new("RGB", (width, sum(strip.height for strip in strips)), _PAPER)
    top = 0
    for strip in strips:
        page.paste(strip, (0, top))
        top += strip.height
    return np.array(page)


def sheet_rows(
    title: str, images: Sequence[np.ndarray], captions: Sequence[str], columns: int
) -> list[SheetRow]:
    """Many pictures as rows of so many ``columns``, under one title."""
    return [
        SheetRow("" if k else title, images[k : k + columns], captions[k : k + columns])
        for k in range(0, len(images), columns)
    ]


def sample_sheet(samples: Sequence["TrainingSample"]) -> np.ndarray:
    """One row a training sample: template, current frame, previous mask, truth; as contours.

    Of a clip, the truth of each further frame follows.

    Args:
        samples: at least one.

    Returns:
        The page: H×W×3 uint8 RGB.
    """
    return contact_sheet([_sample_row(sample) for sample in samples])


def similarity_colours(
    similarity: np.ndarray, *, low: float | None = None, high: float | None = None
) -> np.ndarray:
    """Colour a similarity map from dark blue (low) over green to yellow (high).

    Args:
        similarity: h×w floats.
        low, high: values at the ends of the scale; None: the least and the largest of the map.

    Returns:
        h×w×3 uint8 RGB.
    """
    low = similarity.min() if low is None else low
    high = similarity.max() if high is None else high
    share = (similarity - low) / max(high - low, np.finfo(np.float32).tiny)
    grey = np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)
    coloured: np.ndarray = cv2.applyColorMap(grey, cv2.COLORMAP_VIRIDIS)
    return cv2.cvtColor(coloured, cv2.COLOR_BGR2RGB)


def _strip(row: SheetRow, image_width: int) -> Image.Image:
    """One row: its title, its images, their captions."""
    if row.captions and len(row.captions) != len(row.images):
        raise ValueError(
            f"row {row.title!r} has {len(row.images)} images and {len(row.captions)} captions"
        )
    images = [_resized(image, image_width) for image in row.images]
    tallest = max(image.height for image in images)
    height = _LINE + tallest + (_LINE if row.captions else 0) + _GAP
    strip = Image.new("RGB", (_GAP + len(images) * (image_width + _GAP), height), _PAPER)
    draw, font = ImageDraw.Draw(strip), _font()
    draw.text((_GAP, 3), row.title, _INK, font)
    for column, image in enumerate(images):
        left = _GAP + column * (image_width + _GAP)
        strip.paste(image, (left, _LINE))
        if row.captions:
            draw.text((left, _LINE + tallest + 2), row.captions[column], _INK, font)
    return strip


def _sample_row(sample: "TrainingSample") -> SheetRow:
    def outlined(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return overlay(image, labels, alpha=0, contour=2)

    first, *further = sample.current_image
    pictures = {
        "template": outlined(sample.template_image, sample.template_labels),
        "current frame": first,
        "previous mask": outlined(first // 3, sample.previous_labels),
        "truth": outlined(first, sample.current_labels[0]),
    }
    for number, image in enumerate(further, start=1):
        pictures[f"truth, {number} later"] = outlined(image, sample.current_labels[number])
    return SheetRow(sample.name, tuple(pictures.values()), tuple(pictures))


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """matplotlib's font where that is installed: Pillow's own knows no letters beyond English."""
    try:
        import matplotlib
    except ImportError:
        return ImageFont.load_default(_FONT_SIZE)
    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(file), _FONT_SIZE)


def _resized(image: np.ndarray, width: int) -> Image.Image:
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    # Small maps are enlarged in visible cells, larger pictures are smoothed.
    enlarges = width >= 2 * image.shape[1]
    resample = Image.Resampling.NEAREST if enlarges else Image.Resampling.LANCZOS
    return Image.fromarray(image).convert("RGB").resize((width, height), resample)
