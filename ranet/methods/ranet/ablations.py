"""What the paper's ablations put in the place of the ranking (§4.3, Tables 4 and 5).

* "w/o Ranking": every similarity map, in the template's order.
* "Maximum": one map a region, as FEELVOS has it.
* "-CL": no correlation; template and current frame side by side. As RGMP does, features of the
  annotated frame are laid over those of the current one, position by position. RGMP's encoder sees
  the annotated mask; this one does not, so the mask selects the template's features: the object's
  in the foreground stream, all others in the background stream.
"""

import torch
from torch import Tensor, nn

from ranet.methods.layers import resize
from ranet.methods.ranet.correlation import correlate
from ranet.methods.ranet.encoder import Template
from ranet.methods.ranet.regions import REGIONS


class UnrankedMaps(nn.Module):
    """The maps of an object's region where they are in the template; all others are zero.

    Args:
        objects: ``"single"`` or ``"multi"``: how regions are made (:mod:`.regions`).
        positions: N, template positions and so maps.
    """

    def __init__(self, objects: str, positions: int) -> None:
        super().__init__()
        self.channels = positions
        self.make_regions = REGIONS[objects]

    def forward(self, template: Template, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`.Matching`; each stream is B×K×N×h×w."""
        similarity = correlate(template.embedding, embedding)  # B×N×h×w
        regions = self.make_regions(template.masks.flatten(2))
        return (
            _maps_of(similarity, regions.weights, regions.foreground),
            _maps_of(similarity, regions.weights, regions.background),
        )


def _maps_of(similarity: Tensor, weights: Tensor, members: Tensor) -> Tensor:
    """Maps weighted by all the regions an object draws from: B×K×N×h×w, from B×N×h×w, B×M×N."""
    share = weights[:, members].sum(dim=2).clamp(max=1)  # B×K×N
    return similarity[:, None] * share[..., None, None].to(similarity.dtype)


class Concatenation(nn.Module):
    """The template's embedding in one region, resized to the current frame's, and the latter.

    Args:
        embedding_channels: C.
    """

    def __init__(self, embedding_channels: int) -> None:
        super().__init__()
        self.channels = 2 * embedding_channels

    def forward(self, template: Template, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`.Matching`; each stream is B×K×2C×h×w."""
        size = embedding.shape[-2:]
        known = resize(template.embedding, size, align_corners=False)[:, None]  # B×1×C×h×w
        masks = resize(template.masks, size, align_corners=False)[:, :, None]  # B×K×1×h×w
        current = embedding[:, None].expand(-1, masks.shape[1], -1, -1, -1)  # B×K×C×h×w
        return (
            torch.cat([known * masks, current], dim=2),
            torch.cat([known * (1 - masks), current], dim=2),
        )


class MaximumMap(nn.Module):
    """At every pixel of the current frame, the largest similarity to a position of the region.

    Args:
        objects: ``"single"`` or ``"multi"``: how regions are made (:mod:`.regions`).
        positions: N, template positions.
    """

    channels = 1

    def __init__(self, objects: str, positions: int) -> None:
        super().__init__()
        self.maps = UnrankedMaps(objects, positions)

    def forward(self, template: Template, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`.Matching`; each stream is B×K×1×h×w."""
        foreground, background = self.maps(template, embedding)
        return foreground.amax(dim=2, keepdim=True), background.amax(dim=2, keepdim=True)
