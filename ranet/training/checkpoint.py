"""Training checkpoints: everything needed to go on, to the bit.

A run's checkpoints lie in ``<output>/checkpoints/step-<steps done>.pt``. Each is an ordinary
checkpoint of the network (:mod:`ranet.model.weights`) with the optimiser, the random state, the
configuration and the revision beside it. The position in the data is the number of steps done,
since samples depend on nothing else.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.optim.swa_utils import AveragedModel

from ranet.errors import CheckpointError
from ranet.model.ranet import RANet
from ranet.model.state_dicts import check_names_and_shapes, read_checkpoint_file
from ranet.model.weights import save_checkpoint
from ranet.provenance import revision

_NAME = re.compile(r"step-(\d+)\.pt")


def checkpoint_path(folder: Path, step: int) -> Path:
    """File of the checkpoint after ``step`` steps."""
    return folder / f"step-{step:08d}.pt"


def checkpoints_in(folder: Path) -> list[Path]:
    """Checkpoints in ``folder``, oldest first; none where the folder does not exist."""
    if not folder.is_dir():
        return []
    found = [(int(m[1]), p) for p in folder.iterdir() if (m := _NAME.fullmatch(p.name))]
    return [path for _, path in sorted(found)]


def save_training_state(
    folder: Path,
    step: int,
    model: RANet,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    average: AveragedModel | None,
    config: Mapping[str, Any],
    keep: int,
    **extra: Any,
) -> Path:
    """Write the state after ``step`` steps, then remove all but the newest ``keep`` checkpoints.

    Raises:
        OutputError: the file cannot be written; older checkpoints stay.
    """
    path = checkpoint_path(folder, step)
    save_checkpoint(
        path,
        model,
        step=step,
        optimizer=optimizer.state_dict(),
        scaler=scaler.state_dict(),
        average=None if average is None else average.state_dict(),
        random_state=_random_state(),
        config=dict(config),
        revision=revision(),
        **extra,
    )
    for old in checkpoints_in(folder)[:-keep]:
        old.unlink(missing_ok=True)
    return path


def restore_training_state(
    path: Path,
    model: RANet,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    average: AveragedModel | None,
) -> dict[str, Any]:
    """Put model, optimiser, scaler, average and random generators into the state of a checkpoint.

    Returns:
        The checkpoint's other entries; ``step`` and ``config`` among them.

    Raises:
        CheckpointError: the file holds no training state, or one of another network.
    """
    content = read_checkpoint_file(path)
    missing = [name for name in ("model", "step", "optimizer", "config") if name not in content]
    if missing:
        raise CheckpointError(
            f"{path} is no training checkpoint: it lacks {', '.join(missing)}. To start from its "
            "weights, name it as start_from in the configuration."
        )
    check_names_and_shapes(content["model"], model.state_dict(), str(path))
    model.load_state_dict(content["model"])
    optimizer.load_state_dict(content["optimizer"])
    scaler.load_state_dict(content["scaler"])
    if average is not None and content["average"] is not None:
        average.load_state_dict(content["average"])
    _set_random_state(content["random_state"])
    restored = ("format", "architecture", "model", "optimizer", "scaler", "average", "random_state")
    return {name: value for name, value in content.items() if name not in restored}


def _random_state() -> dict[str, Any]:
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def _set_random_state(state: Mapping[str, Any]) -> None:
    torch.set_rng_state(state["cpu"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
