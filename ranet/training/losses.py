"""What the network is trained to make small; each loss has a name and a weight in the config."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from ranet.structures import one_hot_masks


def with_background(logits: Tensor, objects: Tensor) -> Tensor:
    """Put a background logit of zero before the objects' logits.

    With one object, the softmax over the two is the sigmoid of the object's logit.

    Args:
        logits: B×K×H×W.
        objects: B, how many of the K objects each sample has; the others become impossible.

    Returns:
        B×(K+1)×H×W, channel k for label k.
    """
    numbers = torch.arange(logits.shape[1], device=logits.device)
    absent = numbers >= objects[:, None]  # B×K
    logits = logits.masked_fill(absent[:, :, None, None], -torch.inf)
    return torch.cat([torch.zeros_like(logits[:, :1]), logits], dim=1)


def cross_entropy(logits: Tensor, labels: Tensor, objects: Tensor) -> Tensor:
    """Mean softmax cross-entropy over pixels; for one object the paper's binary one (§3.5).

    Args:
        logits: B×K×H×W.
        labels: B×H×W integers, 0…K.
        objects: B, how many objects each sample has.

    Returns:
        A scalar, at least 0.
    """
    return F.cross_entropy(with_background(logits, objects), labels.long())


def jaccard(logits: Tensor, labels: Tensor, objects: Tensor) -> Tensor:
    """One minus the soft Jaccard index |p·g| / |p + g - p·g|, averaged over objects, then samples.

    An object that is neither there nor predicted anywhere scores as perfect, as J does. Every
    sample counts the same, so that the loss of a batch is the mean of the losses of its parts.

    Args:
        logits: B×K×H×W.
        labels: B×H×W integers, 0…K.
        objects: B, how many objects each sample has.

    Returns:
        A scalar in [0, 1].
    """
    truth = one_hot_masks(labels, logits.shape[1])
    probability = with_background(logits, objects).softmax(dim=1)[:, 1:]
    intersection = (probability * truth).sum(dim=(2, 3))
    union = (probability + truth).sum(dim=(2, 3)) - intersection
    index = (intersection + 1) / (union + 1)  # one pixel each keeps 0/0 away
    exists = torch.arange(logits.shape[1], device=logits.device) < objects[:, None]  # B×K
    return 1 - ((index * exists).sum(dim=1) / objects).mean()


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "cross_entropy": cross_entropy,
    "jaccard": jaccard,
}


def compute_losses(
    logits: Tensor, labels: Tensor, objects: Tensor, weights: Mapping[str, float]
) -> dict[str, Tensor]:
    """Every weighted loss by its name, unweighted, and their weighted sum as ``"total"``."""
    logits = logits.float()
    losses = {name: LOSSES[name](logits, labels, objects) for name in weights}
    total = sum(weight * losses[name] for name, weight in weights.items())
    return {**losses, "total": total}
