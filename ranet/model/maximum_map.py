"""The ablation "Maximum": one map a region, as FEELVOS has it (§4.3, Table 4)."""

from torch import Tensor, nn

from ranet.model.unranked_maps import UnrankedMaps
from ranet.structures import Template


class MaximumMap(nn.Module):
    """At every pixel of the current frame, the largest similarity to a position of the region.

    Args:
        objects: ``"single"`` or ``"multi"``: how regions are made (:mod:`ranet.model.regions`).
        positions: N, template positions.
    """

    channels = 1

    def __init__(self, objects: str, positions: int) -> None:
        super().__init__()
        self.maps = UnrankedMaps(objects, positions)

    def forward(self, template: Template, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`ranet.model.matching.Matching`; each stream is B×K×1×h×w."""
        foreground, background = self.maps(template, embedding)
        return foreground.amax(dim=2, keepdim=True), background.amax(dim=2, keepdim=True)
