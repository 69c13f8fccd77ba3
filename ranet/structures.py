"""The typed things that rooms of the library hand to each other, and the shape legend.

Shape legend, used by every file:

=====  ====================================================================
B      frames in a batch
K      objects in a frame (the background is not counted)
T      frames of a clip, in order; 1 for a pair of template and current frame
N      template positions, ``gh * gw``; as many similarity maps per frame
R      ranked maps kept per region (256)
C      channels of the embedding
H, W   height and width of the image a tensor belongs to, in pixels
h, w   height and width at stride 16
gh,gw  height and width of the template grid (15×27)
=====  ====================================================================

Images are RGB in [0, 1] as floats, or 0…255 as uint8. Labels are uint8: 0 background, 1…K objects.
Masks are floats in [0, 1], one channel an object. Logits are called logits. Boxes are half-open
``(top, left, bottom, right)`` in pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor


class Skips(NamedTuple):
    """Backbone features of one frame, before any reduction; the number is the stride.

    Channels are 64, 256, 512, 1024, 2048 for ResNet-50/101; 64, 64, 128, 256, 512 for
    ResNet-18/34; 16, 16, 32, 64, 128 for the tiny one.
    """

    f2: Tensor
    """B×C2×H/2×W/2."""
    f4: Tensor
    """B×C4×H/4×W/4."""
    f8: Tensor
    """B×C8×H/8×W/8."""
    f16: Tensor
    """B×C16×H/16×W/16."""
    f32: Tensor
    """B×C32×H/32×W/32."""


@dataclass(frozen=True)
class TrainingSample:
    """A template, the frames that follow, and the mask that came before these.

    All are of one size, or the current frames and the previous mask are larger: what the network
    crops from, frame by frame. The template may be as large, where the network crops it, too.

    The labels of all maps agree: id k is the same object in all of them, 1…``objects``. The
    current frames and the previous mask are in one coordinate system, that of one crop.
    """

    template_image: np.ndarray
    """H×W×3 uint8 RGB."""
    template_labels: np.ndarray
    """H×W uint8."""
    current_image: np.ndarray
    """T×H×W×3 uint8 RGB."""
    current_labels: np.ndarray
    """T×H×W uint8: the truth."""
    previous_labels: np.ndarray
    """H×W uint8: the mask that is previous to the first of the T."""
    crop_jitter: np.ndarray
    """T×4 float32: how the crop of each current frame is off, where the network crops: factors on
    its height and width, shift down and right in units of its sides."""
    objects: int
    """K, at least 1."""
    name: str
    """Where it comes from, for messages and sample sheets."""
    instance_labels: np.ndarray | None = None
    """T×H×W uint8: all that is annotated in the current frames, what was not chosen with ids above
    K, nothing where an image is mirrored beyond its border; None where no loss reads it."""


class Clip(NamedTuple):
    """What a method is given in training: B annotated frames, and the T frames that follow each."""

    template_image: Tensor
    """B×3×H×W RGB in [0, 1]."""
    template_masks: Tensor
    """B×K×H×W of 0 and 1."""
    images: Tensor
    """B×T×3×H×W RGB in [0, 1]."""
    previous_masks: Tensor
    """B×K×H×W in [0, 1]: where the objects were before the first of the T frames."""
    objects: Tensor
    """B, how many of the K objects each sample has."""
    crop_jitter: Tensor
    """B×T×4, how each crop is off, where the method crops: factors on height and width, down,
    right."""
    current_labels: Tensor | None = None
    """B×T×H×W integers: the truth, for what learns from more than its own predictions; of all that
    is annotated, what was not chosen with ids above a sample's objects, where a loss reads that."""

    def first_frame(self) -> "Clip":
        """The clip with T = 1."""
        labels = self.current_labels
        return self._replace(
            images=self.images[:, :1],
            crop_jitter=self.crop_jitter[:, :1],
            current_labels=None if labels is None else labels[:, :1],
        )


