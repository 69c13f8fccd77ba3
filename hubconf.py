"""The networks for ``torch.hub``.

::

    model = torch.hub.load("<folder of a clone>", "ranet_small", source="local")
    segmenter = ranet.VideoSegmenter(model)

A network alone needs less than the package: ``dependencies``.
"""

import typing

from ranet.methods.base import VOSMethod as _VOSMethod
from ranet.methods.checkpoints import load_checkpoint as _load_checkpoint

# Whatever can be called here and has no underscore in front, torch.hub lists as an entry.
from ranet.methods.checkpoints import load_pretrained as _load_pretrained
from ranet.methods.registry import create_method as _create_method

dependencies = ["numpy", "pydantic", "safetensors", "timm", "torch", "torchvision", "yaml"]


def ranet_small(pretrained: bool = True) -> _VOSMethod:
    """RANet with a MobileNetV2 and a slim head, trained with the project on two CPU cores.

    Args:
        pretrained: with its weights; otherwise with random ones.

    Returns:
        The network on the CPU, in evaluation mode.
    """
    return _small("ranet-small", pretrained)


def dmvos_small(pretrained: bool = True) -> _VOSMethod:
    """A DMVOS-style network with the same backbone, trained likewise.

    Args:
        pretrained: with its weights; otherwise with random ones.

    Returns:
        The network on the CPU, in evaluation mode.
    """
    return _small("dmvos-small", pretrained)


def dmn_aoa_small(pretrained: bool = True) -> _VOSMethod:
    """A DMN-AOA-style network with the same backbone, trained likewise.

    Args:
        pretrained: with its weights; otherwise with random ones.

    Returns:
        The network on the CPU, in evaluation mode.
    """
    return _small("dmn-aoa-small", pretrained)


def _small(name: str, pretrained: bool) -> _VOSMethod:
    trained = _load_pretrained(name)
    if pretrained:
        return trained
    return _create_method({"name": trained.Config.method(), **trained.architecture}).eval()


def ranet_resnet101(objects: str = "single", **architecture: typing.Any) -> _VOSMethod:
    """The paper's network, with a ResNet-101 and random weights.

    Args:
        objects: ``"single"`` or ``"multi"``: which of the paper's two.
        architecture: any further argument of :class:`ranet.RANet`, to change it.

    Returns:
        The network on the CPU, in evaluation mode.

    Raises:
        ConfigError: an argument has a value that no network is built with.
    """
    return _create_method({"objects": objects, **architecture}).eval()


def ranet_checkpoint(path: str, released_objects: str | None = None) -> _VOSMethod:
    """A network from a checkpoint, this project's or the authors'.

    Args:
        path: the file.
        released_objects: as :func:`ranet.load_checkpoint` takes it.

    Returns:
        The network on the CPU, in evaluation mode.
    """
    return _load_checkpoint(path, released_objects)
