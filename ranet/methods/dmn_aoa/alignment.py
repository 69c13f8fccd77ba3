"""Adaptive object alignment: how alike a template and a proposal are, wherever their parts lie.

Each position of a template is compared with the weighted average of all positions of the proposal,
weighed by how similar their features are (supplement, §6). The softmax, its scale, and the form of
what weighs are our choice.

B frames, K targets, P proposals, c channels, q positions of a region.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEAST_COVER = 1e-6


class AdaptiveAlignment(nn.Module):
    """The similarity of every target with every proposal.

    Args:
        channels: c.
        soft: False is an ablation: positions are compared as they lie, one with one.
    """

    def __init__(self, channels: int, *, soft: bool = True) -> None:
        super().__init__()
        self.projection = nn.Linear(channels, channels, bias=False) if soft else None
        if self.projection is not None:
            nn.init.eye_(self.projection.weight)

    def forward(self, template: Tensor, cover: Tensor, proposals: Tensor) -> Tensor:
        """Compare.

        Args:
            template: B×K×c×q.
            cover: B×K×q in [0, 1], how much of each position is the target.
            proposals: B×P×c×q.

        Returns:
            B×K×P in [−1, 1]: the mean cosine over the target's positions.
        """
        aligned = proposals[:, None]  # B×1×P×c×q
        if self.projection is not None:
            aligned = align(self.weights(template, proposals), proposals)
        cosine = F.cosine_similarity(template[:, :, None], aligned, dim=3)  # B×K×P×q
        weights = cover / cover.sum(dim=2, keepdim=True).clamp(min=LEAST_COVER)
        return (cosine @ weights[..., None])[..., 0]

    def weights(self, template: Tensor, proposals: Tensor) -> Tensor:
        """As :func:`alignment_weights`, of projected features; for soft alignment alone."""
        template, proposals = (
            self.projection(features.transpose(2, 3)).transpose(2, 3)
            for features in (template, proposals)
        )
        return alignment_weights(template, proposals)


def alignment_weights(template: Tensor, proposals: Tensor) -> Tensor:
    """How much of each position of a proposal B×P×c×q enters each of a template B×K×c×q.

    Returns:
        B×K×P×q×q, summing to 1 over the last.
    """
    scores = torch.einsum("bkci,bpcr->bkpir", template, proposals)
    return (scores / math.sqrt(template.shape[2])).softmax(dim=4)


def align(weights: Tensor, features: Tensor) -> Tensor:
    """Features of proposals where the positions of a template find themselves.

    Args:
        weights: B×K×P×q×q of :func:`alignment_weights`.
        features: B×P×c×q.

    Returns:
        B×K×P×c×q.
    """
    return features[:, None] @ weights.transpose(3, 4)
