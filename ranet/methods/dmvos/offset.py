"""Instance centre offset: every pixel votes for the centre of the instance that it is of.

The supplement says that offsets are predicted from the embedding, and that the centre of the frame
before is needed; all else is our choice. The votes know neither target nor centre: that is
compared with them afterwards, so that a look-alike beside the object, which votes for its own
centre, is damped.

B crops, each of one object; h×w pixels at stride 16. Places are (row, column) in units of a crop's
sides.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ranet.methods.crops import extents
from ranet.methods.dmvos.correlation import OBJECT_SHARE, cut_labels, mean_of_objects
from ranet.methods.layers import ConvBlock, average_pool, initialise
from ranet.structures import one_hot_masks

INSTANCES = 15
"""Ids of a frame that votes are learned of; higher ones are left out."""

_FIRST_VOTES = 0.05
"""Deviation of the votes before anything is learned, about."""

_BETA = 0.05
"""Of the smooth L1 loss: larger errors count by their size, smaller ones by its square."""


class OffsetHead(nn.Sequential):
    """Two Conv-blocks: features B×C×h×w → offsets B×2×h×w, down and right.

    They begin near zero, a pixel voting for its own place, and not crops away from everything.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        inside = max(1, channels // 2)
        super().__init__(ConvBlock(channels, inside), ConvBlock(inside, 2))
        initialise(self)
        with torch.no_grad():
            self[1].conv.weight.mul_(_FIRST_VOTES)


def places(size: tuple[int, int], device: torch.device) -> Tensor:
    """Where the middle of each pixel is: 2×h×w."""
    rows, columns = ((torch.arange(count, device=device) + 0.5) / count for count in size)
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"))


def centre_map(offset: Tensor, centre: Tensor, sigma: float) -> Tensor:
    """How near a pixel's vote is to a centre: D(p) = exp(-‖p + o(p) - c‖² / 2σ²).

    Args:
        offset: o, B×2×h×w.
        centre: c, B×2.
        sigma: σ.

    Returns:
        B×h×w in [0, 1].
    """
    votes = places((offset.shape[-2], offset.shape[-1]), offset.device) + offset
    distance = (votes - centre[..., None, None]).square().sum(dim=1)
    return (distance / (-2 * sigma**2)).exp()


def offset_targets(labels: Tensor, cells: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """From each cell to the centre of the box of the instance that most of it is of.

    Args:
        labels: B×H×W, ids 1…15 of instances in a crop.
        cells: (h, w).

    Returns:
        B×2×h×w, and B×h×w bool: which cells are of an instance.
    """
    masks = one_hot_masks(labels, INSTANCES)  # B×M×H×W
    first, last = extents(masks.flatten(0, 1) > 0)  # B·M×2
    rows, columns = ((first + last + 1) / 2).unbind(dim=1)
    centres = torch.stack([rows / labels.shape[-2], columns / labels.shape[-1]], dim=1)
    centres = centres.unflatten(0, masks.shape[:2])  # B×M×2
    share, owner = average_pool(masks, cells).max(dim=1)  # B×h×w
    chosen = owner.flatten(1)[..., None].expand(-1, -1, 2)
    towards = centres.gather(1, chosen).transpose(1, 2).unflatten(2, cells)  # B×2×h×w
    return towards - places(cells, labels.device), share >= OBJECT_SHARE


def offset_loss(offset: Tensor, boxes: Tensor, labels: Tensor, objects: Tensor) -> Tensor:
    """Smooth L1 distance of all votes that have an instance, chosen as an object or not.

    Args:
        offset: B×K×2×h×w.
        boxes: B×K×4, where each object's crop is.
        labels: B×H×W, ids of all that is annotated.
        objects: B, how many of the K objects each sample has.

    Returns:
        A scalar: the mean over cells, then objects, then samples; 0 for a crop without instances.
    """
    cells = (offset.shape[-2], offset.shape[-1])
    target, on = offset_targets(cut_labels(labels, boxes, cells).flatten(0, 1), cells)
    loss = F.smooth_l1_loss(offset.flatten(0, 1).float(), target, beta=_BETA, reduction="none")
    means = (loss.mean(dim=1) * on).sum((1, 2)) / on.sum((1, 2)).clamp(min=1)
    return mean_of_objects(means.view(offset.shape[:2]), objects)
