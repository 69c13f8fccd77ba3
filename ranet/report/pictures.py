"""Small pictures for the page: frames as JPEG, and masks to lay over them as transparent PNG.

A frame is stored once, however many masks of it there are to show.
"""

import base64
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from ranet.datasets.image_io import VOID, MaskReader, label_reader, read_image
from ranet.datasets.index import images_in
from ranet.errors import DataError
from ranet.palette import PALETTE
from ranet.report import Pictures
from ranet.report.runs import Run
from ranet.visual.overlay import contour_pixels, object_layer
from ranet.wording import bullets, count, some_of

APART = 5
"""Annotated frames between two bad ones of a sequence: neighbours show the same mistake again."""

_ALPHA = 115  # of 255: how much of an object's colour covers it
_CONTOUR = 1 / 240  # of the width of a picture
_ADVICE = "Name their folders with --frames and --annotations, or ask for --without-pictures."


@dataclass(frozen=True)
class BadFrame:
    """A frame, and the J&F of the run that is worst there."""

    score: float
    sequence: str
    frame: int  # index among the annotated frames


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
    """The layers as contours alone; empty where they are not needed."""


def worst_frames(runs: Sequence[Run], at_most: int) -> list[BadFrame]:
    """The worst frames, worst first, none closer to a worse one of its sequence than `APART`."""
    lowest: dict[tuple[str, int], float] = {}
    for run in runs:
        for name, video in run.scores.videos.items():
            for frame in range(len(video.frames)):
                values = [m.per_frame[frame] for o in video.objects.values() for m in (o.J, o.F)]
                if None not in values:
                    score = sum(values) / len(values)
                    lowest[name, frame] = min(score, lowest.get((name, frame), score))
    chosen: list[BadFrame] = []
    for (name, frame), score in sorted(lowest.items(), key=lambda item: item[1]):
        if len(chosen) == at_most:
            break
        if all(name != c.sequence or abs(frame - c.frame) >= APART for c in chosen):
            chosen.append(BadFrame(score, name, frame))
    return chosen


def pictures_of(
    runs: Sequence[Run], names: Sequence[str], worst: Sequence[BadFrame], pictures: Pictures
) -> dict[str, list[Picture]]:
    """The pictures of each sequence in order: each n-th frame, the last, and the worst ones.

    Raises:
        DataError: images or masks are missing; those of all sequences are told at once.
    """
    images = pictures.frames or next((run.frames for run in runs if run.frames), None)
    if images is None:
        raise DataError(f"{runs[0].folder} does not tell where the frames are. {_ADVICE}")
    truth = pictures.annotations or runs[0].scores.annotations
    frames, masks, problems = {}, {}, []
    for name in names:
        videos = [run.scores.videos.get(name) for run in runs]
        frames[name] = next(video.frames for video in videos if video)
        found = [run.masks / name if v else None for run, v in zip(runs, videos, strict=True)]
        problems += _missing(frames[name], [images / name, truth / name])
        # The first and the last frame are not scored, and a method need not write them.
        problems += _missing(frames[name][1:-1], filter(None, found))
        masks[name] = [*found, truth / name]
    if problems:
        raise DataError(f"Pictures for the report are missing:\n{bullets(problems)}\n{_ADVICE}")
    read, kept = label_reader(runs[0].scores.year), {}
    for name in names:
        bad, last = {one.frame for one in worst if one.sequence == name}, len(frames[name]) - 1
        image_files = images_in(images / name)
        mask_files = [images_in(folder) if folder else {} for folder in masks[name]]
        kept[name] = [
            _picture(
                frame,
                image_files[frames[name][frame]],
                [files.get(frames[name][frame]) for files in mask_files],
                read,
                pictures,
                contours=frame in bad,
            )
            for frame in sorted({*range(0, last + 1, pictures.every), last, *bad})
        ]
    return kept


def _picture(
    frame: int,
    image_file: Path,
    mask_files: Sequence[Path | None],
    read: MaskReader,
    pictures: Pictures,
    *,
    contours: bool,
) -> Picture:
    image = read_image(image_file)
    height, width = image.shape[:2]
    if width > pictures.width:
        size = (pictures.width, max(1, round(height * pictures.width / width)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    masks = [None if f is None else _labels(read(f), image.shape[:2]) for f in mask_files]
    return Picture(
        frame,
        image=_encoded(image, "JPEG", quality=pictures.quality),
        layers=[None if mask is None else _tinted(mask) for mask in masks],
        contours=[None if m is None else _outlined(m) for m in masks] if contours else [],
    )


def _labels(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A mask at the size of the reduced image; void is background."""
    labels = np.where(labels == VOID, 0, labels).astype(np.uint8)
    return cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST)


def _missing(frames: Sequence[str], folders: Iterable[Path]) -> Iterator[str]:
    for folder in folders:
        if not folder.is_dir():
            yield f"there is no folder {folder}"
            continue
        there = images_in(folder)
        absent = [frame for frame in frames if frame not in there]
        if absent:
            yield f"{folder} lacks {count(absent, 'image')}: {some_of(absent)}"


def _tinted(labels: np.ndarray) -> str:
    """A mask as :func:`ranet.visual.overlay.overlay` draws it, on nothing."""
    layer = object_layer(labels, alpha=_ALPHA, contour=_contour_width(labels))
    return _encoded(layer, "PNG", optimize=True)


def _outlined(labels: np.ndarray) -> str:
    """The borders of a mask alone: bright, on a dark line that shows them on any background."""
    bright = PALETTE.astype(np.uint16) * 255 // PALETTE.max(axis=1, initial=1, keepdims=True)
    edge = contour_pixels(labels, _contour_width(labels))
    layer = np.zeros((*labels.shape, 4), np.uint8)
    layer[cv2.dilate(edge.view(np.uint8), np.ones((3, 3), np.uint8)) > 0, 3] = 255
    layer[edge, :3] = bright[labels[edge]]
    return _encoded(layer, "PNG", optimize=True)


def _contour_width(labels: np.ndarray) -> int:
    return max(1, round(labels.shape[1] * _CONTOUR))


def _encoded(pixels: np.ndarray, file_format: str, **options: int) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, file_format, **options)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
