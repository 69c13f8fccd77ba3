"""Miniature image sets in the layouts of their archives."""

from pathlib import Path

import numpy as np
from PIL import Image

from ranet.datasets.image_io import write_image, write_labels

SIZE = (24, 32)
NAMES = ("a2", "a10")  # in natural order

# Kind → where images and masks lie below the root.
PLACES = {
    "pairs": ("images/{}.jpg", "masks/{}.png"),
    "msra10k": ("Imgs/{}.jpg", "Imgs/{}.png"),
    "ecssd": ("images/{}.jpg", "ground_truth_mask/{}.png"),
    "hku_is": ("imgs/{}.png", "gt/{}.png"),
    "soc": ("Imgs/{}.jpg", "Instance gt/{}.png"),
    "ilso": ("imgs/{}.jpg", "gt/{}.png"),
}
SALIENT = {"msra10k", "ecssd", "hku_is"}
"""Sets of black and white masks; the others tell objects apart."""


def squares() -> np.ndarray:
    """Objects 1 and 2."""
    labels = np.zeros(SIZE, np.uint8)
    labels[4:10, 4:10] = 1
    labels[4:10, 20:26] = 2
    return labels


def write_saliency(path: Path, labels: np.ndarray) -> None:
    """White with an edge of grey levels, which ends where the object does."""
    white = (labels > 0).astype(np.uint8) * 255
    beside = (white == 0) & (np.roll(white, 1, axis=1) > 0)
    white[beside] = 90
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(white).save(path)


def write_colours(path: Path, labels: np.ndarray) -> None:
    """Red and green on black, as SOC has them; one pixel beside is of a colour in between."""
    colours = np.array([(0, 0, 0), (255, 0, 0), (0, 255, 0)], np.uint8)[labels]
    colours[4, 10] = (120, 7, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(colours).save(path)


def write_image_set(root: Path, kind: str, names: tuple[str, ...] = NAMES) -> Path:
    """A set of one pair a name, each with objects 1 and 2."""
    image_place, mask_place = PLACES[kind]
    for name in names:
        pixels = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
        write_image(root / image_place.format(name), pixels)
        write_mask(root / mask_place.format(name), kind)
    if kind == "ilso":
        (root / "ImageSets").mkdir(exist_ok=True)
        (root / "ImageSets" / "train_id_1000.txt").write_text("a10\n")
    if kind == "soc":
        write_image(root / "Imgs/nothing.jpg", np.zeros((*SIZE, 3), np.uint8))
        write_saliency(root / "gt/nothing.png", np.zeros(SIZE, np.uint8))
    return root


def write_mask(path: Path, kind: str) -> None:
    if kind in SALIENT:
        write_saliency(path, squares())
    elif kind == "soc":
        write_colours(path, squares())
    else:
        write_labels(path, squares())
