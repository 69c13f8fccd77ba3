"""Regions of interest: features of boxes, masks back into the frame, and which boxes are doubles.

Boxes are four floats ``(top, left, bottom, right)`` in pixels, in tensors on the device; nothing
here but :func:`non_maximum_suppression` asks for a value. A pixel covers its coordinates: the
centre of the first is 0.5.

B frames, P boxes of each, C channels, R×R the grid of a region, H×W the image in pixels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ranet.methods.torchvision_import import import_torchvision_operators

_SAMPLES = 2
"""A side, in each cell of a region's grid."""

_THINNEST = 1e-6
"""Pixels: of a side that something is divided by."""


def roi_align(features: Tensor, boxes: Tensor, side: int, stride: float) -> Tensor:
    """Features of boxes: each cell of a box's grid is the mean of 2×2 bilinear samples.

    Inside the image this is torchvision's aligned ``roi_align``; beyond its border, the outermost
    features go on.

    Args:
        features: B×C×h×w, at this stride.
        boxes: B×P×4, in pixels of the image.
        side: R.
        stride: pixels of the image from one feature to the next.

    Returns:
        B×P×C×R×R.
    """
    count, steps = boxes.shape[1], _SAMPLES * side
    ends = [*zip(boxes[..., :2].unbind(-1), boxes[..., 2:].unbind(-1), strict=True)]
    share = (torch.arange(steps, device=boxes.device, dtype=boxes.dtype) + 0.5) / steps
    rows, columns = (  # B×P×2R, −1 and 1 the image's borders
        2 * (low[..., None] + share * (high - low)[..., None]) / (stride * cells) - 1
        for (low, high), cells in zip(ends, features.shape[-2:], strict=True)
    )
    shape = (*boxes.shape[:2], steps, steps)
    grid = torch.stack([columns[..., None, :].expand(shape), rows[..., None].expand(shape)], -1)
    samples = F.grid_sample(  # B×C×(P·2R)×2R
        features, grid.flatten(1, 2), mode="bilinear", padding_mode="border", align_corners=False
    )
    pooled = F.avg_pool2d(samples, _SAMPLES)  # B×C×(P·R)×R
    return pooled.unflatten(2, (count, side)).transpose(1, 2)


