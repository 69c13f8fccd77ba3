"""The light proposal network: boxes from every position of the pyramid, whatever is in them, and a
mask for each that is kept.

FCOS-like (Tian et al., ICCV 2019) without classes, on the features that the network has anyway; all
of it is our choice. Thin or small objects whose middle no position of their level falls into are
not learned.

B frames, G annotated objects of each, N positions of all levels, P proposals, c channels, H×W the
frames. Boxes are ``(top, left, bottom, right)`` in pixels.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ranet.methods.dmn_aoa.proposals import MASK_SIDE, Proposals, masks_in
from ranet.methods.dmn_aoa.pyramid import Pyramid
from ranet.methods.dmn_aoa.roi import best_apart, box_iou, boxes_of, clip_boxes, roi_align, rows_at
from ranet.methods.layers import initialise, no_autocast

OBJECTS = 8
"""G, that are learned of a frame: ids 1…8."""

_STRIDES = (8, 16, 32)
_LARGEST = (1 / 4, 1 / 2, math.inf)
"""Distance from a position to the farthest side of its box, at most, by level: of the frame's short
side; 48 and 96 pixels of 192."""

_NEAR = 1.5
"""Strides from an object's centre to the positions that learn it, at most, either way."""

_FIRST_OBJECTNESS = 0.01
_LARGEST_EXPONENT = 6.0  # of a side in strides
_CANDIDATES = 200
_SAME = 0.6
"""Overlap of two proposals, at most."""

_GOOD = 0.5
"""Overlap with the truth, at least, of found boxes that masks are learned in; else it is that."""

_FOCUS, _BALANCE = 2.0, 0.25  # γ and α of the focal loss


class Dense(NamedTuple):
    """What is found at every position."""

    objectness: Tensor
    """B×N logits."""
    centreness: Tensor
    """B×N logits."""
    boxes: Tensor
    """B×N×4, inside the frame."""
    places: Tensor
    """N×2, of the positions, in pixels."""
    strides: Tensor
    """N, of their levels."""


class Targets(NamedTuple):
    """What should be."""

    positive: Tensor
    """B×N bool: whether the position learns an object."""
    number: Tensor
    """B×N int64: which of the G."""
    boxes: Tensor
    """B×N×4, anything where it learns none."""
    centreness: Tensor
    """B×N in [0, 1], likewise."""


