"""Isometric correlation: how much every pixel is like the object, and how much like the rest.

The name is the paper's, all here is our choice. On vectors of length one, ‖a - b‖² = 2 - 2·a·b: to
rank by the inner product is to rank by distance, and values mean the same in every video.

B crops, each of one object; N template cells, h×w pixels at stride 16, C channels.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ranet.methods.crops import crop_resize_nearest
from ranet.methods.layers import average_pool, l2_normalise

OBJECT_SHARE = 0.5
"""Of a cell, from which it is the object's."""

BACKGROUND_SHARE = 0.1
"""Of a cell, up to which it is the background's; the contour between is neither's."""

PIXELS_A_CELL = 8
"""Side of what labels are cut to where losses look at cells."""

_ABSENT = -1.0
"""Similarity to what is not there."""

_AVERAGED = 4
"""Best similarities that the margin is made of."""

_FIRST_TEMPERATURE = 10.0


def cells_of(masks: Tensor) -> tuple[Tensor, Tensor]:
    """Which cells are the object's, which the background's: B×N bool each, from B×N in [0, 1].

    The object has one cell at least: that which holds most of it.
    """
    foreground = masks >= OBJECT_SHARE
    fullest = torch.arange(masks.shape[1], device=masks.device) == masks.argmax(1, keepdim=True)
    foreground = foreground | (fullest & ~foreground.any(dim=1, keepdim=True))
    return foreground, (masks <= BACKGROUND_SHARE) & ~foreground


def similarities(template: Tensor, embedding: Tensor) -> Tensor:
    """Inner products of all pixels B×C×h×w with all cells B×C×gh×gw: B×hw×N, in float32.

    Outside autocast, as half precision would make ties of what differs.
    """
    with torch.autocast(embedding.device.type, enabled=False):
        return embedding.float().flatten(2).transpose(1, 2) @ template.float().flatten(2)


def best_of(similarity: Tensor, members: Tensor, k: int) -> Tensor:
    """The k largest of a pixel's similarities to some cells, sorted; -1 where they are fewer.

    Args:
        similarity: B×hw×N.
        members: B×N bool, those cells.
        k: of the result.

    Returns:
        B×k×hw.
    """
    found = min(k, similarity.shape[2])
    largest = similarity.masked_fill(~members[:, None], -torch.inf).topk(found, dim=2).values
    there = torch.arange(found, device=members.device) < members.sum(dim=1, keepdim=True)
    largest = torch.where(there[:, None], largest, _ABSENT)
    return F.pad(largest, (0, k - found), value=_ABSENT).transpose(1, 2)


def mean_of_best(best: Tensor, members: Tensor) -> Tensor:
    """The mean of the four best, of fewer where there are no more: B×hw, from B×k×hw, B×N.

    -1 where there are none.
    """
    averaged = min(_AVERAGED, best.shape[1])
    count = members.sum(dim=1, keepdim=True).clamp(1, averaged)  # B×1
    there = torch.arange(averaged, device=best.device) < count
    return (best[:, :averaged] * there[..., None]).sum(dim=1) / count


class BestSimilarities(nn.Module):
    """The k best similarities to the object and to the background, at every pixel.

    Args:
        k: kept of each.
        isometric: vectors have length one, and there is a margin; False: inner products divided by
            √C, and none.
    """

    def __init__(self, k: int, *, isometric: bool) -> None:
        super().__init__()
        self.k, self.isometric = k, isometric
        self.channels = 2 * k
        if isometric:
            self.temperature = nn.Parameter(torch.tensor(_FIRST_TEMPERATURE))

    def embed(self, features: Tensor) -> Tensor:
        """What is compared, B×C×h×w: features of a crop, or of the template's cells."""
        return l2_normalise(features) if self.isometric else features.float()

    def forward(
        self, template: Tensor, masks: Tensor, embedding: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Compare.

        Args:
            template: B×C×gh×gw, from :meth:`embed`.
            masks: B×gh×gw in [0, 1].
            embedding: B×C×h×w, likewise.

        Returns:
            The maps B×2k×h×w, the object's first, in float32; and τ·(mean of the best of the object
            - mean of the best of the background), B×h×w, the logit of the margin map.
        """
        size = embedding.shape[-2:]
        similarity = similarities(template, embedding)
        if not self.isometric:
            similarity = similarity / embedding.shape[1] ** 0.5
        foreground, background = cells_of(masks.flatten(1))
        own = best_of(similarity, foreground, self.k)
        others = best_of(similarity, background, self.k)
        maps = torch.cat([own, others], dim=1).unflatten(2, size)
        if not self.isometric:
            return maps, None
        margin = mean_of_best(own, foreground) - mean_of_best(others, background)
        return maps, (self.temperature * margin).unflatten(1, size)


class TemplateVector(nn.Module):
    """No correlation: the template's mean vector on the object, beside the features of each pixel.

    Args:
        embedding_channels: C.
    """

    def __init__(self, embedding_channels: int) -> None:
        super().__init__()
        self.channels = 2 * embedding_channels

    def embed(self, features: Tensor) -> Tensor:
        """See :meth:`BestSimilarities.embed`."""
        return features.float()

    def forward(self, template: Tensor, masks: Tensor, embedding: Tensor) -> tuple[Tensor, None]:
        """See :meth:`BestSimilarities.forward`; the maps are B×2C×h×w, and there is no margin."""
        weights = masks[:, None]
        total = weights.sum(dim=(2, 3)).clamp(min=torch.finfo(torch.float32).tiny)
        vector = (template * weights).sum(dim=(2, 3)) / total  # B×C
        return torch.cat([vector[..., None, None].expand_as(embedding), embedding], dim=1), None


def margin_loss(logit: Tensor, boxes: Tensor, labels: Tensor, objects: Tensor) -> Tensor:
    """Binary cross-entropy of the margin map with the object's cells; the contour does not count.

    Args:
        logit: B×K×h×w.
        boxes: B×K×4, where each object's crop is.
        labels: B×H×W integers, 0…K.
        objects: B, how many of the K objects each sample has.

    Returns:
        A scalar: the mean over cells, then objects, then samples.
    """
    cells = logit.shape[-2:]
    ids = torch.arange(1, logit.shape[1] + 1, device=labels.device)[:, None, None]
    share = average_pool((cut_labels(labels, boxes, cells) == ids).float(), cells)
    counts = (share >= OBJECT_SHARE) | (share <= BACKGROUND_SHARE)
    target = (share >= OBJECT_SHARE).float()
    loss = F.binary_cross_entropy_with_logits(logit.float(), target, reduction="none")
    return mean_of_objects((loss * counts).sum((2, 3)) / counts.sum((2, 3)).clamp(min=1), objects)


def cut_labels(labels: Tensor, boxes: Tensor, cells: tuple[int, int]) -> Tensor:
    """The labels B×H×W in boxes B×K×4, several pixels a cell: B×K×8h×8w."""
    objects = boxes.shape[1]
    height, width = cells
    size = (PIXELS_A_CELL * height, PIXELS_A_CELL * width)
    repeated = labels[:, None].float().repeat_interleave(objects, dim=0)
    return crop_resize_nearest(repeated, boxes.flatten(0, 1), size).unflatten(0, boxes.shape[:2])[
        :, :, 0
    ]


def mean_of_objects(losses: Tensor, objects: Tensor) -> Tensor:
    """The mean of B×K over the objects that each sample has, B, then over samples."""
    exists = torch.arange(losses.shape[1], device=losses.device) < objects[:, None]
    return ((losses * exists).sum(dim=1) / objects).mean()
