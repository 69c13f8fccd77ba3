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
        wanted = [(path, None) for path in images] + [(path, read_mask) for path in masks]
        files = [(path, reader, path in thorough or not self.quick) for path, reader in wanted]
        silent = None if self.progress else True  # None: silent if not a terminal
        found = tqdm(
            _inspected(files, self.workers),
            total=len(files),
            unit="file",
            leave=False,
            disable=silent,
        )
        return {facts.path: facts for facts in found}


_File = tuple[Path, MaskReader | None, bool]
"""A file, how it is read (None: it is an image), and whether more than its header is."""


def _inspected(files: list[_File], workers: int) -> Iterator[FileFacts]:
    if workers == 1:
        yield from map(_inspect, files)
        return
    # Ctrl-C reaches the whole process group; only this process should react to it.
    silent = {"initializer": signal.signal, "initargs": (signal.SIGINT, signal.SIG_IGN)}
    with ProcessPoolExecutor(workers, **silent) as pool:
        yield from pool.map(_inspect, files, chunksize=16)


def _inspect(file: _File) -> FileFacts:
    """The facts of one file; what goes wrong in reading it, and warnings, are among them."""
    path, read_mask, whole = file
    objects, void = None, False
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            if not whole:
                size = image_size(path)
            elif read_mask is None:
                size = read_image(path).shape[:2]
            else:
                labels = read_mask(path)
                size = labels.shape
                present = np.bincount(labels.ravel(), minlength=256) > 0
                objects = tuple((np.flatnonzero(present[1:VOID]) + 1).tolist())
                void = bool(present[VOID])
        except DataError as error:
            return FileFacts(path, None, None, False, (str(error),))
    return FileFacts(path, size, objects, void, tuple(str(w.message) for w in caught))
