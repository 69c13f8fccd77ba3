"""A ResNet so small that a whole training takes seconds: to try things, not for results."""

import itertools
from collections.abc import Callable

from torch import nn

from ranet.model.torchvision_import import import_torchvision_models
from ranet.structures import Skips


class TinyResNet(nn.Module):
    """What the backbone takes of torchvision's ResNets, under the same names; one block a stage.

    It has no forward pass: :class:`~ranet.model.backbone.Backbone` takes its parts. Their weights
    start as torchvision's do.

    Args:
        channels: how many at strides 2, 4, 8, 16 and 32.
        norm: makes a norm of a number of channels.
    """

    def __init__(self, channels: Skips, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, channels.f2, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = norm(channels.f2)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        stages = [
            nn.Sequential(_basic_block(inside, outside, stride, norm))
            for (inside, outside), stride in zip(
                itertools.pairwise(channels), (1, 2, 2, 2), strict=True
            )
        ]
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _basic_block(
    inside: int, outside: int, stride: int, norm: Callable[[int], nn.Module]
) -> nn.Module:
    shortcut = None
    if stride > 1 or inside != outside:
        projection = nn.Conv2d(inside, outside, kernel_size=1, stride=stride, bias=False)
        shortcut = nn.Sequential(projection, norm(outside))
    block = import_torchvision_models().resnet.BasicBlock
    return block(inside, outside, stride, shortcut, norm_layer=norm)
