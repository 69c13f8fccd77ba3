"""The backbone under the siamese encoder: a ResNet of torchvision's, or any suitable one of timm's.

The paper has a ResNet-101 whose batch norms are instance norms (§3.4). Everything else is our
choice: other backbones keep their batch norms as ImageNet left them (``frozen_batch``), which costs
nothing at inference, where they are folded into the convolutions (:func:`fold_batch_norms`).
"""

import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ranet.methods.layers import IMAGENET_MEAN, IMAGENET_STD, InstanceNorm, activate
from ranet.methods.torchvision_import import import_torchvision_models
from ranet.structures import Skips

TIMM = "timm:"
"""Before the name of one of timm's networks, as in ``timm:mobilenetv2_100``."""

_TINY = "tiny"
STRIDES = (2, 4, 8, 16, 32)
"""Of a backbone's features, in pixels."""

# Channels at strides 2, 4, 8, 16, 32.
RESNETS: dict[str, Skips] = {
    _TINY: Skips(16, 16, 32, 64, 128),
    "resnet18": Skips(64, 64, 128, 256, 512),
    "resnet34": Skips(64, 64, 128, 256, 512),
    "resnet50": Skips(64, 256, 512, 1024, 2048),
    "resnet101": Skips(64, 256, 512, 1024, 2048),
}


def create_backbone(
    name: str, norm: str | None = None, frozen_stages: int = 0, output_stride: int = 32
) -> "Backbone":
    """A backbone with random weights; :meth:`Backbone.load_imagenet_weights` is a separate step.

    Args:
        name: ``"resnet18"``, ``"resnet34"``, ``"resnet50"`` or ``"resnet101"`` of torchvision,
            ``"tiny"``, built like them, to try things, or ``"timm:NAME"``.
        norm: ``"instance"`` or ``"frozen_batch"`` in the place of the batch norms; None: instance
            norms in ResNets of torchvision's, as in the paper, frozen batch norms in timm's.
        frozen_stages: how many stages, from the image on, keep their weights in training: 1 is up
            to stride 2, 2 up to stride 4, … 5 everything.
        output_stride: 32, or 16: then the last down-sampling is none, and the convolutions behind
            it are dilated, with the same weights; ``f32`` has the size of ``f16``.

    Raises:
        ValueError: there is no such network, it lacks a stride, or it has no batch norms to replace
            or to freeze.
    """
    if not 0 <= frozen_stages <= len(STRIDES):
        raise ValueError(f"frozen_stages should be 0 to {len(STRIDES)}, found {frozen_stages}")
    if norm not in (None, "instance", "frozen_batch"):
        raise ValueError(f"norm should be 'instance' or 'frozen_batch', found {norm!r}")
    if output_stride not in (16, 32):
        raise ValueError(f"output_stride should be 16 or 32, found {output_stride}")
    if name.startswith(TIMM):
        from ranet.methods.timm_backbone import TimmBackbone

        return TimmBackbone(name.removeprefix(TIMM), norm, frozen_stages, output_stride)
    if name not in RESNETS:
        raise ValueError(
            f"backbone should be one of {', '.join(RESNETS)} or timm:NAME, found {name!r}"
        )
    return ResNetBackbone(name, norm or "instance", frozen_stages, output_stride)


