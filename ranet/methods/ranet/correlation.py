"""Correlation of template and current frame (Eq. 1)."""

import torch
from torch import Tensor


def correlate(template: Tensor, embedding: Tensor) -> Tensor:
    """Similarity maps: where in the current frame each template position is found (Eq. 1).

    Computed outside autocast: the ranking that follows compares these numbers with each other,
    and half precision would make ties of what differs.

    Args:
        template: B×C×gh×gw, the template's embedding.
        embedding: B×C×h×w, the current frame's embedding, unit length over C.

    Returns:
        B×N×h×w with N = gh·gw; map j is the inner product of template vector j with every pixel.
        Values are in [-1, 1].
    """
    with torch.autocast(embedding.device.type, enabled=False):
        vectors = template.flatten(2).transpose(1, 2)  # B×N×C
        maps = vectors @ embedding.flatten(2)  # B×N×hw
    return maps.unflatten(2, embedding.shape[-2:])
