"""The Ranking Attention Module: order the similarity maps by importance, keep the best (§3.2)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ranet.methods.layers import ConvBlock, ResBlock, initialise, max_pool
from ranet.methods.ranet.correlation import correlate
from ranet.methods.ranet.encoder import Template
from ranet.methods.ranet.regions import REGIONS, Regions

# Weight of the learned score beside the maximum of the map (released).
_LEARNED_SHARE = 0.2


class RankingNetwork(nn.Module):
    """f_n of Eq. 2: a learned score for every template position.

    Space and channels of the similarity maps are swapped: the image it sees is the template grid,
    and its channels are positions of the current frame, pooled to that same grid.

    Args:
        template_grid: (gh, gw).
    """

    def __init__(self, template_grid: Sequence[int]) -> None:
        super().__init__()
        self.template_grid = tuple(template_grid)
        self.reduce = ConvBlock(self.template_grid[0] * self.template_grid[1], 128)
        self.refine = ResBlock(128, 32, dilation=2)
        self.score = ConvBlock(128, 1)
        initialise(self)

    def swap(self, similarity: Tensor) -> Tensor:
        """Similarity maps B×N×h×w → B×N×gh×gw: current positions as channels of the template grid.

        At twice the template grid (480×864 input) this is a 2×2 max pool.
        """
        pooled = max_pool(similarity, self.template_grid)  # B×N×gh×gw
        swapped = pooled.flatten(2).transpose(1, 2)  # B×positions×N
        return swapped.unflatten(2, self.template_grid)

    def forward(self, swapped: Tensor) -> Tensor:
        """Swapped maps B×N×gh×gw → scores B×N, before the ReLU."""
        return self.score(self.refine(self.reduce(swapped))).flatten(1)


class RankingAttentionModule(nn.Module):
    """Weigh the similarity maps by region, score, sort, and keep R per region (Eq. 2 and 3).

    A weighted map w_j·S_j is never stored for all j: as w_j ≥ 0, its maximum is w_j·max S_j, so
    that scores come from the maxima alone and only the kept maps are gathered and weighted.

    Args:
        objects: ``"single"`` or ``"multi"``: how regions are made (:mod:`.regions`).
        template_grid: (gh, gw).
        ranked: R, the number of maps kept; missing ones are zero maps.
        straight_through: multiply the kept maps by 1 + r - stop_gradient(r): nothing changes going
            forward, and going backward each score learns how much its map helped. Without it the
            ranking network receives no gradient.
    """

    def __init__(
        self,
        objects: str,
        template_grid: Sequence[int],
        ranked: int,
        straight_through: bool = True,
    ) -> None:
        super().__init__()
        self.ranking_network = RankingNetwork(template_grid)
        self.ranked = self.channels = ranked
        self.straight_through = straight_through
        self.weighted_ranking = objects == "single"
        self.make_regions = REGIONS[objects]

    def forward(self, template: Template, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`.Matching`; each stream is B×K×R×h×w, best first."""
        return self.rank(correlate(template.embedding, embedding), template.masks)

    def rank(self, similarity: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Rank the maps of every object's foreground and background.

        Args:
            similarity: B×N×h×w, from :func:`ranet.methods.ranet.correlation.correlate`.
            masks: B×K×gh×gw in [0, 1], the objects' masks on the template grid.

        Returns:
            Foreground and background maps, each B×K×R×h×w, best first.
        """
        regions = self.make_regions(masks.flatten(2))
        scores = self.score(similarity, regions)  # B×M×N
        foreground = self.keep_best(similarity, scores, regions.weights, regions.foreground)
        background = self.keep_best(similarity, scores, regions.weights, regions.background)
        return foreground, background

    def score(self, similarity: Tensor, regions: Regions) -> Tensor:
        """Ranking scores r_j of every map in every region, B×M×N (Eq. 2).

        Computed outside autocast, as the correlation is: in half precision, scores that differ
        would become ties.
        """
        peak = similarity.flatten(2).amax(dim=2)  # B×N
        with torch.autocast(similarity.device.type, enabled=False):
            learned = F.relu(self.learned_scores(similarity, regions.weights))  # B×M×N or B×1×N
        return regions.weights * peak[:, None] + _LEARNED_SHARE * regions.gates * learned

    def learned_scores(self, similarity: Tensor, weights: Tensor) -> Tensor:
        """f_n for each of the M regions, B×M×N; or B×1×N where it sees the unweighted maps."""
        swapped = self.ranking_network.swap(similarity)  # B×N×gh×gw
        if not self.weighted_ranking:
            return self.ranking_network(swapped)[:, None]
        batch, regions = weights.shape[:2]
        grid = self.ranking_network.template_grid
        weighted = swapped[:, None] * weights.unflatten(2, grid)[:, :, None]  # B×M×N×gh×gw
        return self.ranking_network(weighted.flatten(0, 1)).unflatten(0, (batch, regions))

    def keep_best(
        self, similarity: Tensor, scores: Tensor, weights: Tensor, members: Tensor
    ) -> Tensor:
        """Sort the maps of each object's regions together and gather the best R (Eq. 3).

        Args:
            similarity: B×N×h×w.
            scores: B×M×N.
            weights: B×M×N.
            members: K×(number of regions), for each object the regions whose maps compete.

        Returns:
            B×K×R×h×w.
        """
        batch, positions = similarity.shape[:2]
        candidate_scores = scores[:, members].flatten(2)  # B×K×(regions·N)
        candidate_weights = weights[:, members].flatten(2)
        kept = min(self.ranked, candidate_scores.shape[2])
        score, index = candidate_scores.topk(kept, dim=2)  # B×K×kept
        factor = candidate_weights.gather(2, index)
        if self.straight_through:
            factor = factor * (1 + (score - score.detach()))
        rows = torch.arange(batch, device=similarity.device)[:, None, None]
        maps = similarity[rows, index % positions] * factor[..., None, None].to(similarity.dtype)
        return F.pad(maps, (0, 0, 0, 0, 0, self.ranked - kept))
