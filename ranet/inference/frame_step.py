"""From frame to frame on the device, with a network that is prepared for it, as fast as asked for.

What is computed is in :mod:`ranet.inference.plain_step`.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ranet.config import InferenceConfig
from ranet.device import DTYPES, exact_float32, resolve_device
from ranet.inference.acceleration import AcceleratedStep
from ranet.inference.objects import Fusion
from ranet.inference.plain_step import PlainStep
from ranet.methods.ranet.network import RANet
from ranet.methods.ranet.precision import with_folded_norms, with_half_weights
from ranet.structures import Template


class FrameStep(nn.Module):
    """The probabilities of a frame's objects from those of the frame before.

    B videos, K objects, H×W the canvas.

    Args:
        model: the network. What computes, and what moves with this module to a device, is
            :attr:`network`: a copy where the configuration asks for half precision or another
            layout, so that no device holds two.
        config: of the segmentation; :func:`~ranet.inference.resolve.resolved`.
    """

    def __init__(self, model: RANet, config: InferenceConfig) -> None:
        super().__init__()
        self.config = config
        self.network = _prepared(model, config)
        self.plain = PlainStep(self.network, config)
        """The step as it is written."""
        # It knows nothing of this object: a circle would keep the network, and what a GPU has
        # recorded, until Python looks for circles, which no lack of the GPU's memory makes it do.
        self.accelerated = AcceleratedStep(
            self.plain,
            compiled=config.compile,
            cuda_graph=config.cuda_graph,
            device=resolve_device(config.device),
        )
        """What :meth:`forward` calls, and how that ran."""

    @property
    def fusion(self) -> Fusion:
        """What makes one labelling of several objects."""
        return self.plain.fusion

    def encode_template(self, image: Tensor, masks: Tensor) -> Template:
        """:meth:`ranet.inference.plain_step.PlainStep.encode_template`."""
        with exact_float32(image.device):
            return self.plain.encode_template(image, masks)

    def forward(
        self, templates: Sequence[Template], image: Tensor, probabilities: Tensor
    ) -> Tensor:
        """:meth:`ranet.inference.plain_step.PlainStep.__call__`, as fast as asked for."""
        with exact_float32(image.device):
            return self.accelerated(templates, image, probabilities)


def _prepared(model: RANet, config: InferenceConfig) -> RANet:
    """The network as it will compute: the model itself, or a copy that suits the configuration."""
    network = folded = with_folded_norms(model)
    if config.dtype != "float32":
        network = with_half_weights(folded, DTYPES[config.dtype])
    if config.channels_last:
        copied = network if network is not model else copy.deepcopy(model).requires_grad_(False)
        network = copied.to(memory_format=torch.channels_last)
    return network
