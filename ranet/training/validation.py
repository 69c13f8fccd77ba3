"""Scoring a network during its training, exactly as ``scripts/eval_davis.py`` scores a file."""

import os
from pathlib import Path

from ranet.config import ValidationConfig
from ranet.files import output_errors
from ranet.inference.run import evaluate_split, network
from ranet.model.ranet import RANet
from ranet.model.weights import save_checkpoint


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

    def is_due(self, step: int) -> bool:
        """Whether the network after ``step`` steps is to be scored."""
        return step % self.config.every == 0

    def __call__(self, model: RANet, step: int) -> dict[str, float]:
        """Score the network.

        Args:
            model: stays as it is.
            step: steps done.

        Returns:
            ``J&F``, ``J`` and ``F``, means over the objects of the split, in [0, 1].

        Raises:
            RANetError: of the split, or of the folder that is written to.
        """
        candidate = self._output / "candidate.pt"
        save_checkpoint(candidate, model, step=step)
        report = evaluate_split(
            self.config.evaluation,
            network(self.config.evaluation, candidate),
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