class LightDetector(nn.Module):
    """A :class:`.ProposalSource` that learns with its network.

    Args:
        channels: c of the pyramid.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.smooth16 = _conv(channels, channels)
        self.smooth32 = _conv(channels, channels)
        self.what, self.where = _tower(channels), _tower(channels)
        self.objectness = _conv(channels, 1)
        self.sides = _conv(channels, 4)
        self.centreness = _conv(channels, 1)
        self.masks = nn.Sequential(
            *(layer for _ in range(4) for layer in (_conv(channels, channels), nn.ReLU())),
            nn.ConvTranspose2d(channels, channels, 2, stride=2),
            nn.ReLU(),
            nn.Conv2d(channels, 1, 1),
        )
        self.scales = nn.Parameter(torch.ones(len(_STRIDES)))
        initialise(self)
        with torch.no_grad():
            for last in (self.objectness, self.sides, self.centreness):
                last.weight.normal_(std=0.01)
            self.objectness.bias.fill_(math.log(_FIRST_OBJECTNESS / (1 - _FIRST_OBJECTNESS)))

    def forward(self, image: Tensor, pyramid: Pyramid, limit: int) -> Proposals:
        """See :class:`.ProposalSource`; a score is √(objectness · centreness)."""
        found = self.find(pyramid, image.shape[-2:])
        with no_autocast(image.device.type):
            scores = (found.objectness.sigmoid() * found.centreness.sigmoid()).sqrt()
            scores, order = scores.topk(min(_CANDIDATES, scores.shape[1]), dim=1)
            boxes = rows_at(found.boxes, order)
            kept, valid = best_apart(boxes, scores, _SAME, limit)
            boxes, scores = rows_at(boxes, kept), scores.gather(1, kept) * valid
        return Proposals(boxes, self.masks_of(pyramid, boxes).sigmoid(), scores, valid)

    def find(self, pyramid: Pyramid, size: Sequence[int]) -> Dense:
        """What each position finds in frames of a size (H, W), in float32."""
        levels = (pyramid.at8, self.smooth16(pyramid.at16), self.smooth32(pyramid.at32))
        objectness, centreness, exponents = [], [], []
        for level, scale in zip(levels, self.scales, strict=True):
            features = F.relu(level)
            where = self.where(features)
            objectness.append(self.objectness(self.what(features)).flatten(1).float())
            centreness.append(self.centreness(where).flatten(1).float())
            exponents.append(self.sides(where).flatten(2).transpose(1, 2).float() * scale)
        places, strides = positions(pyramid)
        sides = torch.cat(exponents, 1).clamp(max=_LARGEST_EXPONENT).exp() * strides[:, None]
        boxes = torch.cat([places - sides[..., :2], places + sides[..., 2:]], dim=2)
        boxes = clip_boxes(boxes, size)
        return Dense(torch.cat(objectness, 1), torch.cat(centreness, 1), boxes, places, strides)

    def masks_of(self, pyramid: Pyramid, boxes: Tensor) -> Tensor:
        """Logits B×P×28×28 of the masks in boxes B×P×4, in float32."""
        with no_autocast(boxes.device.type):
            at8 = F.relu(pyramid.at8.float())
            regions = roi_align(at8, boxes, MASK_SIDE // 2, _STRIDES[0])
        return self.masks(regions.flatten(0, 1)).float()[:, 0].unflatten(0, boxes.shape[:2])

    def learn(self, pyramid: Pyramid, size: Sequence[int], masks: Tensor) -> dict[str, Tensor]:
        """What the losses read: what is found, and what should be.

        Masks are learned of each object in the box that its best position finds.

        Args:
            pyramid: of the frames.
            size: (H, W).
            masks: B×G×H×W of 0 and 1, the annotated objects; empty ones are not there.
        """
        found = self.find(pyramid, size)
        with torch.no_grad():
            true, exists = boxes_of(masks > 0), masks.flatten(2).amax(dim=2) > 0
            targets = assign(true, exists, found.places, found.strides, size)
            boxes, learned = self._boxes_of_objects(found, targets, true)
            true_masks = masks_in(boxes, masks)
        return {
            "objectness": found.objectness,
            "positive": targets.positive,
            "centreness": found.centreness,
            "true_centreness": targets.centreness,
            "found_boxes": found.boxes,
            "true_boxes": targets.boxes,
            "mask_logits": self.masks_of(pyramid, boxes),
            "true_masks": true_masks,
            "has_mask": learned & exists,
        }

    @staticmethod
    def _boxes_of_objects(found: Dense, targets: Targets, true: Tensor) -> tuple[Tensor, Tensor]:
        """B×G×4 boxes, one for each object, and B×G bool, whether any position learns it."""
        numbers = torch.arange(true.shape[1], device=true.device)[:, None]
        own = targets.positive[:, None] & (targets.number[:, None] == numbers)  # B×G×N
        scores = (found.objectness.sigmoid() * found.centreness.sigmoid())[:, None]
        best = scores.masked_fill(~own, -1).argmax(dim=2)
        boxes = rows_at(found.boxes, best)
        good = box_iou(boxes, true).diagonal(dim1=1, dim2=2) >= _GOOD
        return torch.where(good[..., None], boxes, true), own.any(dim=2)


def positions(pyramid: Pyramid) -> tuple[Tensor, Tensor]:
    """Where the positions of all levels are, N×2 in pixels, and their strides, N."""
    places, strides = [], []
    for level, stride in zip(pyramid[:3], _STRIDES, strict=True):
        rows, columns = (
            (torch.arange(count, device=level.device) + 0.5) * stride for count in level.shape[-2:]
        )
        grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1).flatten(0, 1)
        places.append(grid)
        strides.append(torch.full_like(grid[:, 0], stride))
    return torch.cat(places), torch.cat(strides)


def assign(
    boxes: Tensor, exists: Tensor, places: Tensor, strides: Tensor, size: Sequence[int]
) -> Targets:
    """Which object each position learns: one that it is in, near its centre, and that is of the
    sizes of its level; the smallest box, where several are.

    Args:
        boxes: B×G×4.
        exists: B×G bool.
        places: N×2.
        strides: N.
        size: (H, W) of the frames.
    """
    low, high = boxes[:, :, None, :2], boxes[:, :, None, 2:]
    sides = torch.cat([places - low, high - places], dim=-1)  # B×G×N×4
    near = ((places - (low + high) / 2).abs() < _NEAR * strides[:, None]).all(dim=-1)
    farthest = sides.amax(dim=-1)
    limits = [0.0, *(share * min(size) for share in _LARGEST)]
    fits = torch.zeros_like(near)
    for stride, least, most in zip(_STRIDES, limits[:-1], limits[1:], strict=True):
        fits |= (strides == stride) & (farthest > least) & (farthest <= most)
    learns = near & fits & (sides.amin(dim=-1) > 0) & exists[..., None]
    areas = (boxes[..., 2:] - boxes[..., :2]).prod(dim=-1)[..., None]
    number = torch.where(learns, areas, math.inf).argmin(dim=1)  # B×N
    true = rows_at(boxes, number)
    sides = torch.cat([places - true[..., :2], true[..., 2:] - places], dim=-1).clamp(min=0)
    ends = sides.unflatten(2, (2, 2))  # of rows and columns: before and after
    shares = ends.amin(dim=2) / ends.amax(dim=2).clamp(min=1e-6)
    return Targets(learns.any(dim=1), number, true, shares.prod(dim=-1).sqrt())


def focal_loss(objectness: Tensor, positive: Tensor) -> Tensor:
    """Focal loss (Lin et al., ICCV 2017) of logits B×N, over a frame's positives, averaged."""
    target = positive.to(objectness.dtype)
    entropy = F.binary_cross_entropy_with_logits(objectness, target, reduction="none")
    balance = torch.where(positive, _BALANCE, 1 - _BALANCE)
    loss = balance * (1 - (-entropy).exp()) ** _FOCUS * entropy  # exp(−entropy): of the truth
    return (loss.sum(dim=1) / positive.sum(dim=1).clamp(min=1)).mean()


