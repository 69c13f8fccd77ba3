"""The endless row of training samples: number n is a function of the configuration, seed and n.

Nothing else enters: not the number of workers or processes, nor what was drawn before. So a run
can go on at any step, exactly.
"""

import numpy as np

from ranet.config import DataConfig
from ranet.datasets.sources import open_source
from ranet.datasets.views import make_sample
from ranet.errors import DataError
from ranet.structures import TrainingSample

_DRAWS = 100
"""How often a sample is drawn anew because it has no object, before the sources are given up."""


class TrainingSamples:
    """Samples of a weighted mixture of sources; ``samples[n]`` for any n from 0 on.

    All randomness of sample n is from ``numpy.random.default_rng([seed, epoch, index])`` with
    ``epoch, index = divmod(n, samples_per_epoch)``.
    """

    def __init__(self, config: DataConfig, *, seed: int, instances: bool = False) -> None:
        """Index the sources; ``instances``: samples have labels of all that is annotated.

        Raises:
            DataError: a source is not there or holds nothing to train on.
        """
        self._config = config
        self._seed = seed
        self._instances = instances
        self._sources = [open_source(source, config) for source in config.sources]
        weights = np.array([source.weight for source in config.sources])
        self._shares = weights / weights.sum()

    def __getitem__(self, n: int) -> TrainingSample:
        """Make sample number n (0, 1, …).

        Raises:
            DataError: a file is missing or corrupt, or no objects are found.
        """
        epoch, index = divmod(n, self._config.samples_per_epoch)
        rng = np.random.default_rng([self._seed, epoch, index])
        which = rng.choice(len(self._sources), p=self._shares)
        source = self._sources[which]
        for _ in range(_DRAWS):
            raw = source.draw(self._config.clip_length, rng)
            sample = make_sample(
                raw,
                source.config.previous,
                self._config,
                rng,
                motion=source.config.motion,
                instances=self._instances,
            )
            if sample is not None:
                return sample
        raise DataError(
            f"{_DRAWS} samples drawn from {self._config.sources[which].root} had no object that "
            f"covers {self._config.smallest_object:.2%} of its frame. Are its masks empty? "
            "ranet check-data tells; or lower data.smallest_object."
        )
