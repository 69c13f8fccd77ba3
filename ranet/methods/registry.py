"""Methods and losses by name: those of the project, of installed packages, and of plugins.

Free of torch, so that configurations can be read, checked and printed without it. A method comes
by its name from here, from an entry point of the group ``ranet.methods`` in an installed package,
or from a module that registers it and that a configuration's ``plugins`` name.
"""

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple, TypeVar

from pydantic import AfterValidator, Field

from ranet.config_files import DEFAULT_METHOD, Section, parse_config
from ranet.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from ranet.methods.base import Prediction, VOSMethod


_FEWEST_CHANNELS = 8
"""At width 1, of the narrowest layer of the methods' decoders, inside their last Res-block."""


def _channels_everywhere(width: float) -> float:
    if round(_FEWEST_CHANNELS * width) < 1:
        raise ValueError(
            f"the decoder's narrowest layer has {_FEWEST_CHANNELS} channels times width, and at "
            f"{width} none is left: use more than {0.5 / _FEWEST_CHANNELS}"
        )
    return width


Width = Annotated[float, Field(gt=0, le=4), AfterValidator(_channels_everywhere)]
"""Factor on the channels of a decoder."""


class MethodConfig(Section):
    """The arguments of a method, and what reads no torch has to know of it.

    A method's own has a field ``name: Literal["NAME"] = "NAME"``.
    """

    name: str

    crops_templates: ClassVar[bool] = False
    """Whether it crops annotated frames in training, too, as ``data.crop_clips=all_frames`` has
    it."""

    @property
    def aux(self) -> frozenset[str]:
        """What the method's predictions hold for losses, beside logits."""
        return frozenset()

    @property
    def gives_masks(self) -> bool:
        """Whether the logits of predictions in training are such that losses of them can teach."""
        return True

    @classmethod
    def method(cls) -> str:
        """The name of the method."""
        return str(cls.model_fields["name"].default)

    @property
    def most_objects(self) -> int | None:
        """Of one training sample; None: any number."""
        return None

    @property
    def variant(self) -> str | None:
        """Which of the method's networks a file of its authors holds, where that does not tell."""
        return None

    @property
    def summary(self) -> str:
        """What to call such a network in a line of text."""
        return self.name


class _Entry(NamedTuple):
    config: Callable[[], type[MethodConfig]]
    method: "Callable[[], type[VOSMethod]]"


def _in_package(module: str, name: str) -> Callable[[], Any]:
    return lambda: getattr(import_module(module), name)


_METHODS = {
    name: _Entry(
        _in_package(f"ranet.methods.{name}.config", f"{method}Config"),
        _in_package(f"ranet.methods.{name}.{module}", method),
    )
    for name, module, method in (
        ("dmn_aoa", "network", "DMNAOA"),
        ("dmvos", "method", "DMVOS"),
        ("ranet", "network", "RANet"),
    )
}

_Method = TypeVar("_Method", bound="type[VOSMethod]")


def register_method(method: _Method) -> _Method:
    """Make a method known by the name in its ``Config``; a decorator of the class."""
    _METHODS[method.Config.method()] = _Entry(lambda: method.Config, lambda: method)
    return method


def list_methods() -> list[str]:
    """The names of all methods that are known or installed."""
    return sorted({*_METHODS, *(point.name for point in entry_points(group="ranet.methods"))})


def _entry(name: str) -> _Entry:
    if name not in _METHODS:
        for point in entry_points(group="ranet.methods", name=name):
            register_method(point.load())
    if name not in _METHODS:
        raise ConfigError(
            f"There is no method named {name!r}, but {', '.join(list_methods())}. One from a file "
            "of its own is known once plugins=[FILE.py] imports it."
        )
    return _METHODS[name]


def method_config(name: str = DEFAULT_METHOD) -> type[MethodConfig]:
    """The section of a method's arguments.

    Raises:
        ConfigError: there is no such method.
    """
    return _entry(name).config()


def method_class(name: str = DEFAULT_METHOD) -> "type[VOSMethod]":
    """The class of a method.

    Raises:
        ConfigError: there is no such method.
    """
    return _entry(name).method()


def create_method(config: MethodConfig | Mapping[str, Any]) -> "VOSMethod":
    """A method with random weights.

    Args:
        config: its arguments, and ``name``: RANet's where there is none.

    Raises:
        ConfigError: there is no such method, or it cannot be made of this configuration.
    """
    if not isinstance(config, MethodConfig):
        kind = method_config(config.get("name", DEFAULT_METHOD))
        config = parse_config(kind, config, "The model")
    try:
        return method_class(config.name)(**config.model_dump(exclude={"name"}))
    except ValueError as error:  # what a configuration cannot know: timm's networks, say
        raise ConfigError(f"The model cannot be made: {error}.") from error


Loss = Callable[["Prediction", "Tensor", "Tensor"], "Tensor"]
"""Prediction of B frames, labels B×h×w, B numbers of objects to a scalar."""


class RegisteredLoss(NamedTuple):
    """A loss, what it reads of a prediction beside the logits, and which labels it is given."""

    compute: Loss | None  # None: one of ranet.training.losses
    needs: frozenset[str] = frozenset()
    instances: bool = False  # those of all that is annotated: TrainingBatch.instance_labels


LOSSES = {
    name: RegisteredLoss(None)
    for name in (
        "cross_entropy",
        "balanced_cross_entropy",
        "bootstrapped_cross_entropy",
        "jaccard",
    )
}
"""All losses by name."""


def register_loss(
    name: str, needs: Iterable[str] = (), *, instances: bool = False
) -> Callable[[Loss], Loss]:
    """Make a loss known; a decorator of the function.

    A method's own is best registered where its arguments are, so that configurations know it.

    Args:
        name: in the configuration's ``losses``.
        needs: names in ``Prediction.aux`` that it reads.
        instances: its labels are those of all that is annotated, objects that were not chosen
            with ids above K.
    """

    def register(loss: Loss) -> Loss:
        LOSSES[name] = RegisteredLoss(loss, frozenset(needs), instances)
        return loss

    return register


def loss_names() -> list[str]:
    """All names of losses, those of all methods among them."""
    for method in list_methods():
        method_config(method)
    return list(LOSSES)


def reads_instances(losses: Iterable[str]) -> bool:
    """Whether any of these losses wants the labels of all that is annotated."""
    return any(LOSSES[name].instances for name in losses)
