"""Folders of masks as the evaluation reads them, small enough to score by hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ranet.datasets.image_io import write_labels


def write_tree(root: Path, videos: Mapping[str, Sequence[np.ndarray]]) -> Path:
    """Write each video's label maps as ``root/<video>/00000.png``, …; returns ``root``."""
    for name, frames in videos.items():
        for index, labels in enumerate(frames):
            write_labels(root / name / f"{index:05d}.png", labels)
    return root


def rectangle(rows: slice, columns: slice, *, label: int = 1, size=(40, 60)) -> np.ndarray:
    """H×W uint8 labels with one rectangle."""
    labels = np.zeros(size, dtype=np.uint8)
    labels[rows, columns] = label
    return labels


def still_video(labels: np.ndarray, frames: int) -> list[np.ndarray]:
    """The same label map in every frame."""
    return [labels] * frames


EMPTY = np.zeros((40, 60), dtype=np.uint8)
LEFT = rectangle(np.s_[10:20], np.s_[10:20])
SHIFTED = rectangle(np.s_[10:20], np.s_[15:25])  # J with LEFT: 50 of 150 pixels
TWO = LEFT + rectangle(np.s_[25:35], np.s_[30:50], label=2)
