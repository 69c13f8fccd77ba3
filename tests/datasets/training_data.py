"""Small files to train on, for the tests of sampling."""

from pathlib import Path

import numpy as np

from ranet.config import DataConfig, parse_config
from ranet.datasets.image_io import write_image, write_labels

HEIGHT, WIDTH = 48, 80


def textured(seed: int) -> np.ndarray:
    """A HEIGHT×WIDTH image of random blocks."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
    return blocks.repeat(8, axis=0).repeat(8, axis=1)


def two_objects(column: int = 10) -> np.ndarray:
    """Ids 3 and 7: 12 pixels square, and 8×20 further to the right."""
    labels = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    labels[10:22, column : column + 12] = 3
    labels[30:38, column + 20 : column + 40] = 7
    return labels


def write_pairs(root: Path, count: int = 3) -> Path:
    """Pairs ``p0`` … with two objects each, below ``root/pairs``."""
    root = root / "pairs"
    for i in range(count):
        write_image(root / "images" / f"p{i}.png", textured(i))
        write_labels(root / "masks" / f"p{i}.png", two_objects(5 * i))
    return root


def write_videos(root: Path, frames: int = 16, names: tuple[str, ...] = ("a", "b")) -> Path:
    """A DAVIS-2017 tree below ``root/videos``; the objects of frame i are i columns further."""
    root = root / "videos"
    for name in names:
        for i in range(frames):
            write_image(root / f"JPEGImages/480p/{name}/{i:05d}.png", textured(i))
            write_labels(root / f"Annotations/480p/{name}/{i:05d}.png", two_objects(i))
    listed = root / "ImageSets/2017/train.txt"
    listed.parent.mkdir(parents=True)
    listed.write_text("\n".join(names) + "\n")
    return root


def data_config(*sources: dict, **values: object) -> DataConfig:
    """A configuration of small samples."""
    return parse_config(DataConfig, {"sources": sources, "size": (HEIGHT, WIDTH), **values})
