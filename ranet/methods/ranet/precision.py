"""A network that is prepared for inference: norms folded, weights in half precision."""

import copy

import torch
from torch import nn

from ranet.methods.backbones import fold_batch_norms
from ranet.methods.layers import InstanceNorm
from ranet.methods.ranet.network import RANet

_FOLDED_AT = (64, 64)
"""Pixels of an image that shows which convolution a norm follows."""


def with_folded_norms(model: RANet) -> RANet:
    """A copy of ``model`` whose batch norms are part of its convolutions; itself if it has none."""
    if not any(isinstance(part, nn.BatchNorm2d) for part in model.modules()):
        return model
    folded = copy.deepcopy(model).requires_grad_(False).eval()
    example = next(model.parameters()).new_zeros(1, 3, *_FOLDED_AT)
    fold_batch_norms(folded.encoder.backbone, example)
    return folded


def with_half_weights(model: RANet, dtype: torch.dtype) -> RANet:
    """A copy of ``model`` for use under autocast to ``dtype``.

    Every weight would be converted anew for every frame, those of convolutions by autocast and
    those of norms by :func:`.instance_norm`. The ranking stays in float32, where
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
