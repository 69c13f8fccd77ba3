"""Scoring a network during its training, exactly as ``scripts/eval_davis.py`` scores a file."""

import logging
import os

import torch

from ranet.config import EvalConfig, TrainConfig, ValidationConfig, parse_config
from ranet.files import output_errors
from ranet.inference.davis import CHANGES_NO_RESULT, evaluate_split, network
from ranet.interrupt import StopRequest
from ranet.methods.base import VOSMethod
from ranet.training.checkpoint import Progress, save_network
from ranet.wording import differences

_logger = logging.getLogger(__name__)

CANDIDATE = "candidate.pt"
"""The network that is being scored, below the run's output."""


def validation_is_due(config: TrainConfig, step: int) -> bool:
    """Whether the network after ``step`` steps is to be scored; the final one always is."""
    if config.validation is None:
        return False
    return step % config.validation.every == 0 or step == config.steps


# Fields of the section in which two validations may differ that are held against each other.
_CHANGES_NO_SCORE = {"every": True, "evaluation": CHANGES_NO_RESULT}


def best_so_far(config: TrainConfig, progress: Progress) -> float | None:
    """The best J&F that the validations of ``config`` can be held against, if there is one."""
    if progress.best is None:
        return None
    before = parse_config(ValidationConfig, progress.best_of, source="the validation before")
    first, now = (
        section.model_dump(exclude=_CHANGES_NO_SCORE) for section in (before, config.validation)
    )
    if changed := [f"validation.{name}" for name, _, _ in differences(first, now)]:
        _logger.info(
            "%s changed: the best J&F so far, %.4f, no longer counts, and the next network that is "
            "scored takes the place of best.pt",
            ", ".join(changed),
            progress.best,
        )
        return None
    return progress.best


class Validation:
    """Writes the network, scores what was written, and keeps the best as ``best.pt``.

    Args:
        run: whose network it is; masks and scores of the last validation are in the folder
            ``validation`` of its output.
        best: :func:`best_so_far`.
        scorers: threads that score frames.
    """

    def __init__(self, run: TrainConfig, best: float | None, scorers: int) -> None:
        self.best = best
        self._run, self._scorers = run, scorers

    def __call__(self, model: VOSMethod, step: int, stop: StopRequest) -> dict[str, float]:
        """Score the network.

        Args:
            model: stays as it is. Where the evaluation leaves its device open, it is the model's.
            step: steps done.
            stop: ends the validation at the next frame.

        Returns:
            ``J&F``, ``J`` and ``F``, means over the objects of the split, in [0, 1].

        Raises:
            RANetError: of the split, or of the folder that is written to.
            KeyboardInterrupt: asked to stop.
        """
        candidate = self._run.output / CANDIDATE
        try:
            save_network(candidate, model, self._run, step)
            device = next(model.parameters()).device
            evaluation = _on(device, self._run.validation.evaluation)
            report = evaluate_split(
                evaluation,
                network(evaluation, candidate),
                self._run.validation.davis,
                self._run.output / "validation",
                set_file=self._run.validation.set_file,
                overwrite=True,
                workers=self._scorers,
                stop=stop,
            )
            averages = report.scores.averages
            if self.best is None or averages["J&F-Mean"] > self.best:
                self.best = averages["J&F-Mean"]
                with output_errors(candidate):
                    os.replace(candidate, self._run.output / "best.pt")
        finally:
            candidate.unlink(missing_ok=True)
        return {name: averages[f"{name}-Mean"] for name in ("J&F", "J", "F")}


def _on(device: torch.device, evaluation: EvalConfig) -> EvalConfig:
    """``auto`` is the device of the training here, not the machine's first, which may be taken."""
    inference = evaluation.inference
    if inference.device == "auto":
        inference = inference.model_copy(update={"device": str(device)})
    return evaluation.model_copy(update={"inference": inference})
