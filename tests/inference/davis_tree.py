"""A miniature DAVIS tree of moving squares, and ways to look at a folder of results."""

import numpy as np
from moving_squares import moving

from ranet.datasets.image_io import write_image, write_labels

SIZE = (48, 80)


def write_sequence(root, name, video, *, black_and_white=False):
    frames, masks = root / "JPEGImages/480p" / name, root / "Annotations/480p" / name
    for index, (frame, labels) in enumerate(video):
        write_image(frames / f"{index:05d}.jpg", frame)
        path = masks / f"{index:05d}.png"
        if black_and_white:
            write_image(path, np.repeat((labels > 0)[..., None] * np.uint8(255), 3, axis=2))
        else:
            write_labels(path, labels)


def write_tree(root, *, frames=6, names=("one", "two", "three"), black_and_white=False):
    """Sequences of two squares, 1 and 2; ``ImageSets/2016`` and ``2017`` list them all."""
    for number, name in enumerate(names):
        video = moving(SIZE, frames, {1: (4 + number, 6), 2: (20, 50)}, step=(1, -1), side=14)
        write_sequence(root, name, video, black_and_white=black_and_white)
    for year in ("2016", "2017"):
        folder = root / "ImageSets" / year
        folder.mkdir(parents=True)
        (folder / "val.txt").write_text("".join(f"{name}\n" for name in names))
    return root


def masks_of(out):
    """What lies below OUT/masks, hidden names included: {sequence: [file names]}."""
    folder = out / "masks"
    if not folder.exists():
        return {}
    return {
        path.name: sorted(file.name for file in path.iterdir()) for path in sorted(folder.iterdir())
    }
