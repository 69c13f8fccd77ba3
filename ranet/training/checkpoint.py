"""Training checkpoints: everything needed to go on, to the bit.

A run's checkpoints lie in ``<output>/checkpoints/step-<steps done>.pt``. Each is an ordinary
checkpoint of the network (:mod:`ranet.methods.checkpoints`) with the optimiser, the random state,
the configuration and the revision beside it. The position in the data is the number of steps done,
since samples depend on nothing else.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import NoneType
from typing import Any

import torch

from ranet.config import TrainConfig
from ranet.errors import CheckpointError, TrainingError
from ranet.methods.base import VOSMethod
from ranet.methods.checkpoint_files import (
    check_entries,
    check_finite,
    check_names_and_shapes,
    read_checkpoint_file,
)
from ranet.methods.checkpoints import network_of, save_checkpoint
from ranet.provenance import revision
from ranet.training.loop import TrainingStep

_ENTRIES: dict[str, type | tuple[type, ...]] = {
    "model": Mapping,
    "step": int,
    "optimizer": Mapping,
    "scaler": Mapping,
    "average": (Mapping, NoneType),
    "random_state": Mapping,
    "config": Mapping,
    "revision": str,
    "best": (float, NoneType),
    "best_of": (Mapping, NoneType),
    "validation_due": bool,
    "noted": Mapping,
}
"""What a training checkpoint holds besides what every checkpoint does."""

_NAME = re.compile(r"step-(\d+)\.pt")


def checkpoints_in(folder: Path) -> list[Path]:
    """Checkpoints in ``folder``, oldest first; none where the folder does not exist."""
    if not folder.is_dir():
        return []
    found = [(int(m[1]), p) for p in folder.iterdir() if (m := _NAME.fullmatch(p.name))]
    return [path for _, path in sorted(found)]


@dataclass(frozen=True)
class Progress:
    """How far a run has come. Checkpoints older than a field have its default."""

    step: int
    """Steps done."""
    best: float | None = None
    """The best J&F of its validations."""
    best_of: Mapping[str, Any] | None = None
    """The section ``validation`` of the configuration that the best was found with."""
    validation_due: bool = False
    """Whether the network is still to be scored as it is after these steps."""
    noted: Mapping[str, list[float]] = field(default_factory=dict)
    """Figures of the steps that are not in the log yet."""


def save_network(
    path: Path, model: VOSMethod, config: TrainConfig, step: int, **extra: Any
) -> None:
    """Write a network together with the run, step and revision that it comes from.

    Raises:
        TrainingError: it has diverged; nothing is written.
        OutputError: the file cannot be written.
    """
    try:
        check_finite(model.state_dict(), f"The network after step {step}")
    except CheckpointError as error:
        raise TrainingError(
            f"{error} It was not written to {path}. A lower learning rate, less weight decay, or "
            "gradient clipping may help."
        ) from error
    save_checkpoint(
        path,
        model,
        config=config.model_dump(mode="json"),
        step=step,
        revision=revision(),
        **extra,
    )


def save_training_state(
    folder: Path,
    progress: Progress,
    step: TrainingStep,
    config: TrainConfig,
) -> Path:
    """Write the state of a run, then remove older checkpoints than the newest few.

    Raises:
        TrainingError: the network has diverged; older checkpoints stay.
        OutputError: the file cannot be written; older checkpoints stay.
    """
    path = folder / f"step-{progress.step:08d}.pt"
    save_network(
        path,
        step.model,
        config,
        **vars(progress),
        optimizer=step.optimizer.state_dict(),
        scaler=step.scaler.state_dict(),
        average=None if step.average is None else step.average.state_dict(),
        random_state=_random_state(),
    )
    for old in checkpoints_in(folder)[: -config.keep_checkpoints]:
        old.unlink(missing_ok=True)
    return path


@dataclass(frozen=True)
class TrainingState:
    """The content of a training checkpoint; every entry that going on needs is there.

    Attributes:
        path: the file.
        content: its entries.
    """

    path: Path
    content: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> "TrainingState":
        """Read a file.

        Raises:
            CheckpointError: it is no checkpoint, or holds no training state.
        """
        content = read_checkpoint_file(path, if_damaged=way_on_without(path))
        if "optimizer" not in content:
            raise CheckpointError(
                f"{path} is no training checkpoint: it lacks the optimiser's state. To start from "
                "its weights, name it as start_from in the configuration."
            )
        defaults = {k: v for k, v in vars(Progress(step=0)).items() if k != "step"}
        content = {**defaults, **content}
        check_entries(content, _ENTRIES, path)
        return cls(path, content)

    @property
    def config(self) -> Mapping[str, Any]:
        """The run's configuration, as plain values."""
        return self.content["config"]

    @property
    def progress(self) -> Progress:
        """How far the run had come."""
        progress = Progress(**{f.name: self.content[f.name] for f in fields(Progress)})
        if progress.best is not None and progress.best_of is None:  # older than the field
            progress = replace(progress, best_of=self.config["validation"])
        return progress

    def network(self) -> VOSMethod:
        """The network, in evaluation mode, with the stages it knows of.

        Raises:
            CheckpointError: weights and architecture do not fit.
        """
        return network_of(self.content, self.path)

    def restore(self, step: TrainingStep) -> None:
        """Put optimiser, scaler, average and random generators into this state.

        Args:
            step: of a run whose model is :meth:`network`.

        Raises:
            CheckpointError: an entry does not fit.
        """
        try:
            step.optimizer.load_state_dict(self.content["optimizer"])
            step.scaler.load_state_dict(self.content["scaler"])
            _set_random_state(self.content["random_state"])
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"The training state in {self.path} does not fit the run: {error}. If it is "
                f"damaged: {way_on_without(self.path)}."
            ) from error
        if step.average is not None:
            saved, own = self.content["average"] or {}, step.average.state_dict()
            check_names_and_shapes(saved, own, f"The average in {self.path}")
            step.average.load_state_dict(saved)


def way_on_without(spoiled: Path) -> str:
    """What to do about a run's newest checkpoint, for messages: the user decides, not the run."""
    older = [path for path in checkpoints_in(spoiled.parent) if path != spoiled]
    if older:
        return f"remove it, and --resume goes on from {older[-1].name}"
    return "remove it, and --resume starts from the beginning, as there is no older checkpoint"


def _random_state() -> dict[str, Any]:
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def _set_random_state(state: Mapping[str, Any]) -> None:
    torch.set_rng_state(state["cpu"])
    # The run may go on where there are more GPUs, or fewer.
    for number, of_device in zip(range(torch.cuda.device_count()), state["cuda"], strict=False):
        torch.cuda.set_rng_state(of_device, number)
