"""What proposes objects, by name; free of torch, so that configurations know the names.

A source comes from here, or from a module that registers it and that a configuration's ``plugins``
name.
"""

from collections.abc import Callable
from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, TypeVar

from ranet.errors import ConfigError

if TYPE_CHECKING:
    from ranet.methods.dmn_aoa.proposals import ProposalSource

_Create = TypeVar("_Create", bound="Callable[..., ProposalSource]")


def _nothing(channels: int) -> "ProposalSource":
    return import_module("ranet.methods.dmn_aoa.proposals").no_proposals


def _light(channels: int) -> "ProposalSource":
    return import_module("ranet.methods.dmn_aoa.light").LightDetector(channels)


def _maskrcnn(channels: int, file: str = "") -> "ProposalSource":
    return import_module("ranet.methods.dmn_aoa.maskrcnn").MaskRCNN(channels, file)


SOURCES: "dict[str, Callable[..., ProposalSource]]" = {
    "none": _nothing,
    "light": _light,
    "maskrcnn": _maskrcnn,
}
"""What makes each source, given c, the channels of the feature pyramid; where it also takes
``file``, it is given a file of weights by ``NAME:FILE``."""


def register_source(name: str) -> Callable[[_Create], _Create]:
    """Make a source known as ``model.source`` and ``inference.source``; a decorator of its class,
    or of a function that makes it, as :data:`SOURCES` has them.

    The weights of a source that is an ``nn.Module`` are learned with the network, and checkpoints
    keep them; it has ``learn``, as :class:`.LightDetector` has. Whatever brings its own is no
    module, and computes where the image is.
    """

    def register(create: _Create) -> _Create:
        SOURCES[name] = create
        return create

    return register


def known_source(name: str) -> str:
    """The name, if it is that of a source, with a file of weights where it takes one.

    Raises:
        ValueError: it is not.
    """
    kind, colon, _ = name.partition(":")
    of_files = [one for one, create in SOURCES.items() if "file" in signature(create).parameters]
    if kind not in (of_files if colon else SOURCES):
        names = [*SOURCES, *(f"{source}:FILE" for source in of_files)]
        raise ValueError(f"a source of proposals should be one of {', '.join(names)}")
    return name


def create_source(name: str, channels: int) -> "ProposalSource":
    """A source; random weights, if they are to be learned.

    Raises:
        ConfigError: there is no such source.
    """
    try:
        kind, _, file = known_source(name).partition(":")
        return SOURCES[kind](channels, *filter(None, [file]))
    except ValueError as error:
        raise ConfigError(f"source={name}: {error}.") from error
