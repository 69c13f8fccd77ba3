"""The frames of a video in which objects are marked, and the ways through the video from them.

* An annotated frame is taken as it is: its objects begin there, or begin anew if they are followed
  already. Objects that are followed but not marked in it go on as predicted, behind those that are.
* Forwards, from the first annotated frame to the end, all annotated frames count.
* Backwards, every object is followed from the first frame in which it is marked.
"""

import hashlib
import logging
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ranet.datasets.annotations import marks_in, marks_of_frame
from ranet.datasets.frames import FrameSource, ImageFrames
from ranet.datasets.index import images_in, is_image
from ranet.datasets.labels import checked_labels, naming_mask
from ranet.errors import DataError
from ranet.wording import count, some_of

_logger = logging.getLogger(__name__)

Mask = np.ndarray | Path
"""Labels H×W, or the file that they are read from when they are needed."""


@dataclass(frozen=True)
class Way:
    """A way through a video, frame by frame."""

    first: int
    """Number of the frame at which it begins."""
    backward: bool
    marked: Mapping[int, frozenset[int]]
    """Objects that are marked on the way, by the number of the frame."""


class MarkedFrames:
    """Annotated frames, checked; at least one.

    Args:
        masks: by the number of the frame, from 0.
        size: (H, W) of the frames.

    Raises:
        DataError: a mask cannot be read, is of another size, or marks no object.
    """

    def __init__(self, masks: Mapping[int, Mask], size: tuple[int, int]) -> None:
        self._masks = dict(sorted(masks.items()))
        self._size = size
        self._ids: dict[int, frozenset[int]] = {}
        self.fingerprints: dict[str, str] = {}
        """SHA-256 of the labels, by the number of the frame."""
        if not masks:
            raise DataError("No frame is annotated: expected a mask for one frame or more.")
        for number in self._masks:
            labels = self._checked(number)
            self._ids[number] = frozenset(np.unique(labels).tolist()) - {0}
            self.fingerprints[str(number)] = hashlib.sha256(labels.tobytes()).hexdigest()

    @property
    def numbers(self) -> tuple[int, ...]:
        """Of the annotated frames, rising."""
        return tuple(self._masks)

    def name(self, number: int) -> str:
        """What to call the mask of a frame in a message."""
        mask = self._masks[number]
        return str(mask) if isinstance(mask, Path) else f"of frame {number}"

    def labels(self, number: int, ids: frozenset[int]) -> np.ndarray:
        """H×W uint8: some of the objects that are marked in a frame."""
        with warnings.catch_warnings(action="ignore"):  # said when it was checked
            labels = self._checked(number)
        return np.where(np.isin(labels, list(ids)), labels, 0).astype(np.uint8)

    def ways(self, *, backward: bool) -> list[Way]:
        """Forwards and, if wanted and there is anything before, backwards."""
        ways = [Way(self.numbers[0], backward=False, marked=self._ids)]
        begun: set[int] = set()
        beginnings = {}
        for number, ids in self._ids.items():
            if ids - begun:
                beginnings[number] = ids - begun
                begun |= ids
        if backward and max(beginnings) > 0:
            ways.append(Way(max(beginnings), backward=True, marked=beginnings))
        return ways

    def _checked(self, number: int) -> np.ndarray:
        mask = self._masks[number]
        with naming_mask(self.name(number)):
            labels = marks_in(mask, self._size) if isinstance(mask, Path) else mask
            return checked_labels(labels, self._size)[0]


def marked_in_files(files: Mapping[int, Sequence[Path]], source: FrameSource) -> dict[int, Mask]:
    """Masks from files: of one frame, several hold an object each, the later in front.

    Args:
        files: by the number of their frame; a single image is read when it is needed.
        source: the video.

    Raises:
        DataError: another file cannot be read, or as for :func:`marks_of_frame`.
    """
    masks: dict[int, Mask] = {}
    for number, paths in files.items():
        if len(paths) == 1 and is_image(paths[0]):
            masks[number] = paths[0]
            continue
        with naming_mask(some_of([str(path) for path in paths])):
            masks[number] = marks_of_frame(paths, source.size, source.name(number))
    return masks


def tell_marked_frame(mask: Path, number: int, source: FrameSource) -> None:
    """Log which frame a mask is of; warn where it is named as another one.

    Args:
        mask: its file.
        number: of the frame, from 0.
        source: the video.
    """
    if isinstance(source, ImageFrames):
        names = [path.stem for path in source.paths]
        if number >= len(names):
            return  # which is told later
        name, others = names[number], {*names}
    else:
        name = f"{number:05d}"
        others = {mask.stem} if re.fullmatch(r"\d{5}", mask.stem) else set()
    _logger.info("the mask %s is of frame %s", mask, name)
    if mask.stem in others - {name}:
        warnings.warn(
            f"The mask {mask} is taken for frame {name}, though it is named as another, for which "
            f"--mask N={mask} would tell the number.",
            UserWarning,
            stacklevel=2,
        )


def masks_by_name(folder: Path, source: FrameSource) -> dict[int, Mask]:
    """The masks in a folder by the number of their frame.

    Args:
        folder: masks, each named as its frame; in a video file, this is the frame's number.
        source: the video.

    Raises:
        DataError: the folder is missing or empty, or a mask is named as no frame.
    """
    masks = images_in(folder)
    if not masks:
        raise DataError(f"No masks in {folder}: expected images, named as the frames they are of.")
    if isinstance(source, ImageFrames):
        numbers = {path.stem: number for number, path in enumerate(source.paths)}
    else:
        numbers = {name: int(name) for name in masks if name.isdecimal()}
    unknown = [name for name in masks if name not in numbers]
    if unknown:
        raise DataError(
            f"No frame is named as {count(unknown, 'mask')} in {folder}: {some_of(unknown)}; "
            "expected the names of images, or numbers in a video file from 0, as 00048.png."
        )
    if len({numbers[name] for name in masks}) < len(masks):
        raise DataError(f"Two masks in {folder} are of one frame: {some_of(list(masks))}.")
    return {numbers[name]: path for name, path in masks.items()}
