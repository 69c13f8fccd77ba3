"""From logits to probabilities, and from probabilities to labels (§3.3).

Two ways to let objects compete for a pixel:

* ``softmax`` (the paper): over the objects and a background of logit 0; the likeliest one wins.
* ``sigmoid`` (released): each object on its own; the largest wins if it is above 0.5.

For one object they are the same. B frames, K objects, H×W pixels.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from ranet.structures import add_background, one_hot_masks


class Fusion(NamedTuple):
    """A way to fuse objects."""

    to_probabilities: Callable[[Tensor], Tensor]
    """Logits B×K×H×W of all objects to their probabilities."""

    threshold: Callable[[Tensor], Tensor]
    """The sum of a pixel's probabilities, B×H×W, to what the largest has to exceed."""


def _softmax_with_background(logits: Tensor) -> Tensor:
    return add_background(logits).softmax(dim=1)[:, 1:]


FUSIONS = {
    "softmax": Fusion(_softmax_with_background, threshold=lambda total: 1 - total),
    "sigmoid": Fusion(torch.sigmoid, threshold=lambda total: torch.full_like(total, 0.5)),
}
"""By the name in the configuration. (The softmax's threshold is the background's probability.)"""


def to_labels(fusion: Fusion, parts: Iterable[Tensor]) -> Tensor:
    """The object of each pixel.

    Args:
        fusion: how objects compete.
        parts: probabilities of objects 1…K in order, a few at a time, each B×k×H×W; with a
            generator, no more than one part is in memory.

    Returns:
        B×H×W int64: 0 background, 1…K.
    """
    parts = iter(parts)
    first = next(parts)
    best, winner = first.max(dim=1)
    winner = winner + 1
    total, objects = first.sum(dim=1), first.shape[1]
    for part in parts:
        value, index = part.max(dim=1)
        winner = torch.where(value > best, index + objects + 1, winner)
        best = torch.maximum(best, value)
        total = total + part.sum(dim=1)
        objects += part.shape[1]
    return torch.where(best > fusion.threshold(total), winner, 0)


def _thresholded(fusion: Fusion, probabilities: Tensor) -> Tensor:
    return one_hot_masks(to_labels(fusion, [probabilities]), probabilities.shape[1])


PREVIOUS_MASKS: Mapping[str, Callable[[Fusion, Tensor], Tensor]] = {
    "thresholded": _thresholded,
    "probability": lambda fusion, probabilities: probabilities,
    "none": lambda fusion, probabilities: torch.zeros_like(probabilities),
}
"""What the network is told of the frame before, B×K×H×W, of the probabilities there; by the name
in the configuration."""
