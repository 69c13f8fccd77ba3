"""A backbone of timm's: any network with features at strides 4, 8, 16 and 32, and perhaps 2."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ranet.methods.backbones import STRIDES, TIMM, Backbone, replace_module
from ranet.methods.layers import InstanceNorm
from ranet.methods.torchvision_import import import_timm
from ranet.structures import Skips

_STEM_CHANNELS = 32


class TimmBackbone(Backbone):
    """A network of timm's with features at strides 4, 8, 16, 32, and 2.

    Where stride 2 alone is missing (ConvNeXt, Swin), a 3×3 convolution of the image with stride 2
    and 32 channels, which is learned from scratch, gives it: our choice.

    Args:
        name: timm's.
        norm: what becomes of its batch norms; None: frozen where there are any.
        frozen_stages: see :func:`.create_backbone`.
        output_stride: likewise; timm knows which of its networks can be dilated.

    Raises:
        ValueError: timm has no such network, it lacks a stride, or ``norm`` is given and it has no
            batch norms.
    """

    def __init__(
        self, name: str, norm: str | None, frozen_stages: int, output_stride: int = 32
    ) -> None:
        super().__init__(frozen_stages)
        timm = import_timm()
        self.name = name
        try:
            self.network = timm.create_model(
                name,
                pretrained=False,
                features_only=True,
                **({"output_stride": output_stride} if output_stride != 32 else {}),
            )
        except (RuntimeError, AttributeError, ValueError, TypeError, AssertionError) as error:
            raise ValueError(f"backbone {TIMM}{name} cannot be made of timm: {error}") from error
        info = self.network.feature_info
        strides, channels = info.reduction(), info.channels()
        needed = [min(stride, output_stride) for stride in STRIDES]
        missing = sorted(strides) == needed[1:]
        if not missing and sorted(strides) != needed:
            raise ValueError(
                f"backbone {TIMM}{name} gives features at strides {', '.join(map(str, strides))}, "
                f"but strides {', '.join(map(str, needed))} are needed"
            )
        self._order = sorted(range(len(strides)), key=strides.__getitem__)
        self.stem2 = (
            nn.Conv2d(3, _STEM_CHANNELS, 3, stride=2, padding=1, bias=False) if missing else None
        )
        self.channels = Skips(
            *[_STEM_CHANNELS] * missing, *[channels[index] for index in self._order]
        )
        config = self.network.pretrained_cfg
        self.mean, self.std = tuple(config["mean"]), tuple(config["std"])
        batch_norms = [n for n, m in self.network.named_modules() if isinstance(m, nn.BatchNorm2d)]
        if norm is not None and not batch_norms:
            raise ValueError(f"backbone {TIMM}{name} has no batch norms: norm should be null")
        if norm == "instance":
            for place in batch_norms:
                replace_module(self.network, place, _instance_norm_for(self.network, place))
        self.freeze()

    def forward(self, image: Tensor) -> Skips:
        """Normalised image B×3×H×W → features at strides 2 to 32."""
        relaid = _faster_in_channels_last(image)
        found = self.network(
            image.contiguous(memory_format=torch.channels_last) if relaid else image
        )
        features = [found[index].contiguous() if relaid else found[index] for index in self._order]
        if self.stem2 is not None:
            features.insert(0, self.stem2(image))
        return Skips(*features)

    def stages(self) -> list[list[nn.Module]]:
        """See :meth:`.Backbone.stages`; what stands before the first feature counts to it."""
        ends = [d["module"].replace(".", "_") for d in self.network.feature_info.get_dicts()]
        stages: list[list[nn.Module]] = [[]]
        for name, module in _leaves_up_to(self.network, ends):
            stages[-1].append(module)
            if name.replace(".", "_") in ends:
                stages.append([])
        stages = [stages[index] for index in self._order]
        if self.stem2 is not None:
            stages.insert(0, [self.stem2])
        return stages

    def load_imagenet_weights(self, path: str | Path | None = None) -> None:
        """See :meth:`.Backbone.load_imagenet_weights`."""
        from ranet.methods.imagenet import load_timm_weights

        load_timm_weights(self.network, self.name, path)


def _faster_in_channels_last(image: Tensor) -> bool:
    """Whether torch would convert to channels last and back at every depthwise convolution.

    It does so on a CPU, where half of a network's time goes into that. A compiler has layouts of
    its own, and what learns keeps the one it was given.
    """
    return (
        image.device.type == "cpu"
        and not torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
        and not image.is_contiguous(memory_format=torch.channels_last)
    )


def _leaves_up_to(network: nn.Module, ends: Sequence[str]) -> list[tuple[str, nn.Module]]:
    """Modules in order, none inside another, down to those whose outputs are features."""
    found: list[tuple[str, nn.Module]] = []

    def visit(prefix: str, module: nn.Module) -> None:
        for name, child in module.named_children():
            path = f"{prefix}{name}"
            flat = path.replace(".", "_")
            if any(end.startswith(f"{flat}_") for end in ends):
                visit(f"{path}.", child)
            else:
                found.append((path, child))

    visit("", network)
    return found


def _instance_norm_for(network: nn.Module, place: str) -> nn.Module:
    norm = network.get_submodule(place)
    instance = InstanceNorm(norm.num_features)
    # timm's norms have the activation inside.
    return nn.Sequential(instance, norm.act) if hasattr(norm, "act") else instance
