"""One frame of a video on the device: Figure 2 of the paper, in the released crop.

Everything here is a function of tensors, with shapes that follow from sizes alone and without a
look at any value: no synchronisation with the host, nothing a CUDA graph or compiler stumbles on.

B videos, K objects, H×W the canvas, h×w the network's input.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ranet.config import InferenceConfig
from ranet.device import autocast
from ranet.inference.canvas import network_size
from ranet.inference.objects import FUSIONS, PREVIOUS_MASKS, to_labels
from ranet.methods.crops import (
    box_around,
    crop_resize,
    crop_resize_nearest,
    paste_back,
    whole_frame,
)
from ranet.methods.ranet.network import RANet
from ranet.structures import Template


class PlainStep:
    """The step as it is written: crop, network, paste.

    Args:
        network: on the device that the tensors will be on, in the numbers and the layout of
            ``config``.
        config: how to crop, what the network sees of the previous frame, how objects are fused;
            :func:`~ranet.inference.resolve.resolved`.
    """

    def __init__(self, network: RANet, config: InferenceConfig) -> None:
        self.network = network
        self.config = config
        self.fusion = FUSIONS[config.fusion]
        self.to_previous_masks = PREVIOUS_MASKS[config.previous_mask]

    def encode_template(self, image: Tensor, masks: Tensor) -> Template:
        """Crop the annotated frame around its objects and encode it, once a video.

        Args:
            image: B×3×H×W RGB in [0, 1].
            masks: B×K×H×W of 0 and 1.
        """
        box = self._box_around(masks.amax(dim=1) > 0)
        size = self.input_size(image.shape[-2:])
        crop, crop_masks = crop_resize(image, box, size), crop_resize_nearest(masks, box, size)
        with autocast(image.device, self.config.dtype):
            return self.network.encode_template(self._laid_out(crop), crop_masks)

    def __call__(
        self, templates: Sequence[Template], image: Tensor, probabilities: Tensor
    ) -> Tensor:
        """Segment one frame.

        Args:
            templates: one for each group of objects that was annotated in one frame; together
                they hold the K objects, in order.
            image: B×3×H×W RGB in [0, 1], the current frame.
            probabilities: B×K×H×W, the frame before.

        Returns:
            Probabilities of the current frame, B×K×H×W float32; zero outside the crop.
        """
        box = self.box_around_objects(probabilities)
        size = self.input_size(image.shape[-2:])
        crop, previous = crop_resize(image, box, size), crop_resize(probabilities, box, size)
        logits = self.logits(templates, crop, self.to_previous_masks(self.fusion, previous))
        return paste_back(self.fusion.to_probabilities(logits), box, image.shape[-2:])

    def logits(self, templates: Sequence[Template], crop: Tensor, previous: Tensor) -> Tensor:
        """What the network says of a crop.

        Args:
            templates: as for the whole step; their objects are one batch.
            crop: B×3×h×w RGB in [0, 1].
            previous: B×K×h×w in [0, 1], the masks of the frame before in the crop.

        Returns:
            B×K×h×w float32.
        """
        with autocast(crop.device, self.config.dtype):
            frame = self.network.encode_frame(self._laid_out(crop))
            logits = self.network.segment(
                templates, frame, previous, objects_at_once=self.config.objects_at_once
            )
        return logits.float()

    def box_around_objects(self, probabilities: Tensor) -> Tensor:
        """The part of the canvas that the network will see of the next frame.

        Args:
            probabilities: B×K×H×W.

        Returns:
            B×4 int64: top, left, bottom, right, half-open, in pixels of the canvas.
        """
        return self._box_around(to_labels(self.fusion, [probabilities]) > 0)

    def input_size(self, canvas: Sequence[int]) -> tuple[int, int]:
        """(height, width) of what the network is given of frames on a canvas of (H, W)."""
        height, width = canvas
        return network_size((height, width), self.config.frame_size, self.config.input_size)

    def _box_around(self, foreground: Tensor) -> Tensor:
        """B×4, from B×H×W bool."""
        config = self.config
        if config.crop == "whole_frame":
            return whole_frame(len(foreground), foreground.shape[-2:], foreground.device)
        return box_around(
            foreground,
            aspect=self.input_size(foreground.shape[-2:]),
            scale=config.crop_scale,
            smallest=config.smallest_crop,
        )

    def _laid_out(self, crop: Tensor) -> Tensor:
        """The crop in the memory layout of the network."""
        layout = torch.channels_last if self.config.channels_last else torch.contiguous_format
        return crop.contiguous(memory_format=layout)
