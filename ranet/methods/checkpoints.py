"""From a checkpoint file to a network, and back.

A checkpoint of this project is a ``torch.save`` file with ``format``, ``method`` (its name; RANet
where there is none), ``architecture`` (its arguments; one that is missing has its default),
``stages`` (how it was trained), ``released`` (whether the authors trained it), ``input_size``
(which it is used to) and ``model`` (its weights); a training checkpoint holds more beside them. It
describes the network completely, so that no configuration is needed. A ``.safetensors`` file holds
the same entries, to hand on (:mod:`ranet.methods.checkpoint_files`).
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ranet.config_files import DEFAULT_METHOD
from ranet.errors import CheckpointError, ConfigError
from ranet.files import atomic_write
from ranet.methods.base import VOSMethod
from ranet.methods.checkpoint_files import (
    SUFFIX,
    UNTOLD,
    check_entries,
    check_finite,
    check_is_file,
    check_names_and_shapes,
    read_checkpoint_file,
    read_exchange_file,
    unreadable,
)
from ranet.methods.registry import create_method, list_methods, method_class
from ranet.provenance import SHIPPED

FORMAT = "ranet-1"


def build_model(architecture: Mapping[str, Any]) -> VOSMethod:
    """A network with random weights from its arguments, RANet's where ``name`` names no method."""
    return create_method(architecture)


def load_checkpoint(path: str | Path, released_objects: str | None = None) -> VOSMethod:
    """Read a network from one of this project's checkpoints or one of the authors'.

    Args:
        path: the file, or the name of a network that comes with the project, as
            :func:`checkpoint_file` takes them.
        released_objects: ``"single"`` or ``"multi"``: which network one of the authors' files is
            for; None: as its name says. Ignored for this project's own.

    Returns:
        The network on the CPU, in evaluation mode.

    Raises:
        CheckpointError: the file is missing, no checkpoint, or does not fit the network, or one of
            the authors' has a name that does not tell which network it is for.
    """
    path = checkpoint_file(path)
    content = _read(path)
    for method in (method_class(name) for name in list_methods() if "format" not in content):
        if method.reads(content):
            return method.from_authors(content, path, released_objects)
    return network_of(content, path)


def network_of(content: Mapping[str, Any], source: str | Path) -> VOSMethod:
    """The network that the content of one of this project's checkpoints describes.

    Raises:
        CheckpointError: an entry is missing or cannot be used, or weights and architecture do not
            fit.
    """
    if content.get("format") != FORMAT:
        found = f"format {content['format']!r}" if "format" in content else "none"
        raise CheckpointError(
            f"{source} is not a checkpoint of this project: expected format {FORMAT!r} or the "
            f"names of the authors' release, found {found} and entries "
            f"{sorted(map(str, content))[:6]}."
        )
    content = {
        "method": DEFAULT_METHOD,
        "stages": [UNTOLD],
        "released": False,
        "input_size": None,
        **content,
    }
    kinds: dict[str, type | tuple[type, ...]] = {
        "method": str,
        "architecture": Mapping,
        "stages": list,
        "released": bool,
        "input_size": (tuple, list, type(None)),
        "model": Mapping,
    }
    check_entries(content, kinds, source)
    _check_input_size(content["input_size"], source)
    try:
        model = create_method({"name": content["method"], **content["architecture"]})
    except (ArithmeticError, ConfigError, RuntimeError, TypeError) as error:
        raise CheckpointError(
            f"{source} describes a network that cannot be built: {error}. It may be of a newer "
            "revision, or of a method whose plugin was not named."
        ) from error
    weights = content["model"]
    check_names_and_shapes(weights, model.state_dict(), str(source))
    check_finite(weights, str(source))
    model.load_state_dict(weights)
    model.stages = list(content["stages"])
    model.released = content["released"]
    model.input_size = content["input_size"] and tuple(content["input_size"])
    return model.eval()


def _check_input_size(size: Sequence[Any] | None, source: str | Path) -> None:
    if size is None:
        return
    sides = [side for side in size if isinstance(side, int) and side >= VOSMethod.smallest_side]
    if len(size) != 2 or len(sides) != 2:
        raise CheckpointError(
            f"{source} says that its network is used to frames of input_size {list(size)}: "
            f"expected height and width, whole numbers from {VOSMethod.smallest_side} on."
        )


def save_checkpoint(path: str | Path, model: VOSMethod, **extra: Any) -> None:
    """Write a network so that :func:`load_checkpoint` reads it; atomic.

    Args:
        path: the file, usually ``….pt``.
        model: the network.
        extra: further entries, tensors and plain containers only.

    Raises:
        OutputError: the file cannot be written.
    """
    content = {**description_of(model), "model": model.state_dict(), **extra}
    with atomic_write(path) as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:
            # torch's writer, as it is left, fails once more and hides what the system said.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def description_of(model: VOSMethod) -> dict[str, Any]:
    """Every entry of a checkpoint but the weights."""
    return {
        "format": FORMAT,
        "method": model.Config.method(),
        "architecture": model.architecture,
        "stages": model.stages,
        "released": model.released,
        "input_size": model.input_size,
    }


def _read(path: str | Path) -> dict[str, Any]:
    """The entries of a checkpoint file of either kind."""
    if Path(path).suffix == SUFFIX:
        return read_exchange_file(path)
    return read_checkpoint_file(path)


def fingerprint(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal: names a checkpoint beyond doubt.

    Raises:
        CheckpointError: the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error


DEFAULT = "ranet-small"
"""What is used where nobody names a network; so do commands, which know it without torch."""

_FOLDER = SHIPPED / "checkpoints"

_FILES = {
    "ranet-small": "ranet_small.safetensors",
    "dmvos-small": "dmvos_small.safetensors",
    "dmn-aoa-small": "dmn_aoa_small.safetensors",
}


def pretrained_path(name: str = DEFAULT) -> Path:
    """Where the network of that name lies.

    Raises:
        CheckpointError: there is none of that name, or its file is missing.
    """
    if name not in _FILES:
        raise CheckpointError(
            f"There is no network named {name!r}; there are {', '.join(sorted(_FILES))}."
        )
    path = _FOLDER / _FILES[name]
    if not path.is_file():
        raise CheckpointError(
            f"The network {name!r} should lie at {path}, but there is no such file; in a clone, "
            "`git checkout -- checkpoints` gets it again."
        )
    return path


def checkpoint_file(checkpoint: str | Path) -> Path:
    """The file of what is given as a checkpoint, in Python, behind ``--checkpoint``, or elsewhere.

    Args:
        checkpoint: the path of a file, or else the name of a network that comes with the project.

    Raises:
        CheckpointError: there is no such file, and no network of that name.
    """
    path = Path(checkpoint)
    if str(path) in _FILES and not path.is_file():
        return pretrained_path(str(path))
    check_is_file(path, f"; those named {', '.join(_FILES)} come with the project")
    return path


def load_pretrained(name: str = DEFAULT) -> VOSMethod:
    """A trained network that comes with the project (``checkpoints/README.md`` describes them).

    Args:
        name: ``"ranet-small"``, ``"dmvos-small"`` or ``"dmn-aoa-small"``.

    Returns:
        The network on the CPU, in evaluation mode.

    Raises:
        CheckpointError: there is none of that name, or its file is missing.
    """
    return load_checkpoint(pretrained_path(name))
