"""What it costs to take a proposal for a target (DMM-Net's, with an alignment in the place of its
mean features), or to take none.

B frames, K targets, P proposals, h×w at stride 4.
"""

import torch
from torch import Tensor

_IMPOSSIBLE = 1.0
"""Nothing that is possible costs as much: similarities are 1 at most, either way."""


def soft_iou(targets: Tensor, proposals: Tensor) -> Tensor:
    """Sum of minima over sum of maxima of masks, their intersection over union where they are 0 and
    1; 0 where both are empty.

    Args:
        targets: B×K×h×w in [0, 1].
        proposals: B×P×h×w in [0, 1].

    Returns:
        B×K×P in [0, 1].
    """
    first, second = targets.flatten(2), proposals.flatten(2)
    intersection = torch.minimum(first[:, :, None], second[:, None]).sum(dim=3)
    union = first.sum(dim=2)[:, :, None] + second.sum(dim=2)[:, None] - intersection
    return intersection / union.clamp(min=1e-6)


def costs(
    similarity: Tensor,
    overlap: Tensor,
    overlap_weight: Tensor | float,
    threshold: Tensor | float,
    valid: Tensor,
    exists: Tensor | None = None,
) -> Tensor:
    """−[(1 − λ)·similarity + λ·overlap], and a dummy column for each target.

    A target that nothing resembles by more than the threshold takes its dummy. Dummies are our
    choice, and private, as targets would tie on shared ones: k's costs −threshold to k and 0 to
    others.

    Args:
        similarity: B×K×P.
        overlap: B×K×P, with the target's last mask.
        overlap_weight: λ in [0, 1].
        threshold: θ.
        valid: B×P bool, which proposals there are.
        exists: B×K bool, which targets there are: the others take their dummies; None: all.

    Returns:
        B×K×(P + K).
    """
    cost = -((1 - overlap_weight) * similarity + overlap_weight * overlap)
    cost = cost.masked_fill(~valid[:, None], _IMPOSSIBLE)
    count = cost.shape[1]
    own = torch.eye(count, dtype=cost.dtype, device=cost.device).expand(len(cost), -1, -1)
    cost = torch.cat([cost, -threshold * own], dim=2)
    if exists is None:
        return cost
    nobody = torch.cat(
        [torch.ones_like(valid, dtype=cost.dtype)[:, None].expand(-1, count, -1), 1 - 2 * own],
        dim=2,
    )
    return torch.where(exists[..., None], cost, _IMPOSSIBLE * nobody)
