"""The pyramid decoder: from merged maps to the mask, with skips at every level (supp., Fig. 2)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ranet.model.blocks import ConvBlock, MultiScaleBlock, ResBlock, initialise, resize
from ranet.structures import Skips


class DecoderSkips(NamedTuple):
    """Reduced backbone features, one tensor a level; made once a frame, used for every object."""

    stride8: Tensor
    stride4: Tensor
    stride2: Tensor


class SkipReduction(nn.Module):
    """Reduces the three feature maps that enter a level, and brings them to the level's size.

    Args:
        channels_in: of the three maps, finest first.
        channels_out: likewise; 32, 16, 16 in the paper.
    """

    def __init__(self, channels_in: Sequence[int], channels_out: Sequence[int]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            ConvBlock(c_in, c_out, kernel=1)
            for c_in, c_out in zip(channels_in, channels_out, strict=True)
        )
        self.channels = sum(channels_out)

    def forward(self, finest_first: Sequence[Tensor]) -> Tensor:
        """Three maps → B×channels×(size of the first)."""
        size = finest_first[0].shape[-2:]
        reduced = [block(f) for block, f in zip(self.blocks, finest_first, strict=True)]
        return torch.cat([resize(f, size, align_corners=True) for f in reduced], dim=1)


class PyramidLevel(nn.Sequential):
    """Two Conv-blocks and a Multi-scale block at one resolution.

    Args:
        channels: in, after the first, after the second Conv-block, out.
        dilations: of the Multi-scale block.
    """

    def __init__(self, channels: Sequence[int], dilations: Sequence[int]) -> None:
        first, second, third, last = channels
        super().__init__(
            ConvBlock(first, second),
            ConvBlock(second, third),
            MultiScaleBlock(third, last, dilations),
        )


class PyramidDecoder(nn.Module):
    """Three levels, at strides 8, 4 and 2; the last one ends in logits at stride 1.

    Args:
        backbone_channels: channels of the features at strides 2 to 32.
        merged: channels of each stream the merge module delivers (128).
        width: factor on every channel count inside; 1 is the paper's network.
        dilations: of the Multi-scale blocks.
    """

    def __init__(
        self,
        backbone_channels: Skips,
        merged: int,
        width: float = 1.0,
        dilations: Sequence[int] = (1, 3, 6),
    ) -> None:
        super().__init__()
        f2, f4, f8, f16, f32 = backbone_channels
        wide = [round(c * width) for c in (256, 128, 64, 32, 16, 8)]
        skips = [wide[3], wide[4], wide[4]]  # 32, 16, 16

        self.skips8 = SkipReduction([f8, f16, f32], skips)
        self.skips4 = SkipReduction([f4, f8, f16], skips)
        self.skips2 = SkipReduction([f2, f4, f8], skips)

        entrance = self.skips8.channels + 2 * merged + 1  # both streams and the previous mask
        self.level1 = PyramidLevel([entrance, wide[0], wide[0], wide[1]], dilations)
        self.refine1 = ResBlock(wide[1], wide[2])
        self.level2 = PyramidLevel(
            [self.skips4.channels + wide[1], wide[1], wide[2], wide[3]], dilations
        )
        self.refine2 = ResBlock(wide[3], wide[4])
        self.level3 = PyramidLevel(
            [self.skips2.channels + wide[3], wide[2], wide[3], wide[4]], dilations
        )
        self.refine3 = ResBlock(wide[4], wide[5])
        self.logits = nn.Conv2d(wide[4], 1, 3, padding=1)
        initialise(self)

    def reduce_skips(self, skips: Skips) -> DecoderSkips:
        """Backbone features of B frames → the decoder's skips of B frames."""
        return DecoderSkips(
            stride8=self.skips8([skips.f8, skips.f16, skips.f32]),
            stride4=self.skips4([skips.f4, skips.f8, skips.f16]),
            stride2=self.skips2([skips.f2, skips.f4, skips.f8]),
        )

    def forward(self, skips: DecoderSkips, merged: Tensor, size: Sequence[int]) -> Tensor:
        """Decode a batch of objects.

        Args:
            skips: of as many objects as ``merged`` has.
            merged: B×(2·128 + 1)×H/8×W/8: foreground, background, previous mask.
            size: (H, W) of the input image.

        Returns:
            Logits, B×1×H×W.
        """
        x = self.refine1(self.level1(torch.cat([skips.stride8, merged], dim=1)))
        x = resize(x, skips.stride4.shape[-2:], align_corners=True)  # B×128×H/4×W/4

        x = self.refine2(self.level2(torch.cat([skips.stride4, x], dim=1)))
        x = resize(x, skips.stride2.shape[-2:], align_corners=True)  # B×32×H/2×W/2

        x = self.level3(torch.cat([skips.stride2, x], dim=1))
        x = resize(x, size, align_corners=True)  # B×16×H×W
        return self.logits(self.refine3(x))
