"""The merge module: refine the two streams of ranked maps (supplement, Fig. 1)."""

from torch import Tensor, nn

from ranet.methods.layers import ConvBlock, ResBlock, initialise, resize


class MergeModule(nn.Module):
    """Conv-block, Res-block, Conv-block; foreground and background share it.

    Args:
        channels_in: R, the number of maps it reads; in an ablation, channels of a stream.
        hidden: channels inside (256).
        channels_out: channels of each refined stream (128).
        stride: 8, where the supplement has these blocks, or 16, where the maps come from: a fourth
            of the work (our choice for small networks).
    """

    def __init__(self, channels_in: int, hidden: int, channels_out: int, stride: int = 8) -> None:
        super().__init__()
        self.stride = stride
        self.expand = ConvBlock(channels_in, hidden)
        self.refine = ResBlock(hidden, hidden // 2)
        self.reduce = ConvBlock(hidden, channels_out)
        initialise(self)

    def forward(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """B×R×h×w → B×channels_out×H/8×W/8; ``size`` is that of the features at stride 8."""
        if self.stride == 8:
            maps = resize(maps, size, align_corners=False)
        merged = self.reduce(self.refine(self.expand(maps)))
        return resize(merged, size, align_corners=False)
