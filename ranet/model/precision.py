"""A network whose convolutions hold their weights in half precision, for inference."""

import copy

import torch
from torch import nn

from ranet.model.ranet import RANet


def with_half_weights(model: RANet, dtype: torch.dtype) -> RANet:
    """A copy of ``model`` for use under autocast to ``dtype``.

    Autocast would convert every weight anew for every frame. What it leaves in float32 stays so:
    the norms' scales, and the ranking, where half precision would make ties of what differs.
    Results are those of autocast on ``model``, to the last bit.

    Args:
        model: stays as it is.
        dtype: ``torch.bfloat16`` or ``torch.float16``.
    """
    half = copy.deepcopy(model).requires_grad_(False)
    for name, part in half.named_modules():
        if isinstance(part, nn.Conv2d) and not name.startswith("ranking."):
            part.to(dtype)
    return half
