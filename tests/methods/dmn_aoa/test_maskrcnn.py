"""Proposals by torchvision's Mask R-CNN, with random weights, against its own selection."""

import sys

import pytest
import torch
from tiny_dmn_aoa import tiny_dmn_aoa

from ranet.config import EvalConfig, InferenceConfig
from ranet.errors import CheckpointError, ConfigError
from ranet.inference.davis import network as network_of
from ranet.methods.checkpoints import save_checkpoint
from ranet.methods.dmn_aoa import maskrcnn
from ranet.methods.dmn_aoa.maskrcnn import MaskRCNN, empty_network, pool, regions
from ranet.methods.dmn_aoa.roi import box_iou, suppress
from ranet.methods.dmn_aoa.sources import create_source
from ranet.methods.torchvision_import import import_torchvision_models

SIZE = (64, 96)
XYXY = [1, 0, 3, 2]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = empty_network()
    network.transform.min_size = (128,)
    return network


@pytest.fixture(scope="module")
def source(network):
    source = MaskRCNN(16)
    source.network = network
    return source


def frames(count=1):
    return torch.rand(count, 3, *SIZE, generator=torch.Generator().manual_seed(0))


def test_pooling_is_torchvisions():
    """Its operator, as the Python version has it that it brings for other devices."""
    import_torchvision_models()
    plain = sys.modules["torchvision.ops.roi_align"]._roi_align.__wrapped__
    mapper = sys.modules["torchvision.ops.poolers"].LevelMapper(2, 5)
    generator = torch.Generator().manual_seed(0)
    levels = [torch.randn(1, 3, 512 // s, 768 // s, generator=generator) for s in (4, 8, 16, 32)]
    low = torch.rand(40, 2, generator=generator) * torch.tensor([60.0, 100])
    sides = 2 ** (torch.rand(40, 1, generator=generator) * 9.5) * torch.tensor([0.7, 1.3])
    boxes = torch.cat([low, (low + sides).minimum(torch.tensor([512.0, 768]))], dim=1)
    asked = mapper([boxes[:, XYXY]])
    assert set(asked.tolist()) == {0, 1, 2, 3}
    rois = torch.cat([torch.zeros(40, 1), boxes[:, XYXY]], dim=1)
    for level, box, found in zip(asked, rois, pool(levels, boxes, 7), strict=True):
        expected = plain(levels[level], box[None], 1 / 2 ** (2 + level), 7, 7, 2, False)
        assert (found - expected[0]).abs().max() < 1e-4


def test_regions_are_torchvisions(network, monkeypatch):
    boxes = sys.modules["torchvision.ops.boxes"]
    monkeypatch.setattr(boxes, "nms", lambda b, s, t: suppress(b[:, XYXY], s, t))
    images, _ = network.transform([frames()[0]])
    features = network.backbone(images.tensors)
    (expected,), _ = network.rpn(images, features)
    found = regions(network, images, features)
    assert found.shape == expected.shape
    assert torch.allclose(found[:, XYXY], expected, atol=1e-3)


@pytest.mark.slow
def test_rows_are_filled_and_lie_in_the_image(source):
    found = source(frames(2), None, 8)
    assert found.boxes.shape == (2, 8, 4)
    assert found.masks.shape == (2, 8, 28, 28)
    assert found.valid.any(dim=1).all()
    low, high = found.boxes[..., :2], found.boxes[..., 2:]
    assert (low >= 0).all()
    assert (high <= torch.tensor(SIZE) + 1e-3).all()
    assert (found.scores.diff(dim=1) <= 0).all()
    assert (found.scores[found.valid] > 0.05).all()
    assert ((found.masks >= 0) & (found.masks <= 1)).all()
    for boxes, valid in zip(found.boxes, found.valid, strict=True):
        assert (box_iou(boxes[valid], boxes[valid]) - torch.eye(valid.sum())).max() <= 0.7
    alone = source(frames(2)[1:], None, 8)
    for part, same in zip(found, alone, strict=True):
        assert torch.allclose(part[1:].float(), same.float(), atol=1e-4)


def test_where_nothing_is_likely_no_row_holds_anything(source, monkeypatch):
    monkeypatch.setattr(maskrcnn, "_LEAST_SCORE", 2.0)
    assert not source(frames(), None, 4).valid.any()


def test_weights_of_a_file(network, tmp_path):
    weights = {k: v for k, v in network.state_dict().items() if "num_batches" not in k}
    torch.save(weights, tmp_path / "weights.pth")
    read = create_source(f"maskrcnn:{tmp_path / 'weights.pth'}", 16).network
    assert all(torch.equal(read.state_dict()[name], value) for name, value in weights.items())
    assert {part.eps for part in read.modules() if isinstance(part, torch.nn.BatchNorm2d)} == {0}
    weights.popitem()
    torch.save(weights, tmp_path / "less.pth")
    with pytest.raises(CheckpointError, match=r"less\.pth does not fit the network"):
        _ = MaskRCNN(16, str(tmp_path / "less.pth")).network


def test_results_name_it(tmp_path):
    config = EvalConfig(inference=InferenceConfig(device="cpu", source="maskrcnn"))
    for model, name in (("none", "by_option"), ("maskrcnn", "by_network")):
        save_checkpoint(tmp_path / f"{name}.pt", tiny_dmn_aoa(source=model))
    by_option = network_of(config, tmp_path / "by_option.pt")
    assert by_option.inference.model_dump(mode="json")["source"] == "maskrcnn"
    by_network = network_of(EvalConfig(), tmp_path / "by_network.pt")
    assert by_network.settings["architecture"]["source"] == "maskrcnn"


def test_without_weights_the_error_says_where_to_get_them(monkeypatch):
    def fail(*_, **__):
        raise OSError("no network")

    detection = import_torchvision_models().detection
    monkeypatch.setattr(detection.MaskRCNN_ResNet50_FPN_Weights, "get_state_dict", fail)
    with pytest.raises(CheckpointError, match=r"no network\)\. Download .*source=maskrcnn:FILE"):
        _ = create_source("maskrcnn", 16).network
    with pytest.raises(CheckpointError, match=r"Cannot read|no such file|does not exist|nowhere"):
        _ = create_source("maskrcnn:nowhere.pth", 16).network
    with pytest.raises(ConfigError, match="none, light, maskrcnn"):
        create_source("none:file.pth", 16)