def paste(masks: Tensor, boxes: Tensor, size: Sequence[int], stride: int) -> Tensor:
    """Masks of boxes in their frame, at a stride; zero outside the boxes.

    What a box covers in part counts by that part (our choice), as if pixels were averaged.

    Args:
        masks: B×P×m×m in [0, 1], each over all of its box.
        boxes: B×P×4, in pixels of the image.
        size: (h, w) of the result.
        stride: pixels of the image from one of its positions to the next.

    Returns:
        B×P×h×w in [0, 1].
    """
    top, left, bottom, right = boxes.flatten(0, 1).unbind(-1)
    places, covered = [], []
    for low, high, count in ((top, bottom, size[0]), (left, right, size[1])):
        low, high = low[:, None], high[:, None]
        edges = torch.arange(count + 1, device=boxes.device, dtype=boxes.dtype) * stride
        first, last = edges[:-1], edges[1:]
        centre = (first + last) / 2
        places.append(2 * (centre - low) / (high - low).clamp(min=_THINNEST) - 1)
        covered.append((last.minimum(high) - first.maximum(low)).clamp(min=0) / stride)
    rows, columns = places  # each B·P×h or w, −1 and 1 the box's borders
    shape = (len(rows), *size)
    grid = torch.stack([columns[:, None].expand(shape), rows[:, :, None].expand(shape)], dim=-1)
    pasted = F.grid_sample(
        masks.flatten(0, 1)[:, None].to(grid.dtype),
        grid,
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    pasted = pasted[:, 0] * covered[0][:, :, None] * covered[1][:, None]
    return pasted.unflatten(0, boxes.shape[:2])


def boxes_of(masks: Tensor) -> Tensor:
    """The boxes around masks, of no side where a mask is empty.

    Args:
        masks: B×K×H×W bool.

    Returns:
        B×K×4 float32.
    """
    firsts, lasts = [], []
    for occupied in (masks.any(dim=3), masks.any(dim=2)):  # rows, columns
        count = occupied.shape[-1]
        position = torch.arange(count, device=masks.device)
        first = torch.where(occupied, position, count).amin(dim=-1)
        last = torch.where(occupied, position + 1, 0).amax(dim=-1)
        firsts.append(first.minimum(last))
        lasts.append(last)
    return torch.stack([*firsts, *lasts], dim=-1).float()


def scale_boxes(boxes: Tensor, factor: Tensor | float, size: Sequence[int]) -> Tensor:
    """Boxes grown about their centres, clipped to the image.

    Args:
        boxes: …×4.
        factor: of both sides; a tensor is …, one factor a box.
        size: (H, W) of the image.
    """
    factor = factor[..., None] if isinstance(factor, Tensor) else factor
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2
    half = (boxes[..., 2:] - boxes[..., :2]) / 2 * factor
    return clip_boxes(torch.cat([centre - half, centre + half], dim=-1), size)


def clip_boxes(boxes: Tensor, size: Sequence[int]) -> Tensor:
    """The parts of boxes …×4 that lie in an image of a size (H, W)."""
    top, left, bottom, right = boxes.unbind(-1)
    height, width = size
    sides = (top.clamp(0, height), left.clamp(0, width))
    return torch.stack([*sides, bottom.clamp(0, height), right.clamp(0, width)], dim=-1)


def rows_at(rows: Tensor, index: Tensor) -> Tensor:
    """Of B×N×…, the rows at the places B×n: B×n×…."""
    index = index.reshape(*index.shape, *[1] * (rows.ndim - 2))
    return rows.gather(1, index.expand(-1, -1, *rows.shape[2:]))


def box_iou(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of boxes …×N×4 and …×M×4: …×N×M; 0 where both are empty."""
    low = torch.maximum(first[..., :, None, :2], second[..., None, :, :2])
    high = torch.minimum(first[..., :, None, 2:], second[..., None, :, 2:])
    intersection = (high - low).clamp(min=0).prod(dim=-1)
    areas = [(b[..., 2:] - b[..., :2]).clamp(min=0).prod(dim=-1) for b in (first, second)]
    union = areas[0][..., :, None] + areas[1][..., None, :] - intersection
    return intersection / union.clamp(min=_THINNEST)


def non_maximum_suppression(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Which boxes to keep: from the best score on, those that overlap none that is kept already.

    torchvision's operator does it where it loads, and a loop over the boxes elsewhere.

    Args:
        boxes: N×4.
        scores: N.
        threshold: largest intersection over union with a kept box.

    Returns:
        int64 indices of the kept, best score first.
    """
    operators = import_torchvision_operators()
    if operators is not None:
        return operators.nms(boxes[:, [1, 0, 3, 2]], scores, threshold)
    return suppress(boxes, scores, threshold)


def suppress(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """As :func:`non_maximum_suppression`, without torchvision."""
    kept, valid = best_apart(boxes[None], scores[None], threshold, len(boxes))
    return kept[valid]


def best_apart(
    boxes: Tensor, scores: Tensor, threshold: float, limit: int
) -> tuple[Tensor, Tensor]:
    """The first that :func:`non_maximum_suppression` keeps of each of B frames, in shapes that
    follow from sizes alone.

    Args:
        boxes: B×N×4.
        scores: B×N, finite.
        threshold: largest intersection over union with a kept box.
        limit: P.

    Returns:
        B×P int64 indices, best score first, and B×P bool, which of them are any.
    """
    overlaps = box_iou(boxes, boxes) > threshold  # B×N×N
    kept, valid = [], []
    for _ in range(limit):
        best, index = scores.max(dim=1, keepdim=True)  # B×1
        kept.append(index)
        valid.append(best > -torch.inf)
        near = overlaps.gather(1, index[..., None].expand(-1, -1, overlaps.shape[2]))[:, 0]
        scores = scores.masked_fill(near.scatter(1, index, True), -torch.inf)
    return torch.cat(kept, dim=1), torch.cat(valid, dim=1)
