"""The truth as proposals, exact and disturbed; what pairs cost; the losses."""

import pytest
import torch

from ranet.methods.base import Prediction
from ranet.methods.dmn_aoa.cost import costs, soft_iou
from ranet.methods.dmn_aoa.losses import coarse_jaccard, proposal_matching
from ranet.methods.dmn_aoa.proposals import no_proposals, truth_proposals
from ranet.methods.dmn_aoa.roi import box_iou, boxes_of, paste

MASKS = torch.zeros(2, 3, 64, 96)
MASKS[:, 0, 8:40, 10:50] = 1
MASKS[0, 1, 20:60, 60:90] = 1


def test_the_exact_truth():
    proposals = truth_proposals(MASKS, 5)
    assert proposals.valid.tolist() == [
        [True, True, False, False, False],
        [True, False, False, False, False],
    ]
    assert proposals.boxes[0, :2].tolist() == [[8, 10, 40, 50], [20, 60, 60, 90]]
    pasted = paste(proposals.masks, proposals.boxes, (64, 96), 1)
    assert soft_iou(MASKS, pasted)[0].diagonal()[:2].min() > 0.97


def test_disturbed_truth_is_near_and_among_others():
    torch.manual_seed(0)
    masks = MASKS[:1].expand(200, -1, -1, -1)
    proposals = truth_proposals(masks, 12, jitter=1.0)
    assert proposals.boxes.shape == (200, 12, 4)
    assert proposals.masks.shape == (200, 12, 28, 28)
    assert 0 <= proposals.masks.min() <= proposals.masks.max() <= 1
    overlaps = torch.stack(
        [box_iou(boxes_of(masks[:1] > 0)[0, :2], boxes) for boxes in proposals.boxes]
    )
    overlaps = overlaps * proposals.valid[:, None]
    best = overlaps.amax(dim=2)  # 200×2
    assert 0.05 < (best < 0.55).float().mean() < 0.15  # dropped: a tenth
    assert 0.7 < best[best >= 0.55].mean() < 0.95
    assert best.amax() < 1
    first = overlaps[:, 0].argmax(dim=1)
    assert len(first.unique()) > 6  # in any order
    assert (proposals.valid.sum(dim=1) >= 8).all()  # others beside
    assert not proposals.valid.all()  # the third object is not there


def test_the_same_random_numbers_give_the_same_proposals():
    made = []
    for _ in range(2):
        torch.manual_seed(3)
        made.append(truth_proposals(MASKS, 8, jitter=1.0))
    assert all(torch.equal(a, b) for a, b in zip(*made, strict=True))


def test_nothing_proposed():
    proposals = no_proposals(torch.zeros(2, 3, 64, 96), None, 7)
    assert proposals.boxes.shape == (2, 7, 4)
    assert not proposals.valid.any()


def test_soft_iou():
    one = torch.rand(1, 1, 6, 6)
    other = torch.zeros(1, 1, 6, 6)
    assert soft_iou(one, one).item() == pytest.approx(1)
    assert soft_iou(one, other).item() == 0
    assert soft_iou(other, other).item() == 0
    halves = torch.zeros(1, 2, 4, 4)
    halves[:, 0, :2], halves[:, 1, 1:3] = 1, 1
    assert soft_iou(halves[:, :1], halves)[0, 0].tolist() == pytest.approx([1, 1 / 3])


def test_costs():
    similarity, overlap = torch.tensor([[[0.5, 0.9]]]), torch.tensor([[[1.0, 0.2]]])
    similarity, overlap = similarity.expand(1, 2, 2), overlap.expand(1, 2, 2)
    valid, exists = torch.tensor([[True, False]]), torch.tensor([[True, False]])
    found = costs(similarity, overlap, 0.4, 0.3, valid, exists)[0].tolist()
    assert found[0] == pytest.approx([-0.7, 1, -0.3, 0])
    assert found[1] == pytest.approx([1, 1, 1, -1])


def prediction_of(similarity, labels):
    masks = torch.stack([labels == 1, labels == 2], dim=1).float()[..., ::4, ::4]
    valid = torch.tensor([[True, True]])
    aux = {"similarity": similarity, "proposals": masks, "valid": valid, "coarse": masks}
    return Prediction(masks, aux)


def test_losses():
    labels = torch.zeros(1, 64, 96, dtype=torch.uint8)
    labels[:, 8:40, 8:40], labels[:, 40:60, 60:92] = 1, 2
    two, one = torch.tensor([2]), torch.tensor([1])
    right = prediction_of(torch.eye(2)[None], labels)
    assert coarse_jaccard(right, labels, two).item() == pytest.approx(0, abs=1e-6)
    assert proposal_matching(right, labels, two).item() == 0
    wrong = prediction_of(1 - torch.eye(2)[None], labels)
    assert proposal_matching(wrong, labels, two).item() == 1
    half = prediction_of(torch.tensor([[[1.0, 0], [1, 1]]]), labels)
    assert proposal_matching(half, labels, two).item() == pytest.approx(0.25)
    assert proposal_matching(half, labels, one).item() == 0  # the second does not exist
    empty = right._replace(aux={**right.aux, "coarse": torch.zeros(1, 2, 16, 24)})
    assert coarse_jaccard(empty, labels, two).item() > 0.9
    nothing = right._replace(aux={**right.aux, "valid": torch.tensor([[False, False]])})
    assert proposal_matching(nothing, labels, two).item() == 0


def test_finding_nothing_like_a_target_is_half_wrong_among_any_number_of_proposals():
    labels = torch.zeros(1, 64, 96, dtype=torch.uint8)
    labels[:, 8:40, 8:40] = 1
    own = (labels == 1).float()[:, None, ::4, ::4]
    aux = {"proposals": torch.cat([own, own.new_zeros(1, 19, 16, 24)], dim=1)}
    aux |= {"similarity": torch.zeros(1, 1, 20), "valid": torch.ones(1, 20, dtype=torch.bool)}
    assert proposal_matching(Prediction(own, aux), labels, torch.tensor([1])).item() == 0.5
