"""The ablation "-CL": no correlation; template and current frame side by side (§4.3, Table 5).

As RGMP does, features of the annotated frame are laid over those of the current one, position by
position. RGMP's encoder sees the annotated mask; this one does not, so the mask selects the
template's features: the object's in the foreground stream, all others in the background stream.
"""

import torch
from torch import Tensor, nn

from ranet.model.blocks import resize
from ranet.structures import Template


class Concatenation(nn.Module):
    """The template's embedding in one region, resized to the current frame's, and the latter.

    Args:
        embedding_channels: C.
    """

    def __init__(self, embedding_channels: int) -> None:
        super().__init__()
        self.channels = 2 * embedding_channels

    def forward(self, template: Template, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`ranet.model.matching.Matching`; each stream is B×K×2C×h×w."""
        size = embedding.shape[-2:]
        known = resize(template.embedding, size, align_corners=False)[:, None]  # B×1×C×h×w
        masks = resize(template.masks, size, align_corners=False)[:, :, None]  # B×K×1×h×w
        current = embedding[:, None].expand(-1, masks.shape[1], -1, -1, -1)  # B×K×C×h×w
        return (
            torch.cat([known * masks, current], dim=2),
            torch.cat([known * (1 - masks), current], dim=2),
        )