class Backbone(nn.Module):
    """What the kinds of backbone have in common.

    Attributes:
        channels: of the features at strides 2, 4, 8, 16, 32.
        mean: of each colour, that images are normalised by, as its ImageNet weights expect.
        std: likewise.
    """

    channels: Skips
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def __init__(self, frozen_stages: int) -> None:
        super().__init__()
        self.frozen_stages = frozen_stages

    def forward(self, image: Tensor) -> Skips:
        """Normalised image B×3×H×W → features at strides 2 to 32, not yet activated or activated,
        as the network has them.
        """
        raise NotImplementedError

    def stages(self) -> list[list[nn.Module]]:
        """The modules that lead to strides 2, 4, 8, 16, 32, each from the one before."""
        raise NotImplementedError

    def load_imagenet_weights(self, path: str | Path | None = None) -> None:
        """Start from ImageNet weights.

        Args:
            path: a ``.pth`` file of this network; None: an installed package that holds it (see
                :data:`ranet.methods.imagenet.PACKAGES`), else torchvision's or timm's own download.

        Raises:
            CheckpointError: the file does not hold the weights of this network, or there is none.
        """
        raise NotImplementedError

    def freeze(self) -> None:
        """Let the frozen stages, and all batch norms, need no gradient."""
        for stage in self.stages()[: self.frozen_stages]:
            for module in stage:
                module.requires_grad_(False)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.requires_grad_(False)

    def train(self, mode: bool = True) -> "Backbone":
        """Batch norms keep ImageNet's statistics, in training, too."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self


class ResNetBackbone(Backbone):
    """A ResNet without its classifier; parameter names are torchvision's."""

    def __init__(self, name: str, norm: str, frozen_stages: int, output_stride: int = 32) -> None:
        super().__init__(frozen_stages)
        self.name = name
        self.channels = RESNETS[name]
        resnet = _resnet(name, InstanceNorm if norm == "instance" else nn.BatchNorm2d)
        self.conv1, self.bn1, self.maxpool = resnet.conv1, resnet.bn1, resnet.maxpool
        self.layer1, self.layer2 = resnet.layer1, resnet.layer2
        self.layer3, self.layer4 = resnet.layer3, resnet.layer4
        if output_stride == 16:
            _dilate(self.layer4)
        self.freeze()

    def forward(self, image: Tensor) -> Skips:
        """Normalised image B×3×H×W → features at strides 2 to 32."""
        f2 = activate(self.conv1(image), self.bn1)
        f4 = self.layer1(self.maxpool(f2))
        f8 = self.layer2(f4)
        f16 = self.layer3(f8)
        f32 = self.layer4(f16)
        return Skips(f2, f4, f8, f16, f32)

    def stages(self) -> list[list[nn.Module]]:
        """See :meth:`Backbone.stages`."""
        return [
            [self.conv1, self.bn1],
            [self.layer1],
            [self.layer2],
            [self.layer3],
            [self.layer4],
        ]

    def load_imagenet_weights(self, path: str | Path | None = None) -> None:
        """Start from torchvision's ``IMAGENET1K_V1``, the weights of the paper's time.

        Scale and shift of each batch norm become those of an instance norm, whose running
        statistics have no place there. See :meth:`Backbone.load_imagenet_weights`.
        """
        from ranet.methods.imagenet import load_resnet_weights

        load_resnet_weights(self, self.name, path)


def fold_batch_norms(module: nn.Module, example: Tensor) -> nn.Module:
    """Merge each batch norm below ``module`` into the convolution before it; changes ``module``.

    The results stay the same up to rounding, as the statistics are frozen. Which convolution a norm
    follows is seen by running ``example`` through the module, so that it holds for any network.

    Args:
        module: in evaluation mode.
        example: an input of ``module``, small.

    Returns:
        ``module``.
    """
    made: list[tuple[Tensor, nn.Conv2d]] = []
    pairs: dict[str, nn.Conv2d] = {}  # by the name of a norm

    def note_convolution(conv: nn.Conv2d, _: Any, output: Tensor) -> None:
        made.append((output, conv))

    def note_norm(name: str, _: Any, inputs: tuple[Tensor]) -> None:
        pairs.update((name, conv) for output, conv in made if output is inputs[0])

    hooks = []
    for name, part in module.named_modules():
        if isinstance(part, nn.Conv2d):
            hooks.append(part.register_forward_hook(note_convolution))
        elif isinstance(part, nn.BatchNorm2d):
            hooks.append(part.register_forward_pre_hook(partial(note_norm, name)))
    with torch.no_grad():
        module(example)
    for hook in hooks:
        hook.remove()
    for name, conv in pairs.items():
        norm = module.get_submodule(name)
        fused = fuse_conv_bn_eval(conv, norm)
        conv.weight, conv.bias = fused.weight, fused.bias
        replace_module(module, name, getattr(norm, "act", nn.Identity()))
    return module


def _resnet(name: str, norm: type[nn.Module]) -> Any:
    if name == _TINY:
        return TinyResNet(RESNETS[name], norm)
    return import_torchvision_models().get_model(name, weights=None, norm_layer=norm)


def _dilate(stage: nn.Sequential) -> None:
    """Let a stage keep the size of what it is given, and see as far as before.

    As torchvision's ``replace_stride_with_dilation``, which basic blocks refuse: nothing has a
    stride, and the 3×3 convolutions behind the one that had it are dilated.
    """
    for number, block in enumerate(stage):
        for module in block.modules():
            if isinstance(module, nn.Conv2d):
                module.stride = (1, 1)
                if number > 0 and module.kernel_size == (3, 3):
                    module.dilation = module.padding = (2, 2)


def replace_module(network: nn.Module, place: str, module: nn.Module) -> None:
    """Put a module in the place of the one of that dotted name."""
    parent, _, name = place.rpartition(".")
    setattr(network.get_submodule(parent), name, module)


class TinyResNet(nn.Module):
    """What the backbone takes of torchvision's ResNets, under the same names; one block a stage.

    It has no forward pass: :class:`Backbone` takes its parts. Their weights
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
