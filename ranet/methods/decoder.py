"""The pyramid decoder: from merged maps to the mask, with skips at every level (supp., Fig. 2)."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from ranet.methods.layers import PyramidLevel, ResBlock, SkipReduction, activate, initialise, resize
from ranet.structures import Skips


class DecoderSkips(NamedTuple):
    """What a frame's skips add to each level; made once a frame, used for every object."""

    stride8: Tensor
    stride4: Tensor
    stride2: Tensor | None
    """None where the decoder ends at stride 4."""


class PyramidDecoder(nn.Module):
    """Three levels, at strides 8, 4 and 2; the last one ends in logits at stride 1.

    Without its third level, it ends in logits at stride 4, which are then enlarged: our choice for
    small networks, as half of the time goes into what follows stride 4.

    Args:
        backbone_channels: channels of the features at strides 2 to 32.
        merged: channels of each stream the merge module delivers (128).
        width: factor on every channel count inside; 1 is the paper's network.
        dilations: of the Multi-scale blocks.
        finest_stride: of the last level: 2, as in the paper, or 4.
    """

    def __init__(
        self,
        backbone_channels: Skips,
        merged: int,
        width: float = 1.0,
        dilations: Sequence[int] = (1, 3, 6),
        finest_stride: int = 2,
    ) -> None:
        super().__init__()
        self.finest_stride = finest_stride
        f2, f4, f8, f16, f32 = backbone_channels
        wide = [round(c * width) for c in (256, 128, 64, 32, 16, 8)]
        skips = [wide[3], wide[4], wide[4]]  # 32, 16, 16

        self.skips8 = SkipReduction([f8, f16, f32], skips)
        self.skips4 = SkipReduction([f4, f8, f16], skips)
        if finest_stride == 2:
            self.skips2 = SkipReduction([f2, f4, f8], skips)

        entrance = 2 * merged + 1  # both streams and the previous mask
        self.level1 = PyramidLevel(
            self.skips8.channels, [entrance, wide[0], wide[0], wide[1]], dilations
        )
        self.refine1 = ResBlock(wide[1], wide[2])
        self.level2 = PyramidLevel(
            self.skips4.channels, [wide[1], wide[1], wide[2], wide[3]], dilations
        )
        self.refine2 = ResBlock(wide[3], wide[4])
        if finest_stride == 2:
            self.level3 = PyramidLevel(
                self.skips2.channels, [wide[3], wide[2], wide[3], wide[4]], dilations
            )
            self.refine3 = ResBlock(wide[4], wide[5])
        self.logits = nn.Conv2d(wide[4] if finest_stride == 2 else wide[3], 1, 3, padding=1)
        initialise(self)

    def reduce_skips(self, skips: Skips) -> DecoderSkips:
        """Backbone features of B frames → their part in the decoder's levels."""
        f2, f4, f8, f16, f32 = map(activate, skips)
        stride8 = self.level1.part_of_skips(self.skips8([f8, f16, f32]))
        stride4 = self.level2.part_of_skips(self.skips4([f4, f8, f16]))
        if self.finest_stride == 4:
            return DecoderSkips(stride8, stride4, None)
        return DecoderSkips(stride8, stride4, self.level3.part_of_skips(self.skips2([f2, f4, f8])))

    def forward(self, skips: DecoderSkips, merged: Tensor, size: Sequence[int]) -> Tensor:
        """Decode the objects of a batch of frames.

        Args:
            skips: of B frames, from :meth:`reduce_skips`.
            merged: (B·K)×(2·128 + 1)×H/8×W/8, objects of one frame side by side: foreground,
                background, previous mask.
            size: (H, W) of the input image.

        Returns:
            Logits, (B·K)×1×H×W.
        """
        x = self.refine1(self.level1(skips.stride8, merged))
        x = resize(x, skips.stride4.shape[-2:], align_corners=True)  # BK×128×H/4×W/4

        x = self.refine2(self.level2(skips.stride4, x))
        if skips.stride2 is None:
            return resize(self.logits(x), size, align_corners=False)
        x = resize(x, skips.stride2.shape[-2:], align_corners=True)  # BK×32×H/2×W/2

        x = self.level3(skips.stride2, x)
        x = resize(x, size, align_corners=True)  # BK×16×H×W
        return self.logits(self.refine3(x))
