"""The learning rate as a function of the step alone, so that a resumed run needs no state."""

import math

from ranet.config import OptimizerConfig

# Exponent of the poly schedule, as segmentation networks use it since DeepLab.
_POLY_POWER = 0.9


def learning_rate(config: OptimizerConfig, step: int, steps: int) -> float:
    """Learning rate of step ``step`` (0 is the first) of a run of ``steps``.

    It climbs linearly over the warm-up, then stays (``constant``) or falls towards zero
    (``poly``, ``cosine``).
    """
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, steps - config.warmup_steps)
    factor = {
        "constant": 1.0,
        "poly": (1 - progress) ** _POLY_POWER,
        "cosine": (1 + math.cos(math.pi * progress)) / 2,
    }[config.schedule]
    return config.learning_rate * factor
