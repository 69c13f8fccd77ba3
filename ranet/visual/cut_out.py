"""Objects cut out of a frame, to be laid over something else."""

import numpy as np

from ranet.visual.labelled import check_labelled


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
        DataError: image or labels have another shape or type, or the sizes differ.
    """
    check_labelled(image, labels)
    kept = labels > 0
    return np.dstack([image * kept[..., None], np.where(kept, np.uint8(255), np.uint8(0))])
