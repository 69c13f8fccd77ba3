"""The real network, as small as it gets, with random weights."""

import torch

from ranet.methods.ranet.network import RANet
from ranet.structures import Clip


def tiny_ranet(objects="single", **changes):
    torch.manual_seed(0)
    arguments = {"backbone": "tiny", "template_grid": (3, 4), "ranked": 8, "width": 0.25}
    return RANet(objects=objects, **(arguments | changes)).eval()


def clip_of(template_image, template_masks, image, previous_masks):
    """A clip of one frame, in which all objects exist."""
    frames, objects = template_masks.shape[:2]
    count = torch.full((frames,), objects)
    jitter = torch.tensor([1.0, 1.0, 0.0, 0.0]).expand(frames, 1, 4)
    return Clip(template_image, template_masks, image[:, None], previous_masks, count, jitter)


def logits_of(model, *pair):
    """What the model says of the one frame of :func:`clip_of`: B×K×H×W."""
    return model(clip_of(*pair)).logits[:, 0]
