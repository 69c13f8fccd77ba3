"""Checkpoint files: read without running what is in them, held against a network, and written.

There are two kinds: of ``torch.save``, and ``.safetensors``, to hand on, which hold no code and may
be of half precision. In the latter, the weights are the file's tensors; all else stands as JSON in
its header, under the key ``ranet``.

How a network was trained is a list of stages (§3.5), plain dictionaries: ``name`` of the run,
``data`` it has seen (:data:`STATIC`, :data:`VIDEO`, or both), and its number of ``steps``.
"""

import json
import pickle
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from ranet.errors import CheckpointError
from ranet.files import atomic_write
from ranet.wording import some_of

STATIC, VIDEO, UNKNOWN = "static", "video", "unknown"

UNTOLD: dict[str, Any] = {"name": "not told", "data": [UNKNOWN], "steps": None}
"""Of a checkpoint that does not say how it was trained."""


def read_checkpoint_file(
    path: str | Path, if_damaged: str = "copy or download it again"
) -> dict[str, Any]:
    """Load a ``torch.save`` file onto the CPU; only tensors and plain containers are accepted.

    Args:
        path: the file.
        if_damaged: what to do about a file that is damaged, for messages.

    Raises:
        CheckpointError: no such file, no permission to read it, not a checkpoint, damaged, or it
            holds pickled code, which is never run.
    """
    path = Path(path)
    try:
        check_is_file(path)
        _check_sums(path, if_damaged)
        with warnings.catch_warnings(action="ignore"):  # torch's doubts about what is no checkpoint
            content = torch.load(path, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except OSError as error:
        raise unreadable(path, error) from error
    except Exception as error:  # torch's reader of old files checks little, and raises anything
        _, code, name = str(error).partition("GLOBAL ")
        if isinstance(error, pickle.UnpicklingError) and code:
            raise CheckpointError(
                f"{path} holds pickled Python objects besides tensors ({name.split()[0]}), which "
                "could run code and were not loaded: save its state_dict() alone."
            ) from error
        said = "" if isinstance(error, pickle.UnpicklingError) else f" ({_first_line(error)})"
        raise CheckpointError(
            f"{path} is not a readable checkpoint{said}; if it is damaged: {if_damaged}."
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{path} should hold a dictionary of weights, but it holds a {type(content).__name__}."
        )
    return content


def _check_sums(path: Path, if_damaged: str) -> None:
    """Find bytes that have changed since the file was written: torch does not look."""
    if not zipfile.is_zipfile(path):
        return  # as torch wrote until 2020, without sums
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise CheckpointError(
            f"{path} is damaged: its entry {damaged} is not what was written, unless it was saved "
            f"after torch.serialization.set_crc32_options(False); {if_damaged}."
        )


def check_is_file(path: Path, hint: str = "") -> None:
    """Raise :class:`CheckpointError` where there is no file."""
    if not path.is_file():
        found = "that is a folder" if path.is_dir() else "there is no such file"
        raise CheckpointError(f"Expected a checkpoint at {path}, but {found}{hint}.")


def unreadable(path: str | Path, error: OSError) -> CheckpointError:
    """The error to raise for a checkpoint that the system does not let us read."""
    return CheckpointError(f"Cannot read the checkpoint {path}: {error.strerror or error}.")


def _first_line(error: Exception) -> str:
    said = str(error).strip().splitlines()[:1]
    return ": ".join([type(error).__name__, *said])[:200]


def check_entries(
    content: Mapping[str, Any], kinds: Mapping[str, type | tuple[type, ...]], source: str | Path
) -> None:
    """Require that a checkpoint has entries of these names and kinds.

    Raises:
        CheckpointError: lists what is missing or of another kind.
    """
    given = {name: content[name] for name in kinds if name in content}
    _require_none(
        f"{source} is no checkpoint of this kind",
        {
            "missing": [name for name in kinds if name not in content],
            "of another kind": [
                f"{name} (a {type(value).__name__})"
                for name, value in given.items()
                if not isinstance(value, kinds[name])
            ],
        },
    )


def check_names_and_shapes(
    found: Mapping[str, Any], expected: Mapping[str, Tensor], source: str
) -> None:
    """Require that ``found`` has exactly the tensors of ``expected``.

    Raises:
        CheckpointError: lists what is missing, unexpected, or of another shape.
    """
    misfits = []
    for name in sorted(expected.keys() & found.keys()):
        value, shape = found[name], tuple(expected[name].shape)
        if not isinstance(value, Tensor):
            misfits.append(f"{name} (a {type(value).__name__}, not a tensor)")
        elif tuple(value.shape) != shape:
            misfits.append(f"{name} ({tuple(value.shape)}, expected {shape})")
    _require_none(
        f"{source} does not fit the network",
        {
            "missing": [name for name in expected if name not in found],
            "unexpected": [name for name in found if name not in expected],
            "of another kind or shape": misfits,
        },
    )


def check_finite(weights: Mapping[str, Tensor], source: str) -> None:
    """Require that all weights are numbers: one that is none spoils every mask.

    Raises:
        CheckpointError: lists the tensors that are not finite.
    """
    wrong = [name for name, tensor in weights.items() if not tensor.isfinite().all()]
    _require_none(f"{source} holds weights that are no numbers", {"not finite": wrong})


def _require_none(message: str, problems: Mapping[str, Sequence[str]]) -> None:
    """Raise CheckpointError with the names of what is wrong, a line for each kind."""
    lines = [f"  {what}: {some_of(names, 8)}" for what, names in problems.items() if names]
    if lines:
        raise CheckpointError("\n".join([f"{message}:", *lines]))


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
            f"{path} is not a readable .safetensors file ({error}): copy or download it again."
        ) from error
    try:
        entries = json.loads(description or "")
    except json.JSONDecodeError:
        entries = None
    if not isinstance(entries, dict):
        raise CheckpointError(
            f"{path} does not say which network it holds: expected a description under {_KEY!r} "
            "in its header."
        )
    return {**entries, "model": weights}


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


def training_stage(name: str, data: Sequence[str], steps: int | None) -> dict[str, Any]:
    """One stage; ``data`` may name a kind more than once."""
    return {"name": name, "data": sorted(set(data)), "steps": steps}
