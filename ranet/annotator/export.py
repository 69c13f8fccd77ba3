"""Taking the work away: a folder of all that was asked for, which appears whole."""

import shutil
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np

from ranet.annotator.job import Job
from ranet.config import Section
from ranet.datasets.image_io import write_labels
from ranet.datasets.video_io import FrameSource
from ranet.files import atomic_folder, output_errors
from ranet.inference.outputs import Outputs, write_outputs

ANNOTATIONS = "annotations"
"""Folder of the marks, in that of an export."""


class ExportRequest(Section):
    """What to make of the masks, besides the masks."""

    overlay: bool = True
    """``overlay.mp4``: the objects over the frames."""
    cut_out: Literal["png", "webm"] | None = None
    """``cut_out/`` or ``cut_out.webm``: the objects on nothing."""
    coco: bool = False
    """``masks.json``: run lengths."""

    def outputs(self, folder: Path) -> Outputs:
        """Where they go."""
        cut_outs = {"png": folder / "cut_out", "webm": folder / "cut_out.webm"}
        return Outputs(
            overlay=folder / "overlay.mp4" if self.overlay else None,
            cut_out=cut_outs[self.cut_out] if self.cut_out else None,
            coco=folder / "masks.json" if self.coco else None,
        )


def free_folder(wanted: Path) -> Path:
    """``wanted``, or ``wanted-2``, …: the first that does not hold anything."""
    number = 1
    folder = wanted
    with output_errors(wanted):
        while folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            number += 1
            folder = wanted.with_name(f"{wanted.name}-{number}")
    return folder


def write_marks(marks: Mapping[str, np.ndarray], out: Path) -> None:
    """Write what was marked, and nothing else, to a folder; it appears whole.

    Args:
        marks: labels H×W by the name of their frame.
        out: new, or empty.

    Raises:
        OutputError: it cannot be written.
    """
    with atomic_folder(out) as folder:
        _write_marks(marks, folder)


def write_export(
    request: ExportRequest,
    source: FrameSource,
    marks: Mapping[str, np.ndarray],
    masks: Path,
    out: Path,
    job: Job,
) -> None:
    """Write marks, masks and what else was asked for to a folder; it appears whole.

    Args:
        request: what else.
        source: the video.
        marks: labels H×W by the name of their frame.
        masks: ``<name of the frame>.png``.
        out: new, or empty.
        job: is told of every frame.

    Raises:
        StoppedError: the job was stopped; nothing appears.
        RANetError: something cannot be read or written, or a library is missing.
    """
    with atomic_folder(out) as folder:
        _write_marks(marks, folder)
        with output_errors(folder):
            shutil.copytree(masks, folder / "masks")
        outputs = request.outputs(folder)
        if outputs.wanted():
            write_outputs(_Watched(source, job), masks, outputs)


def _write_marks(marks: Mapping[str, np.ndarray], folder: Path) -> None:
    for name, labels in marks.items():
        write_labels(folder / ANNOTATIONS / f"{name}.png", labels)


class _Watched:
    """A :class:`FrameSource` that tells a job of every frame that is taken from it."""

    live = False

    def __init__(self, source: FrameSource, job: Job) -> None:
        self.size: tuple[int, int] = source.size
        self.paths: tuple[Path, ...] = source.paths
        self.frame_rate: Fraction | None = source.frame_rate
        self.count: int | None = source.count
        self._source, self._job = source, job

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        for number, named in enumerate(self._source):
            self._job.advance(number)
            yield named
