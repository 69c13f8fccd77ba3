"""J, the region measure: the Jaccard index of two masks."""

import numpy as np

from ranet.metrics.masks import check_masks


def jaccard(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union of two masks, in [0, 1]; 1 where both are empty.

    Args:
        prediction: H×W bool.
        truth: H×W bool.

    Raises:
        ValueError: the masks are not bool, or differ in shape.
    """
    check_masks(prediction, truth)
    union = np.count_nonzero(prediction | truth)
    if union == 0:
        return 1.0
    return np.count_nonzero(prediction & truth) / union
