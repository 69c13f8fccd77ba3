"""RefineNet: from coarse masks to final ones, with the frame's details.

Named in the supplement (§4), which shows only what it mends: boundaries, occlusions, missing parts.
Its layers are our choice: the project's pyramid decoder, told of each target its coarse mask, its
last one, where the others are, and what in the frame resembles its template.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ranet.methods.decoder import PyramidDecoder
from ranet.methods.dmn_aoa.alignment import LEAST_COVER
from ranet.methods.layers import average_pool, initialise
from ranet.structures import Skips

_STREAMS = 16
"""Channels of each of the two streams that the decoder's entrance is made for."""

_MASKS = 3


class RefineNet(nn.Module):
    """The decoder and its entrance.

    Args:
        backbone_channels: channels of the features at strides 2 to 32.
        channels: c of the embedding and of templates.
        width: factor on the decoder's channels.
        finest_stride: of the decoder's last level, 2 or 4.
    """

    def __init__(
        self, backbone_channels: Skips, channels: int, width: float, finest_stride: int
    ) -> None:
        super().__init__()
        # A plain convolution: a norm of each channel before it would leave of the template nothing
        # but signs.
        self.resembling = nn.Conv2d(channels, 2 * _STREAMS + 1 - _MASKS, 1)
        initialise(self)
        self.decoder = PyramidDecoder(
            backbone_channels, _STREAMS, width, finest_stride=finest_stride
        )

    def forward(
        self,
        skips: Skips,
        embedding: Tensor,
        coarse: Tensor,
        last: Tensor,
        template: tuple[Tensor, Tensor],
        size: Sequence[int],
        at_once: int | None = None,
    ) -> Tensor:
        """Refine the masks of a frame's targets.

        Args:
            skips: the backbone's features.
            embedding: B×c×h×w, at stride 8.
            coarse: B×K×2h×2w in [0, 1], at stride 4.
            last: likewise, of the frame before.
            template: B×K×c×q, and its cover B×K×q.
            size: (H, W) of the image.
            at_once: targets in one batch; None: all.

        Returns:
            Logits B×K×H×W.
        """
        values, cover = template
        weights = cover / cover.sum(dim=2, keepdim=True).clamp(min=LEAST_COVER)
        mean = (values @ weights[..., None])[..., 0]  # B×K×c
        masks = torch.stack([coarse, last, _of_others(coarse)], dim=2)  # B×K×3×2h×2w
        reduced = self.decoder.reduce_skips(skips)
        chunk = at_once or max(1, coarse.shape[1])
        logits = []
        for some_masks, some_means in zip(masks.split(chunk, 1), mean.split(chunk, 1), strict=True):
            shape = some_means.shape[:2]
            resembling = embedding[:, None] * some_means[..., None, None]
            merged = torch.cat(
                [
                    average_pool(some_masks.flatten(0, 1), embedding.shape[-2:]),
                    self.resembling(resembling.flatten(0, 1)),
                ],
                dim=1,
            )
            logits.append(self.decoder(reduced, merged, size).unflatten(0, shape)[:, :, 0])
        return torch.cat(logits, dim=1)


def _of_others(masks: Tensor) -> Tensor:
    """Of each target, the largest of the other targets' masks; B×K×h×w."""
    own = torch.eye(masks.shape[1], dtype=torch.bool, device=masks.device)[..., None, None]
    return masks[:, None].masked_fill(own, 0).amax(dim=2)
