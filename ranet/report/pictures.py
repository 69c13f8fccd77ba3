"""Small pictures for the page: frames as JPEG, and masks to lay over them as transparent PNG.

A frame is stored once, however many masks of it there are to show.
"""

import base64
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from ranet.datasets.image_io import VOID, MaskReader, label_reader, read_image
from ranet.datasets.index import images_in
from ranet.errors import DataError
from ranet.palette import PALETTE
from ranet.report.choices import Pictures
from ranet.report.runs import Run
from ranet.visual.overlay import contour_pixels
from ranet.wording import bullets, count, some_of

_TINT = 115  # of 255: how much of an object's colour covers it
_NARROW = 240  # pixels of width for each pixel of contour
_ADVICE = (
    "Name the folder that has a folder of images per sequence with --frames, and that of the true "
    "masks with --annotations; or ask for a report --without-pictures, which has all numbers and "
    "curves."
)


@dataclass(frozen=True)
class Picture:
    """A frame and its masks, as base64."""

    frame: int
    """Index among the annotated frames."""
    image: str
    """JPEG."""
    layers: list[str | None]
    """PNG of each run's mask and, last, of the true one; None where a run has none."""
    contours: list[str | None]
    """The same as contours alone; empty where they are not needed."""


@dataclass(frozen=True)
class SequenceFiles:
    """Where the pictures of a sequence come from: files by name of the frame."""

    frames: tuple[str, ...]  # the annotated ones
    images: dict[str, Path]
    masks: list[dict[str, Path]]  # of each run, then the true ones; empty: the run has none
    read: MaskReader

    def chosen(self, every: int) -> list[int]:
        """Each ``every``-th frame, and the last."""
        last = len(self.frames) - 1
        return sorted({*range(0, last + 1, every), last})

    def picture(self, frame: int, pictures: Pictures, *, contours: bool) -> Picture:
        """The pictures of an annotated frame."""
        name = self.frames[frame]
        image = _reduced(read_image(self.images[name]), pictures.width)
        size = image.shape[:2]
        masks = [_labels(files.get(name), self.read, size) for files in self.masks]
        return Picture(
            frame,
            image=_encoded(image, "JPEG", quality=pictures.quality),
            layers=[_drawn(_tinted, mask) for mask in masks],
            contours=[_drawn(_outlined, mask) for mask in masks] if contours else [],
        )


def find_files(
    runs: Sequence[Run], names: Sequence[str], pictures: Pictures
) -> dict[str, SequenceFiles]:
    """The files of all sequences.

    Raises:
        DataError: images or masks are missing; those of all sequences are told at once.
    """
    frames = _frames_folder(runs, pictures)
    truth = pictures.annotations or runs[0].scores.annotations
    found, problems = {}, []
    for name in names:
        videos = [run.scores.videos.get(name) for run in runs]
        annotated = next(video.frames for video in videos if video)
        folders = [run.masks for run, video in zip(runs, videos, strict=True) if video]
        problems += _missing(annotated, [frames / name, truth / name], slice(None))
        # The first and the last frame are not scored, and a method need not write them.
        problems += _missing(annotated, [folder / name for folder in folders], slice(1, -1))
        if not problems:
            masks = [
                images_in(r.masks / name) if v else {} for r, v in zip(runs, videos, strict=True)
            ]
            found[name] = SequenceFiles(
                annotated,
                images=images_in(frames / name),
                masks=[*masks, images_in(truth / name)],
                read=label_reader(runs[0].scores.year),
            )
    if problems:
        raise DataError(f"Pictures for the report are missing:\n{bullets(problems)}\n{_ADVICE}")
    return found


def _frames_folder(runs: Sequence[Run], pictures: Pictures) -> Path:
    known = [run.frames for run in runs if run.frames]
    if pictures.frames is None and not known:
        raise DataError(
            f"{runs[0].folder} does not tell where the frames of the videos are, of which the "
            f"report shows pictures. {_ADVICE}"
        )
    return pictures.frames or known[0]


def _missing(annotated: Sequence[str], folders: Sequence[Path], needed: slice) -> Iterator[str]:
    for folder in folders:
        if not folder.is_dir():
            yield f"there is no folder {folder}"
            continue
        there = images_in(folder)
        absent = [frame for frame in annotated[needed] if frame not in there]
        if absent:
            yield f"{folder} lacks {count(absent, 'image')}: {some_of(absent)}"


def _reduced(image: np.ndarray, width: int) -> np.ndarray:
    if image.shape[1] <= width:
        return image
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def _labels(path: Path | None, read: MaskReader, size: tuple[int, int]) -> np.ndarray | None:
    """The mask in a file at the size of the reduced image; void is background."""
    if path is None:
        return None
    labels = read(path)
    labels = np.where(labels == VOID, 0, labels).astype(np.uint8)
    return cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST)


def _drawn(draw: Callable[[np.ndarray], str], labels: np.ndarray | None) -> str | None:
    return None if labels is None else draw(labels)


def _tinted(labels: np.ndarray) -> str:
    """A mask as :func:`ranet.visual.overlay.overlay` draws it, on nothing."""
    layer = np.dstack([PALETTE[labels], np.where(labels > 0, _TINT, 0).astype(np.uint8)])
    edge = contour_pixels(labels, _contour_width(labels))
    layer[edge, :3] = PALETTE[labels[edge]] // 2 + 127
    layer[edge, 3] = 255
    return _encoded(layer, "PNG", optimize=True)


def _outlined(labels: np.ndarray) -> str:
    """The borders of a mask alone: bright, on a dark line that shows them on any background."""
    bright = PALETTE.astype(np.uint16) * 255 // PALETTE.max(axis=1, initial=1, keepdims=True)
    window = np.ones((3, 3), np.uint8)
    edge = contour_pixels(labels, _contour_width(labels))
    layer = np.zeros((*labels.shape, 4), np.uint8)
    layer[cv2.dilate(edge.view(np.uint8), window) > 0, 3] = 255
    layer[edge, :3] = bright[labels[edge]]
    return _encoded(layer, "PNG", optimize=True)


def _contour_width(labels: np.ndarray) -> int:
    return max(1, round(labels.shape[1] / _NARROW))


def _encoded(pixels: np.ndarray, file_format: str, **options: int) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, file_format, **options)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
