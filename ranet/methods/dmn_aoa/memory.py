"""The dynamic memory: what each target looked like in the frames so far, read for the current one.

That a template is read from a memory of all past frames, by how every position of the remembered
frames relates to the object's positions in the current frame, is the paper's (abstract; supplement,
§5). The form of the reading is that of STM (Oh et al., ICCV 2019); layers, regions and what is
stored are our choice, and so is the limit.

B frames, K targets, M remembered frames, c channels, q = R² positions of a region, h×w at stride 8.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ranet.methods.dmn_aoa.roi import roi_align

STRIDE = 8
"""Of the embedding that regions are taken from."""

MASK_STRIDE = 4
"""Of targets' masks."""


class Entry(NamedTuple):
    """What is remembered of one frame."""

    key: Tensor
    """B×K×c_k×q."""
    value: Tensor
    """B×K×c×q."""
    cover: Tensor
    """B×K×q in [0, 1]: how much of each position is the target."""


class Memory(NamedTuple):
    """What is remembered of each target; in the first place, the frame it was annotated in."""

    keys: Tensor
    """B×K×M×c_k×q."""
    values: Tensor
    """B×K×M×c×q."""
    cover: Tensor
    """B×K×M×q."""
    stored: Tensor
    """B×K×M bool: which places hold a frame."""
    written: Tensor
    """B×K int64: frames remembered so far, those that were overwritten since included."""


