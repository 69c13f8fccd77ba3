"""The arguments of the DMN-AOA-style method, as configurations have them, and its losses' names."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from ranet.config_files import PositiveInt
from ranet.methods.dmn_aoa.sources import known_source
from ranet.methods.registry import MethodConfig, register_loss

if TYPE_CHECKING:
    from torch import Tensor

    from ranet.methods.base import Prediction


Solver = Literal["layer", "hungarian", "greedy"]

_DETECTOR = frozenset(
    {
        "objectness",
        "positive",
        "centreness",
        "true_centreness",
        "found_boxes",
        "true_boxes",
        "mask_logits",
        "true_masks",
        "has_mask",
    }
)
"""What the light detector's losses read."""


class DMNAOAConfig(MethodConfig):
    """The method: the arguments of :class:`ranet.methods.dmn_aoa.network.DMNAOA`, one to one."""

    name: Literal["dmn_aoa"] = Field("dmn_aoa", description="of the method, here DMN-AOA-style")
    backbone: Annotated[
        str, Field(pattern=r"^(resnet18|resnet34|resnet50|resnet101|tiny|timm:[\w.]+)$")
    ] = Field("resnet50", description="as RANet's")
    norm: Literal["instance", "frozen_batch"] | None = Field(
        None, description="of the backbone, as RANet's"
    )
    frozen_stages: Annotated[int, Field(ge=0, le=5)] = Field(
        0, description="stages of the backbone that do not learn: 1 is up to stride 2, 2 up to 4, …"
    )
    channels: PositiveInt = Field(128, description="c of the embedding at stride 8")
    key_channels: PositiveInt = Field(64, description="of the memory's keys")
    region_side: PositiveInt = Field(
        14, description="R: rows and columns of the features of a box that are compared"
    )
    source: Annotated[str, AfterValidator(known_source)] = Field(
        "none",
        description="what proposes objects in a frame, by its name; none: nothing, so that objects "
        "go by their last masks",
    )
    proposals: PositiveInt = Field(
        20, description="P of a frame; the matching layer depends on it, so it is the network's"
    )
    memory: Literal["all", "first", "first_last"] = Field(
        "all",
        description="frames that templates are read from; first: the annotated one as it is; "
        "first_last: that and the newest",
    )
    alignment: Literal["soft", "none"] = Field(
        "soft", description="of proposals to templates; none: positions are compared as they lie"
    )
    iou_weight: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None,
        description="λ, of the overlap with the last mask beside the similarity; null: learned",
    )
    matching: Solver = Field(
        "layer", description="of proposals with objects; only the layer has a gradient"
    )
    inference_matching: Solver | None = Field(
        None,
        description="at inference, unless its own configuration says otherwise; null: as matching",
    )
    readout: Literal["last", "mean"] = Field(
        "last", description="of the matching layer: its last step, or the mean over its steps"
    )
    self_proposals: bool = Field(
        True,
        description="an object that takes no proposal keeps its last mask where its last box still "
        "looks like it",
    )
    refine: bool = Field(True, description="false: coarse masks are the result")
    width: Annotated[float, Field(ge=0.125, le=4)] = Field(
        1.0, description="factor on the channels of RefineNet's decoder"
    )
    finest_stride: Literal[2, 4] = Field(
        2, description="of RefineNet's last level; 4 halves its time"
    )
    train: Literal["masks", "detector", "all"] = Field(
        "masks",
        description="what is trained: the masks, without the source of proposals; the detector "
        "alone, which is a source that learns; or both",
    )
    truth_share: Annotated[float, Field(ge=0, le=1)] = Field(
        1.0,
        description="probability, a frame, that the truth stands in for proposals in training; "
        "else they are the source's",
    )
    truth_jitter: Annotated[float, Field(ge=0, le=1)] = Field(
        1.0,
        description="how far off, in training, the truth is that stands in for proposals; 0: exact",
    )

    @property
    def aux(self) -> frozenset[str]:
        """See :class:`.MethodConfig`."""
        masks = frozenset({"coarse", "similarity", "assignment", "proposals", "valid"})
        return {"masks": masks, "detector": _DETECTOR, "all": masks | _DETECTOR}[self.train]

    @property
    def gives_masks(self) -> bool:
        """See :class:`.MethodConfig`."""
        return self.train != "detector"

    @property
    def summary(self) -> str:
        """Such as ``dmn-aoa-resnet50``."""
        return f"dmn-aoa-{self.backbone}"

    @model_validator(mode="after")
    def _something_that_is_used(self) -> "DMNAOAConfig":
        if self.source == "none" and (self.train != "masks" or self.truth_share < 1):
            raise ValueError(
                f"source=none proposes nothing, but train is {self.train} and truth_share is "
                f"{self.truth_share}: name a source, such as source=light"
            )
        return self


@register_loss("coarse_jaccard", needs=("coarse",))
def _coarse_jaccard(prediction: "Prediction", labels: "Tensor", objects: "Tensor") -> "Tensor":
    from ranet.methods.dmn_aoa.losses import coarse_jaccard  # loads torch

    return coarse_jaccard(prediction, labels, objects)


# What was not chosen is annotated all the same: its proposals are others to be told apart.
@register_loss("proposal_matching", needs=("similarity", "proposals", "valid"), instances=True)
def _proposal_matching(prediction: "Prediction", labels: "Tensor", objects: "Tensor") -> "Tensor":
    from ranet.methods.dmn_aoa.losses import proposal_matching  # loads torch

    return proposal_matching(prediction, labels, objects)


@register_loss("detector_objectness", needs=("objectness", "positive"), instances=True)
def _detector_objectness(prediction: "Prediction", labels: "Tensor", objects: "Tensor") -> "Tensor":
    from ranet.methods.dmn_aoa.light import focal_loss  # loads torch

    return focal_loss(prediction.aux["objectness"], prediction.aux["positive"])


@register_loss("detector_boxes", needs=("found_boxes", "true_boxes", "positive"), instances=True)
def _detector_boxes(prediction: "Prediction", labels: "Tensor", objects: "Tensor") -> "Tensor":
    from ranet.methods.dmn_aoa.light import giou_loss  # loads torch

    aux = prediction.aux
    return giou_loss(aux["found_boxes"], aux["true_boxes"], aux["positive"])


@register_loss(
    "detector_centreness", needs=("centreness", "true_centreness", "positive"), instances=True
)
def _detector_centreness(prediction: "Prediction", labels: "Tensor", objects: "Tensor") -> "Tensor":
    from ranet.methods.dmn_aoa.light import entropy_loss  # loads torch

    aux = prediction.aux
    return entropy_loss(aux["centreness"], aux["true_centreness"], aux["positive"])


@register_loss("detector_masks", needs=("mask_logits", "true_masks", "has_mask"), instances=True)
def _detector_masks(prediction: "Prediction", labels: "Tensor", objects: "Tensor") -> "Tensor":
    from ranet.methods.dmn_aoa.light import entropy_loss  # loads torch

    aux = prediction.aux
    return entropy_loss(aux["mask_logits"], aux["true_masks"], aux["has_mask"])
