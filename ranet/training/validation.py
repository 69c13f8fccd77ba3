"""Scoring a network during its training, exactly as ``scripts/eval_davis.py`` scores a file."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from ranet.config import TrainConfig, ValidationConfig
from ranet.files import output_errors
from ranet.inference.run import Method, evaluate_split, network
from ranet.model.ranet import RANet
from ranet.model.weights import save_checkpoint
from ranet.training.interrupt import StopRequest


def validation_is_due(config: TrainConfig, step: int) -> bool:
    """Whether the network after ``step`` steps is to be scored."""
    return config.validation is not None and step % config.validation.every == 0


class Validation:
    """Writes the network, scores what was written, and keeps the best as ``best.pt``.

    Args:
        config: the split, and how it is segmented.
        output: folder of the run; masks and scores of the last validation are in ``validation``.
        best: the best J&F so far, of a run that is resumed.
    """

    def __init__(self, config: ValidationConfig, output: Path, best: float | None = None) -> None:
        self.config = config
        self.best = best
        self._output = output

    def __call__(self, model: RANet, step: int, stop: StopRequest) -> dict[str, float]:
        """Score the network.

        Args:
            model: stays as it is.
            step: steps done.
            stop: ends the validation at the next frame.

        Returns:
            ``J&F``, ``J`` and ``F``, means over the objects of the split, in [0, 1].

        Raises:
            RANetError: of the split, or of the folder that is written to.
            KeyboardInterrupt: asked to stop.
        """
        candidate = self._output / "candidate.pt"
        save_checkpoint(candidate, model, step=step)
        method = network(self.config.evaluation, candidate)
        report = evaluate_split(
            self.config.evaluation,
            replace(method, follower=_Stoppable(method, stop)),
            self.config.davis,
            self._output / "validation",
            set_file=self.config.set_file,
            overwrite=True,
        )
        averages = report.scores.averages
        if self.best is None or averages["J&F-Mean"] > self.best:
            self.best = averages["J&F-Mean"]
            with output_errors(candidate):
                os.replace(candidate, self._output / "best.pt")
        return {name: averages[f"{name}-Mean"] for name in ("J&F", "J", "F")}


class _Stoppable:
    """The follower of a method, which goes no frame further when asked to stop."""

    def __init__(self, method: Method, stop: StopRequest) -> None:
        self._follower, self._stop = method.follower, stop

    @property
    def step_seconds(self) -> float:
        return self._follower.step_seconds

    @property
    def online_seconds(self) -> float:
        return self._follower.online_seconds

    def start(self, frame: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return self._follower.start(frame, labels)

    def step(self, frame: np.ndarray) -> np.ndarray:
        if self._stop.requested:
            raise KeyboardInterrupt
        return self._follower.step(frame)
