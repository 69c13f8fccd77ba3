"""The feature pyramid: one embedding of a frame, at stride 8, for all that looks at objects."""

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from ranet.methods.layers import initialise
from ranet.structures import Skips


class Pyramid(NamedTuple):
    """Features of a frame, each B×c×H/s×W/s."""

    at8: Tensor
    at16: Tensor
    at32: Tensor
    embedding: Tensor
    """At stride 8, float32: what boxes are compared by."""


class FeaturePyramid(nn.Module):
    """Features at strides 32, 16 and 8 added from coarse to fine, and embedded (our choice).

    Channels of the embedding have mean 0 and deviation 1 over the frame: what all of it has in
    common does not tell objects apart, and softmaxes of inner products, of memory and alignment,
    begin neither flat nor at single positions.

    Args:
        backbone_channels: channels of the features at strides 2 to 32.
        channels: c of the embedding.
    """

    def __init__(self, backbone_channels: Skips, channels: int) -> None:
        super().__init__()
        self.lateral8 = nn.Conv2d(backbone_channels.f8, channels, 1)
        self.lateral16 = nn.Conv2d(backbone_channels.f16, channels, 1)
        self.lateral32 = nn.Conv2d(backbone_channels.f32, channels, 1)
        self.smooth8 = nn.Conv2d(channels, channels, 3, padding=1)
        self.embed = nn.Conv2d(channels, channels, 3, padding=1)
        initialise(self)

    def forward(self, skips: Skips) -> Pyramid:
        """Of the backbone's features."""
        at32 = self.lateral32(skips.f32)
        at16 = self.lateral16(skips.f16) + _enlarged(at32, skips.f16)
        at8 = self.smooth8(self.lateral8(skips.f8) + _enlarged(at16, skips.f8))
        embedding = F.instance_norm(self.embed(F.relu(at8)).float())
        return Pyramid(at8, at16, at32, embedding)


def _enlarged(features: Tensor, to: Tensor) -> Tensor:
    return F.interpolate(features, size=to.shape[-2:], mode="nearest")