@dataclass(frozen=True)
class TrainingBatch:
    """B training samples as tensors; samples with fewer objects than K leave the last ids empty."""

    template_image: Tensor
    """B×3×H×W uint8."""
    template_labels: Tensor
    """B×H×W uint8."""
    current_image: Tensor
    """B×T×3×H×W uint8."""
    current_labels: Tensor
    """B×T×H×W uint8."""
    previous_labels: Tensor
    """B×H×W uint8: previous to the first of the T frames."""
    crop_jitter: Tensor
    """B×T×4: factors on height and width, down, right."""
    objects: Tensor
    """B int64: how many of the K objects exist in each sample."""
    names: tuple[str, ...]
    """Of the B samples."""
    instance_labels: Tensor | None = None
    """B×T×H×W uint8, or None: see :class:`TrainingSample`."""

    @classmethod
    def collate(cls, samples: list[TrainingSample]) -> "TrainingBatch":
        """Stack samples of one size and length (a ``DataLoader``'s ``collate_fn``)."""

        def images(arrays: list[np.ndarray]) -> Tensor:
            stacked = torch.from_numpy(np.stack(arrays))  # B×…×H×W×3
            return stacked.movedim(-1, -3).contiguous()

        def stack(arrays: list[np.ndarray]) -> Tensor:
            return torch.from_numpy(np.stack(arrays))

        instances = [s.instance_labels for s in samples if s.instance_labels is not None]

        return cls(
            template_image=images([s.template_image for s in samples]),
            template_labels=stack([s.template_labels for s in samples]),
            current_image=images([s.current_image for s in samples]),
            current_labels=stack([s.current_labels for s in samples]),
            previous_labels=stack([s.previous_labels for s in samples]),
            crop_jitter=stack([s.crop_jitter for s in samples]),
            objects=torch.tensor([s.objects for s in samples]),
            names=tuple(s.name for s in samples),
            instance_labels=stack(instances) if instances else None,
        )

    def to(self, device: torch.device | str) -> "TrainingBatch":
        """The same batch with its tensors on ``device``."""
        return self._changed(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "TrainingBatch":
        """The same batch in page-locked memory (called by ``DataLoader(pin_memory=True)``)."""
        return self._changed(torch.Tensor.pin_memory)

    def split(self, parts: int) -> list["TrainingBatch"]:
        """The batch in ``parts`` batches of equal size.

        Raises:
            ValueError: B is no multiple of ``parts``.
        """
        size, rest = divmod(len(self.names), parts)
        if rest:
            raise ValueError(f"{len(self.names)} samples cannot be split into {parts} equal parts")
        bounds = [slice(start, start + size) for start in range(0, len(self.names), size)]
        return [replace(self._changed(itemgetter(b)), names=self.names[b]) for b in bounds]

    def _changed(self, change: Callable[[Tensor], Tensor]) -> "TrainingBatch":
        tensors: dict[str, Any] = {
            field.name: change(value)
            for field in fields(self)
            for value in (getattr(self, field.name),)
            if torch.is_tensor(value)
        }
        return replace(self, **tensors)

    def clip(self, objects: int) -> Clip:
        """What a method is given of the batch, with channels for ``objects`` of them."""
        return Clip(
            self.template_image.float() / 255,
            one_hot_masks(self.template_labels, objects),
            self.current_image.float() / 255,
            one_hot_masks(self.previous_labels, objects),
            self.objects,
            self.crop_jitter,
            self.current_labels if self.instance_labels is None else self.instance_labels,
        )

    @property
    def object_count(self) -> int:
        """K: the largest number of objects in one sample (reads from the device)."""
        return int(self.objects.max())


def one_hot_masks(labels: Tensor, objects: int) -> Tensor:
    """Masks of objects 1…K from a label map.

    Args:
        labels: …×H×W integers; ids outside 1…K belong to no mask.
        objects: K.

    Returns:
        …×K×H×W float32 of 0 and 1.
    """
    ids = torch.arange(1, objects + 1, device=labels.device, dtype=labels.dtype)
    return (labels.unsqueeze(-3) == ids[:, None, None]).float()


def add_background(logits: Tensor, objects: Tensor | None = None) -> Tensor:
    """Put a background logit of zero before those of the objects (§3.3).

    With one object, the softmax over the two is the sigmoid of the object's logit.

    Args:
        logits: B×K×H×W.
        objects: B, how many of the K objects each sample has; the others become impossible.

    Returns:
        B×(K+1)×H×W, channel k for label k.
    """
    if objects is not None:
        numbers = torch.arange(logits.shape[1], device=logits.device)
        absent = numbers >= objects[:, None]  # B×K
        logits = logits.masked_fill(absent[:, :, None, None], -torch.inf)
    return torch.cat([torch.zeros_like(logits[:, :1]), logits], dim=1)
