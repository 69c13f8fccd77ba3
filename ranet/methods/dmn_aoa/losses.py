"""The method's own losses: of coarse masks, and of how alike targets and proposals are found.

B frames, K targets, P proposals, h×w at stride 4.
"""

import torch
from torch import Tensor

from ranet.methods.base import Prediction
from ranet.methods.dmn_aoa.cost import soft_iou
from ranet.methods.dmn_aoa.matching import greedy
from ranet.methods.layers import average_pool
from ranet.structures import one_hot_masks

_SAME = 0.5
"""Least overlap of a proposal with the object that it is a proposal of."""


def coarse_jaccard(prediction: Prediction, labels: Tensor, objects: Tensor) -> Tensor:
    """One minus the soft Jaccard index of the coarse masks, averaged over objects, then samples.

    Args:
        prediction: with ``coarse`` B×K×h×w.
        labels: B×H×W integers, 0…K.
        objects: B, how many objects each sample has.

    Returns:
        A scalar in [0, 1].
    """
    coarse = prediction.aux["coarse"].float()
    truth = average_pool(one_hot_masks(labels, coarse.shape[1]), coarse.shape[-2:])
    intersection = (coarse * truth).sum(dim=(2, 3))
    union = (coarse + truth).sum(dim=(2, 3)) - intersection
    index = (intersection + 1) / (union + 1)  # one position each keeps 0/0 away
    return 1 - ((index * _existing(coarse, objects)).sum(dim=1) / objects).mean()


def proposal_matching(prediction: Prediction, labels: Tensor, objects: Tensor) -> Tensor:
    """Squared difference of similarities from 1 where a proposal is the target's, 0 elsewhere.

    Which is whose is DMM-Net's greedy assignment, by their overlap with the truth. Pairs that
    belong together count as much as all others do (our choice): of twenty proposals one is the
    target's at most, and in a mean over all, it is cheap to find no proposal like any target.

    Args:
        prediction: with ``similarity`` B×K×P, ``proposals`` B×P×h×w and ``valid`` B×P.
        labels: B×H×W integers, 0…K.
        objects: B, how many objects each sample has.

    Returns:
        A scalar, at least 0: the mean over samples of the mean of both kinds' means, or of the one
        kind that is there; 0 for a sample without proposals.
    """
    similarity = prediction.aux["similarity"].float()
    masks, valid = prediction.aux["proposals"].float(), prediction.aux["valid"]
    truth = average_pool(one_hot_masks(labels, similarity.shape[1]), masks.shape[-2:])
    pairs = _existing(similarity, objects)[..., None] & valid[:, None]  # B×K×P
    overlap = soft_iou(truth, masks) * pairs
    target = greedy(-overlap) * (overlap >= _SAME)
    squares = (similarity - target).square()
    kinds = torch.stack([target > 0, pairs & (target == 0)])  # 2×B×K×P
    counts = kinds.sum(dim=(2, 3))  # 2×B
    means = (squares * kinds).sum(dim=(2, 3)) / counts.clamp(min=1)
    return (means.sum(dim=0) / (counts > 0).sum(dim=0).clamp(min=1)).mean()


def _existing(of_targets: Tensor, objects: Tensor) -> Tensor:
    """B×K bool."""
    return torch.arange(of_targets.shape[1], device=objects.device) < objects[:, None]
