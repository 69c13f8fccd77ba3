"""A miniature of the training archive of YouTube-VOS."""

import json
from pathlib import Path

import numpy as np

from ranet.datasets.image_io import write_image, write_labels

SIZE = (24, 32)


def write_youtube_vos(root: Path, videos: dict[str, dict[int, int]], frames: int = 4) -> Path:
    """Videos of every fifth frame; ``videos`` tells in which of these each object appears.

    Object k is a square in row 5k − 1, in frame number n (0, 5, …) from column n on.
    """
    folder = root / "train"
    meta = {}
    for name, objects in videos.items():
        for position in range(frames):
            number = 5 * position
            pixels = np.full((*SIZE, 3), number, np.uint8)
            write_image(folder / "JPEGImages" / name / f"{number:05d}.jpg", pixels)
            labels = np.zeros(SIZE, np.uint8)
            for label, first in objects.items():
                if position >= first:
                    labels[5 * label - 1 : 5 * label + 3, number : number + 4] = label
            write_labels(folder / "Annotations" / name / f"{number:05d}.png", labels)
        meta[name] = {
            "objects": {
                str(label): {
                    "category": "dog",
                    "frames": [f"{5 * p:05d}" for p in range(first, frames)],
                }
                for label, first in objects.items()
            }
        }
    (folder / "meta.json").write_text(json.dumps({"videos": meta}))
    return root
