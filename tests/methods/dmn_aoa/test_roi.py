"""Regions of interest against worked values and torchvision."""

import sys

import pytest
import torch

from ranet.methods.dmn_aoa.roi import (
    box_iou,
    boxes_of,
    clip_boxes,
    non_maximum_suppression,
    paste,
    roi_align,
    scale_boxes,
    suppress,
)
from ranet.methods.torchvision_import import (
    import_torchvision_models,
    import_torchvision_operators,
)

DOUBLES = torch.tensor([[0.0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]])


def random_boxes(count, size, generator):
    """N×4 inside an image, sides of a tenth of it at least."""
    low, high = torch.rand(2, count, 2, generator=generator).sort(dim=0).values
    high = torch.maximum(high, (low + 0.1).clamp(max=1))
    low = torch.minimum(low, high - 0.1)
    return torch.cat([low, high], dim=1) * torch.tensor([*size, *size])


def test_of_a_ramp():
    ramp = torch.arange(64.0).view(1, 1, 8, 8)
    box = torch.tensor([[[0.0, 0, 4, 4]]])
    assert roi_align(ramp, box, 2, 1)[0, 0, 0].tolist() == [[4.5, 6.5], [20.5, 22.5]]


@pytest.mark.parametrize("stride", [1, 4, 8])
def test_is_torchvisions_aligned_one(stride):
    """Its operator where that loads, else the Python version that it brings for other devices."""
    import_torchvision_models()
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 3, 12, 18, generator=generator)
    boxes = random_boxes(10, (12 * stride, 18 * stride), generator).view(2, 5, 4)
    xyxy = boxes[..., [1, 0, 3, 2]]
    operators = import_torchvision_operators()
    if operators is not None:
        expected = operators.roi_align(features, list(xyxy), 7, 1 / stride, 2, aligned=True)
    else:
        plain = sys.modules["torchvision.ops.roi_align"]._roi_align.__wrapped__
        numbers = torch.arange(2.0).repeat_interleave(5)[:, None]
        rois = torch.cat([numbers, xyxy.flatten(0, 1)], dim=1)
        expected = plain(features, rois, 1 / stride, 7, 7, 2, True)
    assert torch.allclose(roi_align(features, boxes, 7, stride).flatten(0, 1), expected, atol=1e-5)


def test_beyond_the_border_the_outermost_go_on():
    features = torch.arange(16.0).view(1, 1, 4, 4)
    outside = roi_align(features, torch.tensor([[[-20.0, -20, -10, -10]]]), 2, 1)
    assert (outside == features[0, 0, 0, 0]).all()


def test_a_mask_comes_back_where_it_was():
    labels = torch.zeros(1, 1, 64, 96)
    labels[..., 20:44, 32:72] = 1
    boxes = boxes_of(labels > 0)
    assert boxes.tolist() == [[[20, 32, 44, 72]]]
    masks = roi_align(labels, boxes, 28, 1)[:, :, 0]
    pasted = paste(masks, boxes, (16, 24), stride=4)
    truth = labels[..., 2::4, 2::4]
    assert torch.equal((pasted > 0.5).float(), truth)
    assert (pasted - truth).abs().max() < 0.2  # edges are interpolated


def test_a_pasted_mask_is_interpolated_and_zero_outside():
    masks = torch.tensor([[[[0.0, 1], [0, 1]]]])
    pasted = paste(masks, torch.tensor([[[0.0, 0, 4, 4]]]), (5, 6), stride=1)
    row = [0, 0.25, 0.75, 1, 0, 0]
    assert pasted[0, 0].tolist() == [row] * 4 + [[0] * 6]
    half = paste(torch.ones(1, 1, 2, 2), torch.tensor([[[0.0, 2, 8, 8]]]), (3, 3), stride=4)
    assert half[0, 0].tolist() == [[0.5, 1, 0], [0.5, 1, 0], [0, 0, 0]]
    flat = paste(masks, torch.zeros(1, 1, 4), (5, 6), stride=1)
    assert not flat.any()


def test_boxes_of_masks():
    masks = torch.zeros(1, 3, 6, 8, dtype=torch.bool)
    masks[0, 0, 2:4, 3:7] = True
    masks[0, 1, 5, 0] = True
    assert boxes_of(masks).tolist() == [[[2, 3, 4, 7], [5, 0, 6, 1], [0, 0, 0, 0]]]


def test_boxes_grow_about_their_centres_inside_the_image():
    boxes = torch.tensor([[4.0, 4, 8, 12], [0, 0, 2, 2]])
    grown = scale_boxes(boxes, torch.tensor([1.5, 3.0]), (9, 100))
    assert grown.tolist() == [[3, 2, 9, 14], [0, 0, 4, 4]]
    assert scale_boxes(boxes, 1.0, (9, 100)).equal(boxes)
    assert clip_boxes(torch.tensor([-1.0, 2, 7, 30]), (5, 9)).tolist() == [0, 2, 5, 9]


def test_box_iou():
    iou = box_iou(DOUBLES, DOUBLES)
    assert iou.diagonal().tolist() == [1, 1, 1]
    assert iou[0, 1].item() == pytest.approx(0.81)
    assert iou[0, 2] == 0
    assert box_iou(torch.zeros(1, 4), torch.zeros(1, 4)).item() == 0


def test_doubles_are_suppressed():
    scores = torch.tensor([0.9, 0.8, 0.7])
    assert non_maximum_suppression(DOUBLES, scores, 0.6).tolist() == [0, 2]
    assert suppress(DOUBLES, scores, 0.6).tolist() == [0, 2]


def test_what_a_suppressed_box_overlaps_is_kept():
    row = torch.tensor([[0.0, 0, 10, 10], [0, 3, 10, 13], [0, 6, 10, 16]])  # each half on the next
    assert suppress(row, torch.tensor([0.9, 0.8, 0.7]), 0.5).tolist() == [0, 2]
    assert suppress(row, torch.tensor([0.7, 0.9, 0.8]), 0.5).tolist() == [1]


def test_suppression_is_torchvisions():
    operators = import_torchvision_operators()
    if operators is None:
        pytest.skip("torchvision's compiled operators do not load beside this torch")
    generator = torch.Generator().manual_seed(0)
    boxes, scores = random_boxes(100, (60, 80), generator), torch.rand(100, generator=generator)
    kept = operators.nms(boxes[:, [1, 0, 3, 2]], scores, 0.5)
    assert suppress(boxes, scores, 0.5).tolist() == kept.tolist()
