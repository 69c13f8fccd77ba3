"""The networks that can be timed, by name or from a file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from ranet.config import ModelConfig, parse_config
from ranet.model.pretrained import load_pretrained, pretrained_path
from ranet.model.ranet import RANet
from ranet.model.weights import build_model, load_checkpoint


@dataclass(frozen=True)
class Network:
    """A network to be timed."""

    name: str
    build: Callable[[], RANet]
    """A new one, on the CPU, in evaluation mode."""


def named_network(name: str) -> Network:
    """A network of the paper with random weights, or one that comes with the project.

    Args:
        name: ``"single"`` or ``"multi"``, the paper's networks; ``"single-resnet50"``, the same
            with another backbone; or the name of a trained one, such as ``"ranet-small"``.

    Raises:
        ConfigError: there is no such backbone.
        CheckpointError: there is no such network.
    """
    objects, dash, backbone = name.partition("-")
    if objects not in ("single", "multi"):
        pretrained_path(name)  # says now, not after others were timed, that there is none
        return Network(name, lambda: load_pretrained(name))
    values = {"objects": objects, **({"backbone": backbone} if dash else {})}
    config = parse_config(ModelConfig, values, source=f"the network {name!r}")
    return Network(name, lambda: _random_network(config))


def network_of_file(path: Path) -> Network:
    """The network in a checkpoint.

    Raises:
        CheckpointError: it is none, when it is built.
    """
    return Network(path.name, lambda: load_checkpoint(path))


def count_parameters(model: RANet) -> int:
    """Numbers that are learned."""
    return sum(parameter.numel() for parameter in model.parameters())


def _random_network(config: ModelConfig) -> RANet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_model(config.model_dump()).eval()