class DynamicMemory(nn.Module):
    """Writes regions of the embedding as keys and values, and reads templates from them.

    Args:
        channels: c of the embedding and of templates.
        key_channels: c_k.
        side: R of the regions.
    """

    def __init__(self, channels: int, key_channels: int, side: int) -> None:
        super().__init__()
        self.side, self.key_channels = side, key_channels
        self.key = nn.Conv2d(channels, key_channels, 3, padding=1)
        self.value = nn.Conv2d(channels + 2, channels, 3, padding=1)
        self.query = nn.Conv2d(channels, key_channels, 3, padding=1)
        # Values begin as the embedding itself, which proposals are compared in.
        nn.init.dirac_(self.value.weight)
        nn.init.zeros_(self.value.bias)
        # And queries as keys: what looks alike is relevant from the start.
        self.query.load_state_dict(self.key.state_dict())

    def entry(self, embedding: Tensor, boxes: Tensor, masks: Tensor) -> Entry:
        """What is to be remembered of a frame.

        Args:
            embedding: B×c×h×w.
            boxes: B×K×4, of the targets.
            masks: B×K×2h×2w in [0, 1], at stride 4.
        """
        features, cover = _regions(embedding, boxes, masks, self.side)
        key = self.key(features.flatten(0, 1))
        masked = torch.cat([features, cover, 1 - cover], dim=2).flatten(0, 1)
        shape = boxes.shape[:2]
        return Entry(
            key.flatten(2).unflatten(0, shape),
            self.value(masked).flatten(2).unflatten(0, shape),
            cover[:, :, 0].flatten(2),
        )

    def read(self, memory: Memory, embedding: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """The targets' templates for the current frame.

        Args:
            memory: of the frames before.
            embedding: B×c×h×w, of the current frame.
            boxes: B×K×4, where the targets are looked for.

        Returns:
            Templates B×K×c×q, and how much of each position is the target, B×K×q in [0, 1].
        """
        return read(memory, self.relevance(memory, embedding, boxes))

    def relevance(self, memory: Memory, embedding: Tensor, boxes: Tensor) -> Tensor:
        """How much of each remembered position enters each of a template: B×K×q×M×q."""
        regions = roi_align(embedding, boxes, self.side, STRIDE)
        query = self.query(regions.flatten(0, 1)).flatten(2).unflatten(0, boxes.shape[:2])
        return relevance(memory, query)


class FirstFrame(nn.Module):
    """An ablation: the template is the region of the annotated frame; nothing is learned or added.

    Args:
        side: R of the regions.
    """

    key_channels = 0

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def entry(self, embedding: Tensor, boxes: Tensor, masks: Tensor) -> Entry:
        """As :meth:`DynamicMemory.entry`; the value is the embedding itself."""
        features, cover = _regions(embedding, boxes, masks, self.side)
        features = features.flatten(3)
        return Entry(features[:, :, :0], features, cover[:, :, 0].flatten(2))

    def read(self, memory: Memory, embedding: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`DynamicMemory.read`; what was written first."""
        return memory.values[:, :, 0], memory.cover[:, :, 0]

    def relevance(self, memory: Memory, embedding: Tensor, boxes: Tensor) -> Tensor:
        """As :meth:`DynamicMemory.relevance`; positions enter as they are."""
        each = torch.eye(self.side**2, device=boxes.device)[:, None]
        return each.expand(*boxes.shape[:2], -1, -1, -1)


def _regions(embedding: Tensor, boxes: Tensor, masks: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """The boxes' part of the embedding, B×K×c×R×R, and of each target's own mask, B×K×1×R×R."""
    shape = boxes.shape[:2]
    cover = roi_align(masks.flatten(0, 1)[:, None], boxes.flatten(0, 1)[:, None], side, MASK_STRIDE)
    return roi_align(embedding, boxes, side, STRIDE), cover[:, 0].unflatten(0, shape)


def read(memory: Memory, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Of each position of a query, the mean over all that is stored, weighed by its relevance.

    Args:
        memory: something of every target is stored.
        weights: B×K×q×M×q, of :func:`relevance`.

    Returns:
        Values B×K×c×q, and their cover B×K×q.
    """
    weights = weights.flatten(3)  # B×K×q×(M·q)
    values = memory.values.transpose(2, 3).flatten(3)  # B×K×c×(M·q)
    cover = memory.cover.flatten(2)[..., None]  # B×K×(M·q)×1
    return values @ weights.transpose(2, 3), (weights @ cover)[..., 0]


def relevance(memory: Memory, query: Tensor) -> Tensor:
    """How much of each remembered position enters each position of a query B×K×c_k×q.

    Returns:
        B×K×q×M×q, summing to 1 over the last two; 0 where nothing is stored.
    """
    keys = memory.keys.transpose(2, 3)  # B×K×c_k×M×q
    scores = query.transpose(2, 3) @ keys.flatten(3) / math.sqrt(max(1, query.shape[2]))
    scores = scores.unflatten(3, keys.shape[3:])
    scores = scores.masked_fill(~memory.stored[:, :, None, :, None], -torch.inf)
    return scores.flatten(3).softmax(dim=3).unflatten(3, keys.shape[3:])


def empty_memory(like: Tensor, places: int, channels: tuple[int, int], positions: int) -> Memory:
    """The memory of B videos without a target.

    Args:
        like: a tensor of their dtype and device, B first.
        places: M.
        channels: c_k and c.
        positions: q.
    """
    shape = (len(like), 0, places)
    zeros = like.new_zeros
    return Memory(
        zeros(*shape, channels[0], positions),
        zeros(*shape, channels[1], positions),
        zeros(*shape, positions),
        zeros(*shape, dtype=torch.bool),
        zeros(*shape[:2], dtype=torch.int64),
    )


def with_targets(memory: Memory, entry: Entry) -> Memory:
    """A memory with further targets, of which the annotated frame is stored, in the first place."""
    places = max(1, memory.stored.shape[2])
    grown = with_places(memory, places)
    first = Memory(
        *(part[:, :, None] for part in entry),
        stored=torch.ones_like(entry.cover[:, :, :1], dtype=torch.bool),
        written=torch.ones_like(entry.cover[:, :, 0], dtype=torch.int64),
    )
    return Memory(
        *(torch.cat(pair, 1) for pair in zip(grown, with_places(first, places), strict=True))
    )


def with_places(memory: Memory, places: int) -> Memory:
    """A memory with room for this many frames, no fewer than it has."""
    more = places - memory.stored.shape[2]
    *parts, written = memory
    padded = (F.pad(part, (0, 0) * (part.ndim - 3) + (0, more)) for part in parts)
    return Memory(*padded, written=written)


def remember(memory: Memory, entry: Entry, found: Tensor, limit: int | None) -> Memory:
    """Store a frame of the targets that were found in it, B×K bool.

    Args:
        memory: of the frames before.
        entry: of this frame.
        found: whose part of it is stored.
        limit: None adds a place; else the memory has so many, of which the first one stays, and
            the others hold the newest.
    """
    if limit is None:
        added = zip(memory[:3], entry, strict=True)
        return Memory(
            *(torch.cat([kept, new[:, :, None]], dim=2) for kept, new in added),
            stored=torch.cat([memory.stored, found[..., None]], dim=2),
            written=memory.written + found,
        )
    if limit == 1:
        return memory
    place = 1 + (memory.written - 1) % (limit - 1)  # B×K
    here = found[..., None] & (place[..., None] == torch.arange(limit, device=found.device))
    parts = []
    for kept, new in zip(memory[:3], entry, strict=True):
        where = here.reshape(*here.shape, *[1] * (kept.ndim - 3))
        parts.append(torch.where(where, new[:, :, None], kept))
    return Memory(*parts, stored=memory.stored | here, written=memory.written + found)
