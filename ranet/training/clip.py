"""The network over the frames of a clip, each told what it predicted for the one before."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ranet.config import SampleConfig
from ranet.methods.crops import (
    box_around,
    crop_resize,
    crop_resize_nearest,
    jitter_boxes,
    paste_back,
    whole_frame,
)
from ranet.methods.ranet.network import RANet
from ranet.structures import Template, one_hot_masks
from ranet.training.losses import with_background


class ClipPrediction(NamedTuple):
    """What the network says of the frames of a clip, and of which part of each."""

    logits: Tensor
    """B×T×K×h×w."""
    boxes: Tensor | None
    """B×T×4 int64, the crops; None: the frames as they are."""

    def labels(self, truth: Tensor) -> Tensor:
        """The part of the labels B×T×H×W that the logits are of, B×T×h×w."""
        if self.boxes is None:
            return truth
        size = self.logits.shape[-2:]
        cut = crop_resize_nearest(
            truth.flatten(0, 1)[:, None].float(), self.boxes.flatten(0, 1), size
        )
        return cut[:, 0].to(truth.dtype).unflatten(0, truth.shape[:2])


class ClipNetwork(nn.Module):
    """The forward pass of training; for one frame it is that of the network itself.

    Where ``crop`` asks for it, every frame is cropped around the prediction of the frame before, as
    in inference, so that the network learns to come back from where its own mistakes lead.

    It is a module so that what wraps modules, as ``DistributedDataParallel`` does, sees one call
    a step however long the clip is.
    """

    def __init__(self, model: RANet, crop: SampleConfig | None = None) -> None:
        super().__init__()
        self.model = model
        self.crop = crop if crop is not None and crop.crop_clips == "each_frame" else None

    def forward(
        self,
        template_image: Tensor,
        template_masks: Tensor,
        current_image: Tensor,
        previous_masks: Tensor,
        objects: Tensor,
        crop_jitter: Tensor,
    ) -> ClipPrediction:
        """Segment all frames of a clip in order.

        Args:
            template_image: B×3×H×W RGB in [0, 1].
            template_masks: B×K×H×W in [0, 1].
            current_image: B×T×3×H×W RGB in [0, 1].
            previous_masks: B×K×H×W in [0, 1], previous to the first frame.
            objects: B, how many of the K objects each sample has.
            crop_jitter: B×T×3, how each crop is off: factor, down, right.
        """
        template = self.model.encode_template(template_image, template_masks)
        if self.crop is not None:
            return self._cropping(template, current_image, previous_masks, objects, crop_jitter)
        logits: list[Tensor] = []
        for frame in current_image.unbind(dim=1):
            if logits:
                previous_masks = predicted_masks(logits[-1], objects)
            logits.append(
                self.model.segment(template, self.model.encode_frame(frame), previous_masks)
            )
        return ClipPrediction(torch.stack(logits, dim=1), None)

    def _cropping(
        self,
        template: Template,
        frames: Tensor,
        previous_masks: Tensor,
        objects: Tensor,
        jitter: Tensor,
    ) -> ClipPrediction:
        logits: list[Tensor] = []
        boxes: list[Tensor] = []
        size, frame_size = self.crop.size, frames.shape[-2:]
        for frame, off in zip(frames.unbind(dim=1), jitter.unbind(dim=1), strict=True):
            box = jitter_boxes(self._box(previous_masks), off, frame_size)
            seen_before = crop_resize(previous_masks, box, size).round()
            crop = crop_resize(frame, box, size)
            logits.append(self.model.segment(template, self.model.encode_frame(crop), seen_before))
            boxes.append(box)
            scores = with_background(logits[-1].detach().float(), objects).softmax(dim=1)
            pasted = paste_back(scores[:, 1:], box, frame_size)
            background = 1 - pasted.sum(dim=1, keepdim=True)
            labels = torch.cat([background, pasted], dim=1).argmax(dim=1)
            previous_masks = one_hot_masks(labels, previous_masks.shape[1])
        return ClipPrediction(torch.stack(logits, dim=1), torch.stack(boxes, dim=1))

    def _box(self, masks: Tensor) -> Tensor:
        """B×4 int64, around the objects of B×K×H×W."""
        if self.crop.crop == "whole_frame":
            return whole_frame(len(masks), masks.shape[-2:], masks.device)
        return box_around(
            masks.amax(dim=1) > 0,
            aspect=self.crop.size,
            scale=self.crop.crop_scale,
            smallest=self.crop.smallest_crop,
        )


def predicted_masks(logits: Tensor, objects: Tensor) -> Tensor:
    """What inference tells the network of a frame: the likeliest label of each pixel (§3.3).

    Args:
        logits: B×K×H×W.
        objects: B, how many of the K objects each sample has.

    Returns:
        B×K×H×W of 0 and 1, without gradient.
    """
    labels = with_background(logits.detach(), objects).argmax(dim=1)
    return one_hot_masks(labels, logits.shape[1])
