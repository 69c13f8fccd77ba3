"""A method of 37 parameters, for tests of what is the same for every network."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from ranet.methods.base import Prediction, VOSMethod
from ranet.methods.objects import FUSIONS
from ranet.methods.registry import MethodConfig, register_method

PLUGIN = __file__
"""For the ``plugins`` of a configuration that another process reads."""


class FakeConfig(MethodConfig):
    name: Literal["fake"] = "fake"
    side: int = 3
    bias: bool = True


class FakeState(NamedTuple):
    probabilities: Tensor


@register_method
class Fake(VOSMethod):
    """One convolution of the image and the mask before, of each object by itself."""

    Config = FakeConfig
    state_types = (FakeState,)

    def __init__(self, side: int = 3, bias: bool = True) -> None:
        super().__init__({"side": side, "bias": bias})
        self.convolution = nn.Conv2d(4, 1, side, padding=side // 2, bias=bias)

    def new_state(self, image: Tensor) -> FakeState:
        return FakeState(image.new_zeros(len(image), 0, *image.shape[-2:]))

    def add_objects(self, state: FakeState, image: Tensor, masks: Tensor) -> FakeState:
        known = state.probabilities * (1 - masks.amax(dim=1, keepdim=True))
        return FakeState(torch.cat([known, masks], dim=1))

    def keep_objects(self, state: FakeState, index: list[int]) -> FakeState:
        return FakeState(state.probabilities[:, index])

    def step(self, state: FakeState, image: Tensor) -> tuple[Prediction, FakeState]:
        before = state.probabilities
        images = image.repeat_interleave(before.shape[1], dim=0)
        with self.in_half(image.device):
            logits = self.convolution(torch.cat([images, before.flatten(0, 1)[:, None]], dim=1))
        logits = logits.float().view_as(before)
        return Prediction(logits), FakeState(FUSIONS[self.options.fusion].to_probabilities(logits))
