"""A network that holds its weights in half precision, for inference."""

import copy

import torch
from torch import nn

from ranet.model.blocks import InstanceNorm
from ranet.model.ranet import RANet


def with_half_weights(model: RANet, dtype: torch.dtype) -> RANet:
    """A copy of ``model`` for use under autocast to ``dtype``.

    Every weight would be converted anew for every frame, those of convolutions by autocast and
    those of norms by :func:`~ranet.model.blocks.instance_norm`. The ranking stays in float32, where
    half precision would make ties of what differs. Results are those of autocast on ``model``, to
    the last bit.

    Args:
        model: stays as it is.
        dtype: ``torch.bfloat16`` or ``torch.float16``.
    """
    half = copy.deepcopy(model).requires_grad_(False)
    for name, part in half.named_modules():
        if isinstance(part, nn.Conv2d | InstanceNorm) and not name.startswith("ranking."):
            part.to(dtype)
    return half
