"""Eq. 2 and 3, written out the slow way and compared."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ranet.methods.ranet.ranking_attention import RankingAttentionModule
from ranet.methods.ranet.regions import multi_object_regions, single_object_regions

GRID = (3, 4)
N = 12


def module(objects: str, ranked: int = 5) -> RankingAttentionModule:
    torch.manual_seed(0)
    return RankingAttentionModule(objects, GRID, ranked).double().eval()


def inputs(objects: int) -> tuple[Tensor, Tensor]:
    """Similarity B×N×h×w and masks B×K×gh×gw that cover part of the grid."""
    generator = torch.Generator().manual_seed(3)
    similarity = torch.rand(2, N, 6, 8, generator=generator, dtype=torch.float64) * 2 - 0.5
    share = torch.rand(2, objects + 1, *GRID, generator=generator, dtype=torch.float64)
    share = F.normalize(share * (share > 0.3), p=1, dim=1)
    return similarity, share[:, :objects]


def slow_learned_score(ram: RankingAttentionModule, maps: Tensor) -> Tensor:
    """f_n on maps N×h×w, pooled and swapped position by position."""
    pooled = F.max_pool2d(maps[None], 2)[0]  # N×gh×gw
    swapped = torch.stack([pooled[:, y, x] for y in range(GRID[0]) for x in range(GRID[1])])
    return ram.ranking_network(swapped.view(1, N, *GRID))[0]


def slow_rank(maps: Tensor, scores: Tensor, ranked: int) -> Tensor:
    """Sort the weighted maps by score, drop or pad to R."""
    order = scores.argsort(descending=True)[:ranked]
    kept = maps[order]
    return torch.cat([kept, maps.new_zeros(max(0, ranked - len(kept)), *maps.shape[1:])])


@pytest.mark.parametrize("ranked", [3, 5, 12, 20])
def test_single_object_ranking_follows_the_equations(ranked: int) -> None:
    ram = module("single", ranked)
    similarity, masks = inputs(1)
    foreground, background = ram.rank(similarity, masks)
    for b in range(2):
        mask = masks[b, 0].flatten()
        for maps, weight, gate in (
            (foreground, mask, (mask > 0).double()),
            (background, ((1 - mask) >= 0.9).double(), ((1 - mask) >= 0.9).double()),
        ):
            weighted = similarity[b] * weight[:, None, None]
            learned = slow_learned_score(ram, weighted).relu()
            scores = weighted.flatten(1).amax(1) + 0.2 * gate * learned
            expected = slow_rank(weighted, scores, ranked)
            assert torch.allclose(maps[b, 0], expected, atol=1e-12)


@pytest.mark.parametrize("ranked", [5, 30, 60])
def test_multi_object_background_is_every_other_region(ranked: int) -> None:
    ram = module("multi", ranked)
    similarity, masks = inputs(3)
    foreground, background = ram.rank(similarity, masks)
    for b in range(2):
        flat = masks[b].flatten(1)
        regions = torch.cat([flat, 1 - flat.sum(0, keepdim=True)])  # 4×N
        learned = slow_learned_score(ram, similarity[b]).relu()
        weighted = [similarity[b] * w[:, None, None] for w in regions]
        scores = [
            s.flatten(1).amax(1) + 0.2 * w * learned for s, w in zip(weighted, regions, strict=True)
        ]
        for k in range(3):
            assert torch.allclose(
                foreground[b, k], slow_rank(weighted[k], scores[k], ranked), atol=1e-12
            )
            rest = [m for m in range(4) if m != k]
            expected = slow_rank(
                torch.cat([weighted[m] for m in rest]),
                torch.cat([scores[m] for m in rest]),
                ranked,
            )
            assert torch.allclose(background[b, k], expected, atol=1e-12)


@pytest.mark.parametrize("objects", ["single", "multi"])
def test_scores_keep_float32_under_autocast(objects: str) -> None:
    ram = module(objects).float()
    similarity, masks = (tensor.float() for tensor in inputs(2))
    regions = ram.make_regions(masks.flatten(2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = ram.score(similarity, regions)
    assert torch.equal(scores, ram.score(similarity, regions))


def test_maps_without_weight_are_the_padding() -> None:
    ram = module("single", ranked=N)
    similarity, masks = inputs(1)
    masks = torch.zeros_like(masks)
    masks[:, :, 0, :2] = 1
    foreground, background = ram.rank(similarity, masks)
    assert foreground[:, 0, :2].flatten(2).any(dim=2).all()
    assert not foreground[:, 0, 2:].any()
    assert not background[:, 0, N - 2 :].any()


def test_an_empty_object_gives_zero_maps() -> None:
    similarity, masks = inputs(1)
    for objects in ("single", "multi"):
        foreground, _ = module(objects).rank(similarity, torch.zeros_like(masks))
        assert not foreground.any()


def test_gradient_of_a_score_is_what_its_map_would_add() -> None:
    """Backward through 1 + r - stop_gradient(r): d out / d r_j is the kept map itself."""
    ram = module("single", ranked=4)
    similarity, masks = inputs(1)
    regions = single_object_regions(masks.flatten(2))
    scores = ram.score(similarity, regions).detach().requires_grad_()
    kept = ram.keep_best(similarity, scores, regions.weights, regions.foreground)
    kept.sum().backward()
    order = scores[0, 0].argsort(descending=True)[:4]
    assert torch.allclose(scores.grad[0, 0, order], kept[0, 0].flatten(1).sum(1).detach())
    assert scores.grad[0, 0].count_nonzero() <= 4


def test_region_weights() -> None:
    masks = torch.tensor([[[0.0, 0.05, 0.5, 1.0], [1.0, 0.0, 0.5, 0.0]]])
    single = single_object_regions(masks)
    assert single.weights[0].tolist() == [
        *masks[0].tolist(),
        [1.0, 1.0, 0.0, 0.0],
        [0.0, 1.0, 0.0, 1.0],
    ]
    assert single.gates[0, 0].tolist() == [0.0, 1.0, 1.0, 1.0]
    assert (single.foreground.tolist(), single.background.tolist()) == ([[0], [1]], [[2], [3]])
    multi = multi_object_regions(masks)
    assert torch.allclose(multi.weights[0, 2], torch.tensor([0.0, 0.95, 0.0, 0.0]))
    assert torch.equal(multi.gates, multi.weights)
    assert (multi.foreground.tolist(), multi.background.tolist()) == (
        [[0], [1]],
        [[1, 2], [0, 2]],
    )
