"""The alignment against worked values."""

import math

import pytest
import torch

from ranet.methods.dmn_aoa.alignment import AdaptiveAlignment, align, alignment_weights

PROPOSAL = torch.tensor([[1.0, 0], [0, 1], [1, 1], [0, 0]]).T[None, None]  # 1×1×2×4
SCALE = math.sqrt(2)  # takes the scores' own scale away
TEMPLATE = SCALE * torch.tensor([[math.log(2), 0], [0, math.log(3)]]).T[None, None]


def padded(features):
    """A worked template has fewer positions than the proposal."""
    return torch.cat([features, features], dim=3)


def test_each_position_is_compared_with_a_mean_over_the_proposals():
    weights = alignment_weights(TEMPLATE, PROPOSAL)[0, 0, 0]
    assert torch.allclose(weights[0], torch.tensor([2.0, 1, 2, 1]) / 6)
    assert torch.allclose(weights[1], torch.tensor([1.0, 3, 3, 1]) / 8)
    aligned = align(alignment_weights(TEMPLATE, PROPOSAL), PROPOSAL)[0, 0, 0]
    assert torch.allclose(aligned, torch.tensor([[2 / 3, 1 / 2], [1 / 2, 3 / 4]]))


@pytest.mark.parametrize(
    ("cover", "expected"), [((1, 0), 0.8), ((0, 1), 0.83205), ((1, 0.5), 0.81068), ((0, 0), 0)]
)
def test_similarity_is_the_mean_cosine_over_the_target(cover, expected):
    alignment = AdaptiveAlignment(2)
    similarity = alignment(TEMPLATE, torch.tensor([[cover]]).float(), PROPOSAL)
    assert similarity.item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("soft", "same"), [(True, True), (False, False)])
def test_where_the_parts_of_a_proposal_lie_is_all_the_same_if_aligned(soft, same):
    alignment = AdaptiveAlignment(2, soft=soft)
    moved = PROPOSAL[..., [3, 0, 2, 1]]
    cover = torch.ones(1, 1, 4)
    found = [alignment(padded(TEMPLATE), cover, p).item() for p in (PROPOSAL, moved)]
    assert (found[0] == pytest.approx(found[1])) is same


def test_all_targets_with_all_proposals():
    generator = torch.Generator().manual_seed(0)
    template = torch.randn(2, 3, 4, 9, generator=generator)
    proposals = torch.randn(2, 5, 4, 9, generator=generator)
    cover = torch.rand(2, 3, 9, generator=generator)
    alignment = AdaptiveAlignment(4)
    together = alignment(template, cover, proposals)
    assert together.shape == (2, 3, 5)
    one = alignment(template[1:, 2:], cover[1:, 2:], proposals[1:, 4:])
    assert together[1, 2, 4].item() == pytest.approx(one.item(), abs=1e-6)
    (together.sum()).backward()
    assert alignment.projection.weight.grad.abs().sum() > 0