def giou_loss(found: Tensor, true: Tensor, positive: Tensor) -> Tensor:
    """One minus the generalised IoU (Rezatofighi et al., CVPR 2019) of boxes B×N×4, averaged over a
    frame's positives B×N, then frames; in [0, 2].
    """
    (low, high), (true_low, true_high) = ((b[..., :2], b[..., 2:]) for b in (found, true))

    def area(low: Tensor, high: Tensor) -> Tensor:
        return (high - low).clamp(min=0).prod(dim=-1)

    both = area(low.maximum(true_low), high.minimum(true_high))
    union = area(low, high) + area(true_low, true_high) - both
    around = area(low.minimum(true_low), high.maximum(true_high))
    least = 1e-6
    index = both / union.clamp(min=least) - (around - union) / around.clamp(min=least)
    return _mean_of(1 - index, positive)


def entropy_loss(logits: Tensor, target: Tensor, counts: Tensor) -> Tensor:
    """Binary cross-entropy of logits B×N or B×G×28×28, averaged over those of a frame that count,
    B×N or B×G bool, then frames.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return _mean_of(entropy.flatten(2).mean(dim=2) if entropy.ndim > 2 else entropy, counts)


def _mean_of(values: Tensor, counts: Tensor) -> Tensor:
    return ((values * counts).sum(dim=1) / counts.sum(dim=1).clamp(min=1)).mean()


def _conv(channels: int, out: int) -> nn.Conv2d:
    return nn.Conv2d(channels, out, 3, padding=1)


def _tower(channels: int) -> nn.Sequential:
    groups = math.gcd(8, channels)
    layers = (
        (_conv(channels, channels), nn.GroupNorm(groups, channels), nn.ReLU()) for _ in range(2)
    )
    return nn.Sequential(*(layer for block in layers for layer in block))
