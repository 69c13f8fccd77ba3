"""A distribution that numpy's generators do not have."""

import numpy as np


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between ``low`` and ``high``, as often below as above their geometric mean."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
