"""What a check finds: in single image and mask files, many at once, and in all."""

import signal
import warnings
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ranet.datasets.image_io import VOID, MaskReader, image_size, read_image, read_labels
from ranet.errors import DataError
from ranet.wording import count


@dataclass(frozen=True)
class DataReport:
    """What is in a data folder and what is wrong with it; ``str()`` makes it readable."""

    root: Path
    kind: str  # what the folder was taken for
    contents: tuple[str, ...]  # lines that tell what is there
    problems: tuple[str, ...]  # a message for each mistake; empty if all is well

    def __str__(self) -> str:
        lines = [f"{self.root}: {self.kind}", *(f"  {line}" for line in self.contents)]
        if not self.problems:
            return "\n".join([*lines, "  nothing is wrong"])
        lines.append(f"  {count(self.problems, 'problem')}:")
        return "\n".join([*lines, *(f"  - {problem}" for problem in self.problems)])


@dataclass(frozen=True)
class FileFacts:
    """What was found out about a file."""

    path: Path
    size: tuple[int, int] | None  # (height, width) in pixels; None if it cannot be read
    objects: tuple[int, ...] | None  # ids 1…254 of a mask, ascending; None if it was not decoded
    void: bool  # whether a mask has pixels of label 255
    problems: tuple[str, ...]  # messages that name the file


Facts = Mapping[Path, FileFacts]


@dataclass(frozen=True)
class Inspection:
    """What to find out about a file."""

    path: Path
    read_mask: MaskReader | None  # None for an image
    whole: bool  # decode all of it; otherwise only its header is read


@dataclass(frozen=True)
class Reading:
    """How files are read: the options of a check."""

    quick: bool  # only headers, where an inspection does not ask for more
    workers: int  # processes
    progress: bool  # a progress bar, if standard error is a terminal

    def facts(
        self,
        images: Iterable[Path],
        masks: Iterable[Path],
        always_whole: Iterable[Path] = (),
        read_mask: MaskReader = read_labels,
    ) -> Facts:
        """The facts of images and masks; those in ``always_whole`` are decoded even if quick."""
        thorough = set(always_whole)
        inspections = [
            Inspection(path, reader, path in thorough or not self.quick)
            for reader, paths in ((None, images), (read_mask, masks))
            for path in paths
        ]
        silent = None if self.progress else True  # None: silent if not a terminal
        found = tqdm(
            _inspected(inspections, self.workers),
            total=len(inspections),
            unit="file",
            leave=False,
            disable=silent,
        )
        return {facts.path: facts for facts in found}


def inspect(inspection: Inspection) -> FileFacts:
    """The facts of one file; what goes wrong in reading it, and warnings, are among them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            size, objects, void = _contents(inspection)
        except DataError as error:
            return FileFacts(inspection.path, None, None, False, (str(error),))
    problems = tuple(str(warning.message) for warning in caught)
    return FileFacts(inspection.path, size, objects, void, problems)


def _inspected(inspections: list[Inspection], workers: int) -> Iterator[FileFacts]:
    if workers == 1:
        yield from map(inspect, inspections)
        return
    # Ctrl-C reaches the whole process group; only this process should react to it.
    silent = {"initializer": signal.signal, "initargs": (signal.SIGINT, signal.SIG_IGN)}
    with ProcessPoolExecutor(workers, **silent) as pool:
        yield from pool.map(inspect, inspections, chunksize=16)


def _contents(inspection: Inspection) -> tuple[tuple[int, int], tuple[int, ...] | None, bool]:
    """Size, objects, and whether there is void."""
    if not inspection.whole:
        return image_size(inspection.path), None, False
    if inspection.read_mask is None:
        height, width, _ = read_image(inspection.path).shape
        return (height, width), None, False
    labels = inspection.read_mask(inspection.path)
    present = np.bincount(labels.ravel(), minlength=256) > 0
    objects = tuple(int(label) for label in np.flatnonzero(present[1:VOID]) + 1)
    height, width = labels.shape
    return (height, width), objects, bool(present[VOID])
