"""The parts with weights: encoder, fusion, decoder (supplement, §1).

B crops, each of one object; H×W a crop, h×w at stride 16. Stages are numbered as in the ResNet
paper: those at strides 4, 8 and 16 are 2, 3 and 4.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ranet.methods.backbones import Backbone
from ranet.methods.layers import (
    ConvBlock,
    MultiScaleBlock,
    ResBlock,
    initialise,
    normalise_image,
    resize,
)


class EncodedCrop(NamedTuple):
    """What the encoder makes of a crop."""

    features: Tensor
    """B×C×h×w, for the correlation and for the votes."""
    skips: tuple[Tensor, Tensor, Tensor]
    """Features at strides 16, 8 and 4, for the decoder."""


class SiameseEncoder(nn.Module):
    """A backbone whose last stage is dilated, and a 1×1 and a 3×3 Conv-block behind it.

    Args:
        backbone: with ``output_stride`` 16.
        channels: C.
    """

    def __init__(self, backbone: Backbone, channels: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.reduce = ConvBlock(backbone.channels.f32, channels, kernel=1)
        self.mix = ConvBlock(channels, channels)
        initialise(self.reduce)
        initialise(self.mix)

    def forward(self, image: Tensor) -> EncodedCrop:
        """B×3×H×W RGB in [0, 1], H and W above 32."""
        f = self.backbone(normalise_image(image, self.backbone.mean, self.backbone.std))
        return EncodedCrop(self.mix(self.reduce(f.f32)), (f.f16, f.f8, f.f4))


class Fusion(nn.Module):
    """What is known of the object, as one map of features: M_fusion; its insides are our choice.

    A convolution comes first, with no norm before it, which would make nothing of a map that is the
    same everywhere: that a vote is far off everywhere, or that nothing is like the object.

    Args:
        maps: of the correlation.
        channels: of the result.
    """

    def __init__(self, maps: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(maps + 3, channels, 3, padding=1)
        self.refine = ResBlock(channels, max(1, channels // 4))
        initialise(self)

    def forward(self, maps: Tensor, margin: Tensor, centre: Tensor, previous: Tensor) -> Tensor:
        """Maps B×M×h×w, and three maps B×h×w in [0, 1] → B×channels×h×w.

        Args:
            maps: of the correlation.
            margin: P, how much more a pixel is like the object than like the rest.
            centre: D, how near its vote is to the object's centre.
            previous: the mask of the frame before.
        """
        known = torch.stack([margin, centre, previous], dim=1)
        return self.refine(self.conv(torch.cat([maps, known.to(maps.dtype)], dim=1)))


class Level(nn.Module):
    """Squeeze block on the skip, Conv-block, Multi-scale block, Res-block, at one resolution.

    Args:
        skip: channels of the encoder's features here.
        channels: of what comes from below, of the squeezed skip, inside, and of the result.
        dilations: of the Multi-scale block.
    """

    def __init__(self, skip: int, channels: Sequence[int], dilations: Sequence[int]) -> None:
        super().__init__()
        below, squeezed, inside, result = channels
        self.squeeze = ConvBlock(skip, squeezed, kernel=1)
        self.join = ConvBlock(below + squeezed, inside)
        self.scales = MultiScaleBlock(inside, result, dilations)
        self.refine = ResBlock(result, max(1, result // 2))

    def forward(self, skip: Tensor, below: Tensor) -> Tensor:
        """Features B×skip×h'×w' and B×below×h×w, of any size → B×result×h'×w'."""
        below = resize(below, skip.shape[-2:], align_corners=False)
        joined = self.join(torch.cat([below, self.squeeze(skip)], dim=1))
        return self.refine(self.scales(joined))


class PyramidDecoder(nn.Module):
    """Three levels, at strides 16, 8 and 4, and a convolution to logits (supplement, Fig. 1).

    Channels and order are our choice.

    Args:
        skips: channels of the encoder's features at strides 16, 8 and 4.
        fused: channels of M_fusion.
        width: factor on all other channels.
        dilations: of the Multi-scale blocks.
    """

    def __init__(
        self, skips: Sequence[int], fused: int, width: float, dilations: Sequence[int]
    ) -> None:
        super().__init__()
        c256, c128, c64, c32 = (max(1, round(c * width)) for c in (256, 128, 64, 32))
        self.level16 = Level(skips[0], (fused, c64, c256, c128), dilations)
        self.level8 = Level(skips[1], (c128, c32, c128, c64), dilations)
        self.level4 = Level(skips[2], (c64, c32, c64, c32), dilations)
        self.logits = nn.Conv2d(c32, 1, 3, padding=1)
        initialise(self)

    def forward(
        self, fused: Tensor, skips: tuple[Tensor, Tensor, Tensor], size: Sequence[int]
    ) -> Tensor:
        """M_fusion B×fused×h×w and features at strides 16, 8, 4 → logits B×1×H×W of ``size``."""
        x = self.level16(skips[0], fused)
        x = self.level8(skips[1], x)
        x = self.level4(skips[2], x)
        return resize(self.logits(x), size, align_corners=False)
