"""The siamese encoder: one set of weights for the template frame and the current frame (§3.4)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ranet.methods.backbones import Backbone
from ranet.methods.layers import ConvBlock, initialise, l2_normalise, normalise_image, resize
from ranet.structures import Skips


class EncodedFrame(NamedTuple):
    """What the siamese encoder makes of one frame; shared by all objects of the frame."""

    embedding: Tensor
    """B×C×h×w, unit length over C."""
    skips: Skips
    """For the decoder."""


class Template(NamedTuple):
    """What the network remembers of the annotated frame: computed once a video."""

    embedding: Tensor
    """B×C×gh×gw, pooled, not normalised again."""
    masks: Tensor
    """B×K×gh×gw in [0, 1]: each object's mask, average-pooled to the grid."""


class SiameseEncoder(nn.Module):
    """Backbone, channel reduction of its last three stages, and their fusion at stride 16.

    For ResNet-101 the reduced channels are 128, 256 and 512, and the embedding has 512; other
    backbones keep this four-fold reduction where nothing else is asked for.

    Args:
        backbone: from :func:`ranet.methods.backbones.create_backbone`.
        reduction_kernel: side of the reducing convolutions: 3 (released) or 1 (supplement).
        reduced_channels: of the features at strides 8, 16, 32; None: a fourth of the backbone's.
        embedding_channels: C; None: as many as the last of the reduced.
    """

    def __init__(
        self,
        backbone: Backbone,
        reduction_kernel: int = 3,
        reduced_channels: Sequence[int] | None = None,
        embedding_channels: int | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        channels = self.backbone.channels
        reduced = list(reduced_channels or (c // 4 for c in channels[2:]))
        self.embedding_channels = embedding_channels or reduced[-1]
        self.reduce8 = ConvBlock(channels.f8, reduced[0], reduction_kernel)
        self.reduce16 = ConvBlock(channels.f16, reduced[1], reduction_kernel)
        self.reduce32 = ConvBlock(channels.f32, reduced[2], reduction_kernel)
        self.fuse = ConvBlock(sum(reduced), self.embedding_channels)
        for part in (self.reduce8, self.reduce16, self.reduce32, self.fuse):
            initialise(part)

    def forward(self, image: Tensor) -> EncodedFrame:
        """Encode frames.

        Args:
            image: B×3×H×W RGB in [0, 1]; any size above 32 pixels a side.

        Returns:
            The embedding, B×C×H/16×W/16 with unit length over C, and the backbone's features.
            Where H or W is no multiple of the stride, sizes are rounded up.
        """
        skips = self.backbone(
            normalise_image(image, self.backbone.mean, self.backbone.std)
        )  # strides 2, 4, 8, 16, 32
        size = skips.f16.shape[-2:]  # h, w

        near = F.max_pool2d(self.reduce8(skips.f8), 2, ceil_mode=True)  # B×C/4×h×w
        middle = self.reduce16(skips.f16)  # B×C/2×h×w
        far = resize(self.reduce32(skips.f32), size, align_corners=False)  # B×C×h×w

        pyramid = torch.cat([l2_normalise(f) for f in (near, middle, far)], dim=1)
        embedding = l2_normalise(self.fuse(pyramid))  # B×C×h×w
        return EncodedFrame(embedding, skips)
