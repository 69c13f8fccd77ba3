"""The networks that come with the project, by name: ``load_pretrained("ranet-small")``."""

from pathlib import Path

from ranet.errors import CheckpointError
from ranet.model.ranet import RANet
from ranet.model.weights import load_checkpoint
from ranet.shipped import SHIPPED

DEFAULT = "ranet-small"
"""What scripts segment with when nobody names a checkpoint."""

_FOLDER = SHIPPED / "checkpoints"

_FILES = {"ranet-small": "ranet_small.safetensors"}


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
            f"The network {name!r} should lie at {path}, where a clone of the repository and the "
            "installed package have it, but there is no such file. Get it again with `git checkout "
            "-- checkpoints`, install the package again, or name the file of a network."
        )
    return path


def load_pretrained(name: str = DEFAULT) -> RANet:
    """A trained network that comes with the project (``checkpoints/README.md`` describes them).

    Args:
        name: ``"ranet-small"``.

    Returns:
        The network on the CPU, in evaluation mode.

    Raises:
        CheckpointError: there is none of that name, or its file is missing.
    """
    return load_checkpoint(pretrained_path(name))
