"""The ResNet under the siamese encoder, with instance norms for batch norms (§3.4)."""

from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from torch import Tensor, nn

from ranet.errors import CheckpointError
from ranet.model.blocks import InstanceNorm, activate
from ranet.model.state_dicts import check_names_and_shapes, read_checkpoint_file
from ranet.model.tiny_resnet import TinyResNet
from ranet.model.torchvision_import import import_torchvision_models
from ranet.structures import Skips

_TINY = "tiny"

# Channels at strides 2, 4, 8, 16, 32.
CHANNELS: dict[str, Skips] = {
    _TINY: Skips(16, 16, 32, 64, 128),
    "resnet18": Skips(64, 64, 128, 256, 512),
    "resnet34": Skips(64, 64, 128, 256, 512),
    "resnet50": Skips(64, 256, 512, 1024, 2048),
    "resnet101": Skips(64, 256, 512, 1024, 2048),
}


class Backbone(nn.Module):
    """A ResNet without its classifier; parameter names are torchvision's.

    Args:
        name: ``"resnet18"``, ``"resnet34"``, ``"resnet50"`` or ``"resnet101"`` of torchvision, or
            ``"tiny"``, built like them, to try things. The weights start at random;
            :meth:`load_imagenet_weights` is a separate, explicit step.

    Raises:
        ValueError: there is no such name.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        if name not in CHANNELS:
            raise ValueError(f"backbone should be one of {', '.join(CHANNELS)}, found {name!r}")
        self.name = name
        self.channels = CHANNELS[name]
        resnet = _resnet(name)
        self.conv1, self.bn1, self.maxpool = resnet.conv1, resnet.bn1, resnet.maxpool
        self.layer1, self.layer2 = _stage(resnet.layer1), _stage(resnet.layer2)
        self.layer3, self.layer4 = _stage(resnet.layer3), _stage(resnet.layer4)

    def forward(self, image: Tensor) -> Skips:
        """Normalised image B×3×H×W → features at strides 2 to 32."""
        f2 = activate(self.conv1(image), self.bn1)
        f4 = self.layer1(self.maxpool(f2))
        f8 = self.layer2(f4)
        f16 = self.layer3(f8)
        f32 = self.layer4(f16)
        return Skips(f2, f4, f8, f16, f32)

    def load_imagenet_weights(self, path: str | Path | None = None) -> None:
        """Start from torchvision's ImageNet weights (``IMAGENET1K_V1``, those of the paper's time).

        Scale and shift of each batch norm become those of the instance norm; the running
        statistics and the classifier have no place here and are left out.

        Args:
            path: a ``.pth`` file with weights of this ResNet, such as torchvision's; by default it
                is downloaded once into torch's cache.

        Raises:
            CheckpointError: the file does not hold the weights of this ResNet or cannot be
                downloaded, or there are none to download (``"tiny"``).
        """
        if path is None:
            state, source = _download_imagenet_weights(self.name)
        else:
            state, source = read_checkpoint_file(path), str(path)
        kept = {name: tensor for name, tensor in state.items() if not _has_no_place_here(name)}
        check_names_and_shapes(kept, self.state_dict(), f"{source} (ImageNet, {self.name})")
        self.load_state_dict(kept)


class ResNetBlock(nn.Module):
    """A basic or bottleneck block of torchvision's, with norms and activations in one place.

    Args:
        block: whose parts it takes over, under their names and in their order.
    """

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        for name, part in block.named_children():
            if name != "relu":
                self.add_module(name, part)

    def forward(self, x: Tensor) -> Tensor:
        """B×C×H×W → the same, or with the channels and the stride of the block."""
        y = activate(self.conv1(x), self.bn1)
        if hasattr(self, "conv3"):
            y = activate(self.conv2(y), self.bn2)
            y, norm = self.conv3(y), self.bn3
        else:
            y, norm = self.conv2(y), self.bn2
        shortcut = self.downsample(x) if hasattr(self, "downsample") else x
        return activate(y, norm, residual=shortcut)


def _resnet(name: str) -> Any:
    if name == _TINY:
        return TinyResNet(CHANNELS[name])
    models = import_torchvision_models()
    return models.get_model(name, weights=None, norm_layer=InstanceNorm)


def _stage(blocks: nn.Sequential) -> nn.Sequential:
    return nn.Sequential(*map(ResNetBlock, blocks))


def _download_imagenet_weights(name: str) -> tuple[Mapping[str, Any], str]:
    """The weights, from torch's cache if they are there, and where they come from."""
    if name == _TINY:
        raise CheckpointError(
            f"Nobody has ImageNet weights of the backbone {name}: set imagenet_weights=false, or "
            "choose a ResNet of torchvision's."
        )
    weights = import_torchvision_models().get_model_weights(name)["IMAGENET1K_V1"]
    try:
        return weights.get_state_dict(progress=True, check_hash=True), weights.url
    except (OSError, HTTPException, RuntimeError, EOFError, UnpicklingError) as error:
        raise CheckpointError(
            f"Cannot get the ImageNet weights of {name} from {weights.url} ({error}). Download "
            "the file where there is a network, and name it: imagenet_weights=FILE."
        ) from error


def _has_no_place_here(name: str) -> bool:
    running = ("running_mean", "running_var", "num_batches_tracked")
    return name.startswith("fc.") or name.endswith(running)
