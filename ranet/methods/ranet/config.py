"""The arguments of RANet, as configurations have them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from ranet.config_files import PositiveInt, Size
from ranet.methods.registry import MethodConfig, Width

if TYPE_CHECKING:
    from torch import nn

MATCHINGS: "dict[str, Callable[..., nn.Module] | None]" = dict.fromkeys(
    ("ranking", "unranked", "maximum", "concatenation")
)
"""By name, what makes a :class:`.Matching`; those of the project are added as torch is loaded."""


def _two_positions(grid: tuple[int, int]) -> tuple[int, int]:
    if grid == (1, 1):
        raise ValueError(
            "the ranking compares template positions, so there have to be at least 2, but found "
            "the grid [1, 1]"
        )
    return grid


def _known_matching(name: str) -> str:
    if name not in MATCHINGS:
        raise ValueError(f"matching should be one of {', '.join(MATCHINGS)}, found {name!r}")
    return name


class RANetConfig(MethodConfig):
    """The network: the arguments of :class:`ranet.methods.ranet.network.RANet`, one to one."""

    name: Literal["ranet"] = Field("ranet", description="of the method, here RANet")
    backbone: Annotated[
        str, Field(pattern=r"^(resnet18|resnet34|resnet50|resnet101|tiny|timm:[\w.]+)$")
    ] = Field(
        "resnet101",
        description="a ResNet of torchvision's (resnet18, 34, 50, 101), timm:NAME for one of "
        "timm's with features at strides 2 to 32, or tiny: to try things, without ImageNet weights",
    )
    norm: Literal["instance", "frozen_batch"] | None = Field(
        None,
        description="of the backbone; null: instance norms in torchvision's ResNets, as in the "
        "paper, batch norms as ImageNet left them in timm's networks",
    )
    frozen_stages: Annotated[int, Field(ge=0, le=5)] = Field(
        0, description="stages of the backbone that do not learn: 1 is up to stride 2, 2 up to 4, …"
    )
    objects: Literal["single", "multi"] = Field(
        "single", description="how region weights and ranking scores are made (§3.2, §3.3)"
    )
    template_grid: Annotated[Size, AfterValidator(_two_positions)] = Field(
        (15, 27), description="rows and columns of the template's features"
    )
    ranked: PositiveInt = Field(256, description="R: similarity maps kept per region")
    ranking_gradient: Literal["straight_through", "none"] = Field(
        "straight_through", description="what teaches the ranking network; none: nothing does"
    )
    reduction_kernel: Literal[1, 3] = Field(
        3, description="side of the encoder's reducing convolutions: 3 as released, 1 as published"
    )
    reduced_channels: tuple[PositiveInt, PositiveInt, PositiveInt] | None = Field(
        None,
        description="of the encoder's features at strides 8, 16, 32; null: a fourth of the "
        "backbone's, as in the paper",
    )
    embedding_channels: PositiveInt | None = Field(
        None, description="C; null: as many as the last of the reduced"
    )
    dilations: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
        (1, 3, 6), description="of the Multi-scale blocks' branches"
    )
    width: Width = Field(1.0, description="factor on the channels of merge module and decoder")
    merge_stride: Literal[8, 16] = Field(8, description="of the merge module; 16 is faster")
    finest_stride: Literal[2, 4] = Field(
        2, description="of the decoder's last level; 4 halves its time"
    )
    matching: Annotated[str, AfterValidator(_known_matching)] = Field(
        "ranking",
        description="ranked similarity maps, or an ablation of Tables 4 and 5: unranked, maximum, "
        "concatenation",
    )
    previous_mask: bool = Field(True, description="false: the previous mask is zero (-PM)")

    @property
    def most_objects(self) -> int | None:
        """See :class:`.MethodConfig`; the single-object network sees one at a time."""
        return 1 if self.objects == "single" else None

    @property
    def variant(self) -> str:
        """See :class:`.MethodConfig`; the authors have a network of either kind."""
        return self.objects

    @property
    def summary(self) -> str:
        """Such as ``multi-resnet101``."""
        return f"{self.objects}-{self.backbone}"
