"""One frame of a video on the device: Figure 2 of the paper, in the released crop.

Everything here is a function of tensors, with shapes that follow from sizes alone and without a
look at any value: no synchronisation with the host, nothing a CUDA graph or compiler stumbles on.

B videos, K objects, H×W the canvas, h×w the network's input.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ranet.config import InferenceConfig
from ranet.device import DTYPES, autocast, resolve_device, warn_of_slow_dtype
from ranet.inference.acceleration import AcceleratedStep
from ranet.inference.crop import (
    box_around,
    crop_resize,
    crop_resize_nearest,
    paste_back,
    whole_frame,
)
from ranet.inference.objects import FUSIONS, PREVIOUS_MASKS, to_labels
from ranet.model.precision import with_half_weights
from ranet.model.ranet import RANet
from ranet.structures import Template


class FrameStep(nn.Module):
    """The probabilities of a frame's objects from those of the frame before.

    Args:
        model: the network, on the device that the tensors will be on. What computes is a copy,
            :attr:`network`, where the configuration asks for half precision or another layout.
        config: how to crop, what the network sees of the previous frame, how objects are fused;
            :func:`~ranet.inference.resolve.resolved`.
    """

    def __init__(self, model: RANet, config: InferenceConfig) -> None:
        super().__init__()
        device = resolve_device(config.device)
        warn_of_slow_dtype(device, config.dtype)
        self.model = model
        self.config = config
        self.network = _prepared(model, config)
        self.fusion = FUSIONS[config.fusion]
        self.to_previous_masks = PREVIOUS_MASKS[config.previous_mask]
        self.accelerated = AcceleratedStep(
            self._segment,
            compiled=config.compile,
            cuda_graph=config.cuda_graph,
            device=device,
        )
        """What :meth:`forward` calls, and how that ran."""

    def encode_template(self, image: Tensor, masks: Tensor) -> Template:
        """Crop the annotated frame around its objects and encode it, once a video.

        Args:
            image: B×3×H×W RGB in [0, 1].
            masks: B×K×H×W of 0 and 1.
        """
        box = self._box_around(masks.amax(dim=1) > 0)
        size = self.config.input_size
        crop, crop_masks = crop_resize(image, box, size), crop_resize_nearest(masks, box, size)
        with autocast(image.device, self.config.dtype):
            return self.network.encode_template(self._laid_out(crop), crop_masks)

    def forward(
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
        return self.accelerated(templates, image, probabilities)

    def _segment(
        self, templates: Sequence[Template], image: Tensor, probabilities: Tensor
    ) -> Tensor:
        """The step as it is written."""
        box = self._box_around(to_labels(self.fusion, [probabilities]) > 0)
        crop = crop_resize(image, box, self.config.input_size)
        previous = crop_resize(probabilities, box, self.config.input_size)
        logits = self._logits(templates, crop, self.to_previous_masks(self.fusion, previous))
        return paste_back(self.fusion.to_probabilities(logits), box, image.shape[-2:])

    def _box_around(self, foreground: Tensor) -> Tensor:
        """The part of the canvas that the network will see: B×4, from B×H×W bool."""
        config = self.config
        if config.crop == "whole_frame":
            return whole_frame(len(foreground), foreground.shape[-2:], foreground.device)
        return box_around(
            foreground,
            aspect=config.input_size,
            scale=config.crop_scale,
            smallest=config.smallest_crop,
        )

    def _logits(self, templates: Sequence[Template], crop: Tensor, previous: Tensor) -> Tensor:
        """Logits of all objects, B×K×h×w float32; one batch, whatever templates they come from."""
        with autocast(crop.device, self.config.dtype):
            frame = self.network.encode_frame(self._laid_out(crop))
            logits = self.network.segment(
                templates, frame, previous, objects_at_once=self.config.objects_at_once
            )
        return logits.float()

    def _laid_out(self, crop: Tensor) -> Tensor:
        """The crop in the memory layout of the network."""
        layout = torch.channels_last if self.config.channels_last else torch.contiguous_format
        return crop.contiguous(memory_format=layout)


def _prepared(model: RANet, config: InferenceConfig) -> RANet:
    """The network as it will compute: the model itself, or a copy that suits the configuration."""
    network = model
    if config.dtype != "float32":
        network = with_half_weights(model, DTYPES[config.dtype])
    if config.channels_last:
        copied = network if network is not model else copy.deepcopy(model).requires_grad_(False)
        network = copied.to(memory_format=torch.channels_last)
    return network
