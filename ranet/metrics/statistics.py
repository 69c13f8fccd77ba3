"""Mean, recall and decay: what DAVIS reports of a measure's values over a video.

Each takes the values of one object in the scored frames, in order of time, and at least one value.
"""

from collections.abc import Sequence

import numpy as np

RECALL_THRESHOLD = 0.5
DECAY_BINS = 4


def mean(values: Sequence[float]) -> float:
    """The average value.

    Raises:
        ValueError: there are no values.
    """
    return float(np.mean(_at_least_one(values)))


def recall(values: Sequence[float]) -> float:
    """Share of the values strictly above 0.5, in [0, 1].

    Raises:
        ValueError: there are no values.
    """
    return float(np.mean(_at_least_one(values) > RECALL_THRESHOLD))


def decay(values: Sequence[float]) -> float:
    """How much is lost over time: mean of the first quarter less mean of the last, in [-1, 1].

    Quarters share the value at their common end, as in the official code. That code keeps the
    ends in 8 bits, so its decay is wrong from 257 values on; this one is right for any number.

    Raises:
        ValueError: there are no values.
    """
    array = _at_least_one(values)
    position = np.linspace(1, len(array), DECAY_BINS + 1)
    ends = np.round(position + 1e-10).astype(int) - 1  # 1e-10: halves are rounded up
    first, last = array[: ends[1] + 1], array[ends[-2] :]
    return float(np.mean(first) - np.mean(last))


def _at_least_one(values: Sequence[float]) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(
            f"Statistics need at least one value in one row, but got shape {array.shape}."
        )
    return array
