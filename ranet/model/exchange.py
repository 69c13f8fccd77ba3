"""Networks to hand on: ``.safetensors`` files, which hold no code and may be of half precision.

The weights are the file's tensors; all else that a checkpoint says (:mod:`ranet.model.weights`)
stands as JSON in its header, under the key ``ranet``.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from ranet.errors import CheckpointError
from ranet.files import atomic_write
from ranet.model.state_dicts import check_is_file, unreadable

SUFFIX = ".safetensors"

_KEY = "ranet"


def read_exchange_file(path: str | Path) -> dict[str, Any]:
    """The entries of a checkpoint: the description, and ``model``, its weights.

    Whatever precision numbers are stored in, they are read as float32; integers as they are.

    Raises:
        CheckpointError: no such file, no permission to read it, damaged, or of another project.
    """
    check_is_file(Path(path))
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            description = (file.metadata() or {}).get(_KEY)
            names = file.keys()
            weights = {name: _cast(file.get_tensor(name), torch.float32) for name in names}
    except OSError as error:
        raise unreadable(path, error) from error
    except safetensors.SafetensorError as error:
        raise CheckpointError(
            f"{path} is not a readable .safetensors file ({error}). It may be cut short: copy or "
            "download it again."
        ) from error
    return {**_entries(description, path), "model": weights}


def write_exchange_file(
    path: str | Path,
    description: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    dtype: torch.dtype,
) -> None:
    """Write a network; atomic.

    Args:
        path: the file, ``….safetensors``.
        description: the entries of a checkpoint but its weights.
        weights: the network's parameters and buffers.
        dtype: to store floating-point weights in; they are read as float32.

    Raises:
        CheckpointError: a weight is too large for ``dtype``.
        OutputError: the file cannot be written.
    """
    stored = {name: _stored(name, tensor, dtype) for name, tensor in weights.items()}
    content = safetensors.torch.save(stored, {_KEY: json.dumps(description)})
    with atomic_write(path) as file:
        file.write(content)


def _stored(name: str, tensor: Tensor, dtype: torch.dtype) -> Tensor:
    stored = _cast(tensor.detach().cpu(), dtype).contiguous()
    if not stored.isfinite().all():
        raise CheckpointError(
            f"{name} holds numbers that are not finite in {dtype} (the largest is "
            f"{tensor.abs().max():.3g}). Store the network in float32."
        )
    return stored


def _cast(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Counters and other integers stay what they are."""
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def _entries(description: str | None, path: str | Path) -> dict[str, Any]:
    try:
        entries = json.loads(description or "")
    except json.JSONDecodeError:
        entries = None
    if not isinstance(entries, dict):
        raise CheckpointError(
            f"{path} does not say which network it holds: expected a description under {_KEY!r} "
            "in its header. It is not a network of this project."
        )
    return entries
