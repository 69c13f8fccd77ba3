"""Objects cut out of a frame, to be laid over something else."""

import numpy as np


def cut_out(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The objects of a frame on nothing.

    The background is not only transparent but black: what was cut away cannot be brought back, and
    takes no room in a file.

    Args:
        image: H×W×3 uint8 RGB.
        labels: H×W uint8; all but 0 is kept.

    Returns:
        H×W×4 uint8 RGBA, not premultiplied: opaque objects, transparent background.

    Raises:
        ValueError: the sizes differ.
    """
    if image.shape[:2] != labels.shape:
        raise ValueError(f"image {image.shape[:2]} and labels {labels.shape} are of two sizes")
    kept = labels > 0
    return np.dstack([image * kept[..., None], np.where(kept, np.uint8(255), np.uint8(0))])
