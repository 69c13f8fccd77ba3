"""What the network is trained to make small; each loss has a name and a weight in the config."""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from ranet.methods.base import Prediction
from ranet.methods.crops import crop_resize_nearest
from ranet.methods.registry import LOSSES as REGISTERED
from ranet.structures import add_background, one_hot_masks

# Of a sample's pixels, those that count in bootstrapping: what STCN and XMem come down to, after
# thousands of steps on all pixels.
_HARDEST = 0.15


def cross_entropy(logits: Tensor, labels: Tensor, objects: Tensor) -> Tensor:
    """Mean softmax cross-entropy over pixels; for one object the paper's binary one (§3.5).

    Args:
        logits: B×K×H×W.
        labels: B×H×W integers, 0…K.
        objects: B, how many objects each sample has.

    Returns:
        A scalar, at least 0.
    """
    return F.cross_entropy(add_background(logits, objects), labels.long())


def balanced_cross_entropy(logits: Tensor, labels: Tensor, objects: Tensor) -> Tensor:
    """Cross-entropy in which every label of a sample counts the same, however small its object.

    The mean over the pixels of each label, averaged over the labels that are there (background
    included), then over samples. A pixel so weighs inversely to the frequency of its label in the
    sample, as in HED and OSVOS, and the loss of a batch is the mean of the losses of its parts.

    Args:
        logits: B×K×H×W.
        labels: B×H×W integers, 0…K.
        objects: B, how many objects each sample has.

    Returns:
        A scalar, at least 0.
    """
    loss = _pixel_cross_entropy(logits, labels, objects)[:, None]  # B×1×H×W
    members = torch.cat([(labels == 0)[:, None], one_hot_masks(labels, logits.shape[1])], dim=1)
    pixels = members.sum(dim=(2, 3))  # B×(K+1)
    means = (loss * members).sum(dim=(2, 3)) / pixels.clamp(min=1)
    return (means.sum(dim=1) / pixels.count_nonzero(dim=1)).mean()


def bootstrapped_cross_entropy(logits: Tensor, labels: Tensor, objects: Tensor) -> Tensor:
    """Mean cross-entropy over the hardest 15 % of each sample's pixels, averaged over samples.

    They are chosen in each sample by itself, so that the loss of a batch is the mean of the losses
    of its parts. Better for a network that has been trained on all pixels, in the stage before or
    by ``cross_entropy`` beside this loss: at the beginning, the hardest pixels are any.

    Args:
        logits: B×K×H×W.
        labels: B×H×W integers, 0…K.
        objects: B, how many objects each sample has.

    Returns:
        A scalar, at least the cross-entropy.
    """
    loss = _pixel_cross_entropy(logits, labels, objects).flatten(1)  # B×HW
    return loss.topk(math.ceil(_HARDEST * loss.shape[1]), dim=1, sorted=False).values.mean()


def _pixel_cross_entropy(logits: Tensor, labels: Tensor, objects: Tensor) -> Tensor:
    """Softmax cross-entropy of every pixel, B×H×W."""
    return F.cross_entropy(add_background(logits, objects), labels.long(), reduction="none")


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
    probability = add_background(logits, objects).softmax(dim=1)[:, 1:]
    intersection = (probability * truth).sum(dim=(2, 3))
    union = (probability + truth).sum(dim=(2, 3)) - intersection
    index = (intersection + 1) / (union + 1)  # one pixel each keeps 0/0 away
    exists = torch.arange(logits.shape[1], device=logits.device) < objects[:, None]  # B×K
    return 1 - ((index * exists).sum(dim=1) / objects).mean()


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {  # of logits alone
    "cross_entropy": cross_entropy,
    "balanced_cross_entropy": balanced_cross_entropy,
    "bootstrapped_cross_entropy": bootstrapped_cross_entropy,
    "jaccard": jaccard,
}


def compute_losses(
    prediction: Prediction,
    labels: Tensor,
    objects: Tensor,
    weights: Mapping[str, float],
    instances: Tensor | None = None,
) -> dict[str, Tensor]:
    """Every weighted loss by its name, unweighted, and their weighted sum as ``"total"``.

    Args:
        prediction: of clips: B×T×K×h×w logits.
        labels: B×T×H×W integers, the truth.
        objects: B, how many objects each sample has.
        weights: of losses by name (:data:`ranet.methods.registry.LOSSES`).
        instances: B×T×H×W integers, for those that want the labels of all that is annotated.
    """
    labels_of = {
        which: labels_seen(prediction, one).flatten(0, 1)
        for which, one in ((False, labels), (True, instances))
        if one is not None
    }
    objects = objects.repeat_interleave(prediction.logits.shape[1])
    aux = {name: tensor.flatten(0, 1) for name, tensor in prediction.aux.items()}
    frames = Prediction(prediction.logits.flatten(0, 1).float(), aux)
    losses = {}
    for name in weights:
        registered = REGISTERED[name]
        seen = labels_of[registered.instances]
        if registered.compute is None:
            losses[name] = LOSSES[name](frames.logits, seen, objects)
        else:
            losses[name] = registered.compute(frames, seen, objects)
    total = sum(weight * losses[name] for name, weight in weights.items())
    return {**losses, "total": total}


def labels_seen(prediction: Prediction, labels: Tensor) -> Tensor:
    """The part of labels B×T×H×W that the logits of a prediction are of: B×T×h×w."""
    boxes = prediction.aux.get("boxes")
    if boxes is None:
        return labels
    size = (prediction.logits.shape[-2], prediction.logits.shape[-1])
    cut = crop_resize_nearest(labels.flatten(0, 1)[:, None].float(), boxes.flatten(0, 1), size)
    return cut[:, 0].to(labels.dtype).unflatten(0, labels.shape[:2])
