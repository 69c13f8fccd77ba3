"""The arguments of the DMVOS-style network, as configurations have them, and its losses by name."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ranet.config_files import PositiveInt
from ranet.methods.registry import MethodConfig, Width, register_loss

if TYPE_CHECKING:
    from torch import Tensor

    from ranet.methods.base import Prediction


class DMVOSConfig(MethodConfig):
    """The network: the arguments of :class:`ranet.methods.dmvos.method.DMVOS`, one to one."""

    crops_templates: ClassVar[bool] = True

    name: Literal["dmvos"] = Field("dmvos", description="of the method, here the DMVOS-style one")
    backbone: Annotated[
        str, Field(pattern=r"^(resnet18|resnet34|resnet50|resnet101|tiny|timm:[\w.]+)$")
    ] = Field(
        "resnet50",
        description="as RANet's; its last stage is dilated, so that its features stay at stride 16",
    )
    norm: Literal["instance", "frozen_batch"] | None = Field(
        None,
        description="of the backbone; null: instance norms in torchvision's ResNets, batch norms "
        "as ImageNet left them in timm's networks",
    )
    frozen_stages: Annotated[int, Field(ge=0, le=5)] = Field(
        0, description="stages of the backbone that do not learn: 1 is up to stride 2, 2 up to 4, …"
    )
    correlation: Literal["isometric", "plain", "none"] = Field(
        "isometric",
        description="isometric: cosine similarities, the best of object and background at every "
        "pixel, and their margin; plain: inner products without a margin; none: the template's "
        "mean vector beside every pixel",
    )
    k: PositiveInt = Field(
        16, description="best similarities kept at every pixel, of the object and of the background"
    )
    centre_offset: bool = Field(
        True, description="false: no vote for centres, so that a neighbour's pixels are not damped"
    )
    offset_detach: bool = Field(
        False, description="true: the masks' losses do not teach the votes, their own does alone"
    )
    sigma: Annotated[float, Field(gt=0)] = Field(
        0.15, description="deviation that a vote for the centre may have, of the crop's sides"
    )
    centre_noise: Annotated[float, Field(ge=0)] = Field(
        0.05, description="deviation of the last centre in training, of the crop's sides"
    )
    centre_dropout: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1,
        description="probability that the last centre is not known in training, as of an "
        "object that is missing",
    )
    previous_mask: bool = Field(True, description="false: the previous mask is zero")
    embedding_channels: PositiveInt = Field(256, description="C, of what is compared")
    template_pooling: Literal[1, 2] = Field(
        2, description="side of the cells that the template's features are averaged over"
    )
    dilations: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
        (1, 3, 6), description="of the Multi-scale blocks' branches"
    )
    width: Width = Field(1.0, description="factor on the channels of fusion and decoder")

    @property
    def aux(self) -> frozenset[str]:
        """See :class:`.MethodConfig`."""
        given = {"object_boxes"}
        if self.centre_offset:
            given.add("offset")
        if self.correlation == "isometric":
            given.add("margin_logit")
        return frozenset(given)

    @property
    def summary(self) -> str:
        """Such as ``dmvos-resnet50``."""
        return f"{self.name}-{self.backbone}"


@register_loss("centre_offset", needs=("offset", "object_boxes"), instances=True)
def _centre_offset(prediction: "Prediction", labels: "Tensor", objects: "Tensor") -> "Tensor":
    from ranet.methods.dmvos.offset import offset_loss

    aux = prediction.aux
    return offset_loss(aux["offset"], aux["object_boxes"], labels, objects)


@register_loss("margin", needs=("margin_logit", "object_boxes"))
def _margin(prediction: "Prediction", labels: "Tensor", objects: "Tensor") -> "Tensor":
    from ranet.methods.dmvos.correlation import margin_loss

    aux = prediction.aux
    return margin_loss(aux["margin_logit"], aux["object_boxes"], labels, objects)
