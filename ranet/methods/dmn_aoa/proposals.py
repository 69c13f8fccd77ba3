"""Proposals of objects in a frame: boxes with masks, whoever makes them.

That a detector proposes is all that is known (abstract); everything here is our choice. Training
takes the truth for proposals, somewhat off and among others (:func:`truth_proposals`).

B frames, K objects, P proposals, H×W the image in pixels.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from ranet.methods.dmn_aoa.pyramid import Pyramid
from ranet.methods.dmn_aoa.roi import box_iou, boxes_of, clip_boxes, paste, roi_align, rows_at

MASK_SIDE = 28
"""Positions of a proposal's mask, either way."""

# What disturbs the truth, at most, of a jitter of 1.
_SIDES = (0.8, 1.25)
_SHIFT = 0.1  # of the sides
_THICKER = 3  # positions of the mask
_DROPPED = 0.1  # probability

_BACKGROUND_SIDES = (0.1, 0.6)  # of the image's
_BLOB_CELLS = 5


class Proposals(NamedTuple):
    """P rows of each frame, of which some may hold nothing."""

    boxes: Tensor
    """B×P×4: top, left, bottom, right in pixels of the image that the network sees."""
    masks: Tensor
    """B×P×28×28 in [0, 1], each over all of its box."""
    scores: Tensor
    """B×P in [0, 1], the largest first."""
    valid: Tensor
    """B×P bool: which rows hold a proposal."""


class ProposalSource(Protocol):
    """Whatever proposes; :func:`.register_source` makes it known by a name.

    One whose computation cannot be exported as a graph of fixed sizes has an attribute
    ``no_graph``, which says why not, as in "source=NAME *runs numpy*".
    """

    def __call__(self, image: Tensor, pyramid: Pyramid, limit: int) -> Proposals:
        """Propose.

        Args:
            image: B×3×H×W RGB in [0, 1], as the network sees it.
            pyramid: the network's features of it.
            limit: P.
        """
        ...


def no_proposals(image: Tensor, pyramid: Pyramid, limit: int) -> Proposals:
    """P rows without a proposal: a :class:`ProposalSource`."""
    zeros, shape = image.new_zeros, (len(image), limit)
    return Proposals(
        zeros(*shape, 4),
        zeros(*shape, MASK_SIDE, MASK_SIDE),
        zeros(shape),
        zeros(shape, dtype=torch.bool),
    )


def truth_proposals(masks: Tensor, limit: int, jitter: float = 0.0) -> Proposals:
    """The truth as proposals; with a jitter, disturbed, dropped, and among others.

    With a jitter of 1, sides are multiplied by 0.8 to 1.25, centres moved by a tenth of them, masks
    dilated or eroded by up to 3 positions, a tenth of the objects left out; halves of objects, as
    occlusion makes them, and blobs in the background fill up the rows, in any order. The random
    numbers are torch's global ones, which checkpoints of a training keep.

    Args:
        masks: B×K×H×W of 0 and 1, the objects as the network sees them; empty ones are not there.
        limit: P, at least K.
        jitter: share of all that in [0, 1]; 0: exactly the truth, in the order of the objects.

    Returns:
        P rows.
    """
    boxes, valid = boxes_of(masks > 0), masks.flatten(2).amax(dim=2) > 0
    size = (masks.shape[-2], masks.shape[-1])
    if jitter == 0:
        return _rows(boxes, masks_in(boxes, masks), valid, limit)
    moved = _moved(boxes, jitter, size)
    shapes = _thickened(masks_in(moved, masks), jitter)
    kept = valid & (_uniform(valid, 0, 1) >= jitter * _DROPPED)
    halves = _halves(boxes)
    others = limit - 2 * boxes.shape[1]
    background = _background_boxes(len(masks), max(0, others), size, masks)
    rows = (
        torch.cat([moved, halves, background], dim=1),
        torch.cat([shapes, masks_in(halves, masks), _blobs(background)], dim=1),
        torch.cat([kept, valid, valid.new_ones(background.shape[:2])], dim=1),
    )
    # The objects come first, so that they stay where there are too many rows.
    order = _uniform(rows[2][:, :limit], 0, 1).argsort(dim=1)
    boxes, shapes, valid = (rows_at(part[:, :limit], order) for part in rows)
    return _rows(boxes, shapes, valid, limit)


