"""The network as small as it gets, with random weights, and what it follows."""

import torch

from ranet.methods.dmvos.method import DMVOS

SIZE = (64, 96)

TINY = {
    "backbone": "tiny",
    "k": 4,
    "embedding_channels": 16,
    "template_pooling": 1,
    "width": 0.125,
}


def tiny_dmvos(**changes):
    torch.manual_seed(0)
    return DMVOS(**(TINY | changes)).eval()


def masks_at(*corners, side=20, size=SIZE):
    masks = torch.zeros(1, len(corners), *size)
    for channel, (top, left) in enumerate(corners):
        masks[0, channel, top : top + side, left : left + side] = 1
    return masks


def an_image(seed=0, batch=1):
    return torch.rand(batch, 3, *SIZE, generator=torch.Generator().manual_seed(seed))
