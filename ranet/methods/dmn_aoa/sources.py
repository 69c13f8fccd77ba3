"""What proposes objects, by name; free of torch, so that configurations know the names.

A source comes from here, or from a module that registers it and that a configuration's ``plugins``
name.
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

from ranet.errors import ConfigError

if TYPE_CHECKING:
    from ranet.methods.dmn_aoa.proposals import ProposalSource

_Create = TypeVar("_Create", bound="Callable[[int], ProposalSource]")


def _nothing(channels: int) -> "ProposalSource":
    return import_module("ranet.methods.dmn_aoa.proposals").no_proposals


def _light(channels: int) -> "ProposalSource":
    return import_module("ranet.methods.dmn_aoa.light").LightDetector(channels)


SOURCES: "dict[str, Callable[[int], ProposalSource]]" = {
    "none": _nothing,
    "light": _light,
}
"""What makes each source, given c, the channels of the feature pyramid."""


def register_source(name: str) -> Callable[[_Create], _Create]:
    """Make a source known as ``model.source`` and ``inference.source``; a decorator of its class,
    or of a function that makes it, given the channels of the feature pyramid.

    The weights of a source that is an ``nn.Module`` are learned with the network, and checkpoints
    keep them; it has ``learn``, as :class:`.LightDetector` has. Whatever brings its own is no
    module, and computes where the image is.
    """

    def register(create: _Create) -> _Create:
        SOURCES[name] = create
        return create

    return register


def known_source(name: str) -> str:
    """The name, if it is that of a source.

    Raises:
        ValueError: it is not.
    """
    if name not in SOURCES:
        raise ValueError(f"a source of proposals should be one of {', '.join(SOURCES)}")
    return name


def create_source(name: str, channels: int) -> "ProposalSource":
    """A source; random weights, if they are to be learned.

    Raises:
        ConfigError: there is no such source.
    """
    try:
        return SOURCES[known_source(name)](channels)
    except ValueError as error:
        raise ConfigError(f"source={name}: {error}.") from error