def best_overlaps(proposals: Proposals, masks: Tensor) -> tuple[Tensor, Tensor]:
    """How well objects are covered by the proposals that cover them best.

    Args:
        proposals: of frames of H×W.
        masks: B×K×H×W of 0 and 1, the truth.

    Returns:
        The largest intersection over union of an object's box with one proposed, B×K, and of its
        mask with one proposed, which is thresholded: "oracle J", B×K.
    """
    none = ~proposals.valid[:, None]
    boxes = box_iou(boxes_of(masks > 0), proposals.boxes).masked_fill(none, 0)
    proposed = paste(proposals.masks, proposals.boxes, masks.shape[-2:], 1) > 0.5
    first, second = masks.flatten(2), proposed.flatten(2).to(masks.dtype)
    intersection = first @ second.transpose(1, 2)  # B×K×P
    union = first.sum(dim=2)[..., None] + second.sum(dim=2)[:, None] - intersection
    index = (intersection / union.clamp(min=1)).masked_fill(none, 0)
    return boxes.amax(dim=2), index.amax(dim=2)


def _rows(boxes: Tensor, masks: Tensor, valid: Tensor, limit: int) -> Proposals:
    """Filled up with rows that hold nothing."""
    missing = limit - boxes.shape[1]
    valid = F.pad(valid, (0, missing))
    return Proposals(
        F.pad(boxes, (0, 0, 0, missing)),
        F.pad(masks, (0, 0, 0, 0, 0, missing)),
        valid.to(masks.dtype),
        valid,
    )


def masks_in(boxes: Tensor, masks: Tensor) -> Tensor:
    """Each object's mask in its own box: B×K×28×28 in [0, 1], from B×K×4 and B×K×H×W."""
    shape = boxes.shape[:2]
    inside = roi_align(masks.flatten(0, 1)[:, None], boxes.flatten(0, 1)[:, None], MASK_SIDE, 1)
    return inside[:, 0, 0].unflatten(0, shape)


def _uniform(like: Tensor, low: float, high: float, *shape: int) -> Tensor:
    """Random numbers of the shape of a tensor, and further dimensions."""
    return torch.empty(*like.shape, *shape, device=like.device).uniform_(low, high)


def _moved(boxes: Tensor, jitter: float, size: Sequence[int]) -> Tensor:
    sides = boxes[..., 2:] - boxes[..., :2]
    factor = 1 + jitter * (_uniform(sides, *_SIDES) - 1)
    shift = jitter * _uniform(sides, -_SHIFT, _SHIFT)
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2 + shift * sides
    half = sides * factor / 2
    return clip_boxes(torch.cat([centre - half, centre + half], dim=-1), size)


def _thickened(masks: Tensor, jitter: float) -> Tensor:
    """Each mask B×K×m×m dilated or eroded by some positions."""
    by = (jitter * _uniform(masks[..., 0, 0], -_THICKER - 0.5, _THICKER + 0.5)).round()
    result = masks
    for steps in range(1, _THICKER + 1):
        dilated = F.max_pool2d(masks, 2 * steps + 1, stride=1, padding=steps)
        eroded = 1 - F.max_pool2d(1 - masks, 2 * steps + 1, stride=1, padding=steps)
        result = torch.where((by == steps)[..., None, None], dilated, result)
        result = torch.where((by == -steps)[..., None, None], eroded, result)
    return result


def _halves(boxes: Tensor) -> Tensor:
    """One half of each box: the upper, left, lower or right one."""
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2
    side = torch.arange(4, device=boxes.device)
    cut = (_uniform(boxes[..., :1], 0, 4).floor() == side).to(boxes.dtype)  # which side moves
    return torch.lerp(boxes, torch.cat([centre, centre], dim=-1), cut)


def _background_boxes(batch: int, count: int, size: Sequence[int], like: Tensor) -> Tensor:
    """Boxes anywhere in the image, B×count×4."""
    image = torch.tensor(size, dtype=like.dtype, device=like.device)
    places = like.new_empty(batch, count, 2)
    sides = _uniform(places, *_BACKGROUND_SIDES) * image
    low = _uniform(places, 0, 1) * (image - sides)
    return torch.cat([low, low + sides], dim=-1)


def _blobs(boxes: Tensor) -> Tensor:
    """A mask of random, smooth shape for each box: B×P×28×28 of 0 and 1."""
    noise = _uniform(boxes[..., 0].flatten(), -1, 1, 1, _BLOB_CELLS, _BLOB_CELLS)
    smooth = F.interpolate(noise, (MASK_SIDE, MASK_SIDE), mode="bilinear", align_corners=False)
    position = torch.linspace(-1, 1, MASK_SIDE, device=boxes.device)
    radius = (position[:, None] ** 2 + position**2).sqrt()
    return (smooth > radius - 0.5).to(boxes.dtype)[:, 0].unflatten(0, boxes.shape[:2])
