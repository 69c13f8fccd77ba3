"""The real network, as small as it gets, with random weights."""

import torch

from ranet.methods.ranet.network import RANet


def tiny_ranet(objects="single", **changes):
    torch.manual_seed(0)
    arguments = {"backbone": "tiny", "template_grid": (3, 4), "ranked": 8, "width": 0.25}
    return RANet(objects=objects, **(arguments | changes)).eval()
