"""Folders of results on a miniature of synthetic videos."""

import shutil

import cv2
import numpy as np

from ranet.config import EvalConfig
from ranet.datasets.image_io import read_labels, write_labels
from ranet.datasets.synthetic import write_synthetic_davis
from ranet.inference.davis import copying, evaluate_split
from ranet.metrics import evaluate_davis

SIZE = (96, 160)
FRAMES = 7
ODD = "<b>&\"'$x$<!--"
"""A name that no page, plot or script may take for anything else."""


def write_tree(root):
    """A DAVIS tree of the videos ``plain`` and `ODD`."""
    write_synthetic_davis(
        root, train=1, val=2, frames=FRAMES, size=SIZE, seed=7, max_objects=2, clutter=0.0
    )
    for number, name in enumerate(("plain", ODD)):
        for kind in ("JPEGImages", "Annotations"):
            folder = next((root / kind).iterdir()) / f"val-{number:04d}"
            folder.rename(folder.with_name(name))
    for year in (2016, 2017):
        (root / f"ImageSets/{year}/val.txt").write_text(f"plain\n{ODD}\n")
    return root


def annotations_of(tree):
    return next((tree / "Annotations").iterdir())


def frames_of(tree):
    return next((tree / "JPEGImages").iterdir())


def write_copied(tree, out):
    """Results of ``eval_davis.py --copy-first-mask``."""
    evaluate_split(EvalConfig(year=2017), copying(), tree, out)
    return out


def write_scored(tree, out, *, grown=3, sequences=("plain", ODD)):
    """Results of ``evaluate.py``: the true masks grown by some pixels, scored."""
    masks, window = out.with_name(f"{out.name}-masks"), np.ones((grown, grown), np.uint8)
    for path in annotations_of(tree).rglob("*.png"):
        grown_labels = cv2.dilate(read_labels(path), window)
        write_labels(masks / path.relative_to(annotations_of(tree)), grown_labels)
    result = evaluate_davis(annotations_of(tree), masks, year=2017, sequences=sequences)
    result.write(out, "val")
    return out


def copied_to(folder, target):
    """The same folder elsewhere, to be damaged."""
    shutil.copytree(folder, target)
    return target
