"""The ablation "w/o Ranking": every similarity map, in the template's order (§4.3, Table 4)."""

from torch import Tensor, nn

from ranet.model.correlation import correlate
from ranet.model.regions import REGIONS
from ranet.structures import Template


class UnrankedMaps(nn.Module):
    """The maps of an object's region where they are in the template; all others are zero.

    Args:
        objects: ``"single"`` or ``"multi"``: how regions are made (:mod:`ranet.model.regions`).
        positions: N, template positions and so maps.
    """

    def __init__(self, objects: str, positions: int) -> None:
        super().__init__()
        self.channels = positions
        self.make_regions = REGIONS[objects]

    def forward(self, template: Template, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`ranet.model.matching.Matching`; each stream is B×K×N×h×w."""
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
