"""The method, as small as it gets, with random weights, and videos to follow with it."""

import numpy as np
import torch
from moving_squares import moving

from ranet.methods.dmn_aoa.network import DMNAOA
from ranet.methods.dmn_aoa.proposals import truth_proposals
from ranet.structures import Clip, one_hot_masks

SIZE = (64, 96)


def tiny_dmn_aoa(**changes):
    torch.manual_seed(0)
    arguments = {"backbone": "tiny", "channels": 16, "key_channels": 8, "region_side": 7}
    return DMNAOA(**({"width": 0.25, "proposals": 6} | arguments | changes)).eval()


def as_tensors(video):
    """T frames 1×3×H×W in [0, 1], and labels 1×H×W."""
    frames = [torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 255 for frame, _ in video]
    return frames, [torch.from_numpy(labels)[None] for _, labels in video]


def passing_squares(count=4):
    """Two squares that pass each other without touching."""
    return as_tensors(moving(SIZE, count, {1: (4, 4), 2: (36, 50)}, step=(0, 6)))


def started(method, frames, labels, objects=2):
    state = method.new_state(frames[0])
    return method.add_objects(state, frames[0], one_hot_masks(labels[0], objects))


def clip_of(frames, labels, objects=2):
    """One sample: the first frame is annotated, the others follow."""
    masks = one_hot_masks(labels[0], objects)
    later = torch.stack(labels[1:], dim=1)
    jitter = torch.tensor(np.tile(np.float32([1, 1, 0, 0]), (1, later.shape[1], 1)))
    images = torch.stack(frames[1:], dim=1)
    return Clip(frames[0], masks, images, masks, torch.tensor([objects]), jitter, later)


class Detector:
    """A source of proposals that finds the squares by their colours, in any order."""

    def __call__(self, image, pyramid, limit):
        colours = torch.tensor([[40, 200, 60], [220, 40, 40]]) / 255
        near = (image[:, None] - colours[None, :, :, None, None]).abs().amax(dim=2) < 0.1
        return truth_proposals(near.float(), limit)
