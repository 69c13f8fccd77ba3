"""Correlation, votes and fusion against numbers by hand (the specification's)."""

import math

import pytest
import torch

from ranet.methods.dmvos.correlation import (
    BestSimilarities,
    TemplateVector,
    cells_of,
    margin_loss,
    mean_of_best,
)
from ranet.methods.dmvos.network import Fusion
from ranet.methods.dmvos.offset import centre_map, offset_loss, offset_targets, places
from ranet.methods.layers import l2_normalise

# --- correlation


def two_cells() -> tuple[torch.Tensor, torch.Tensor]:
    """Cells (1, 0) of the object and (0, 1) of the background: 1×2×1×2, and their masks."""
    return torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]]), torch.tensor([[[1.0, 0.0]]])


def one_pixel(*vector: float) -> torch.Tensor:
    return torch.tensor(vector)[None, :, None, None]


def compared(matching, template, masks, pixel):
    return matching(matching.embed(template), masks, matching.embed(pixel))


def test_the_best_of_object_and_background_and_their_margin():
    matching = BestSimilarities(2, isometric=True)
    maps, logit = compared(matching, *two_cells(), one_pixel(0.6, 0.8))
    assert maps.flatten().tolist() == pytest.approx([0.6, -1, 0.8, -1])
    assert logit.sigmoid().item() == pytest.approx(0.1192, abs=1e-4)


@pytest.mark.parametrize("which", ["pixel", "cell"])
def test_lengths_mean_nothing_or_everything(which):
    template, masks = two_cells()
    pixel = one_pixel(0.6, 0.8)
    longer = (7 * template, pixel) if which == "cell" else (template, 7 * pixel)
    for matching, factor in (
        (BestSimilarities(1, isometric=True), 1),
        (BestSimilarities(1, isometric=False), 7),
    ):
        before = compared(matching, template, masks, pixel)[0]
        after = compared(matching, longer[0], masks, longer[1])[0]
        torch.testing.assert_close(after, factor * before)


def test_inner_products_have_no_margin():
    maps, logit = compared(BestSimilarities(1, isometric=False), *two_cells(), one_pixel(3, 4))
    assert logit is None
    assert maps.flatten().tolist() == pytest.approx([3 / 2**0.5, 4 / 2**0.5])


def test_without_correlation_the_mean_vector_of_the_object_stands_beside_each_pixel():
    template = torch.tensor([[[[1.0, 3.0, 9.0]], [[2.0, 6.0, 9.0]]]])
    masks = torch.tensor([[[1.0, 1.0, 0.0]]])
    maps, logit = compared(TemplateVector(2), template, masks, one_pixel(5, 7))
    assert logit is None
    assert maps.flatten().tolist() == [2, 4, 5, 7]


def test_the_contour_is_neither_and_an_object_has_a_cell_at_least():
    foreground, background = cells_of(torch.tensor([[0.5, 0.3, 0.1, 0.0], [0.05, 0.4, 0.0, 0.4]]))
    assert foreground.tolist() == [[True, False, False, False], [False, True, False, False]]
    assert background.tolist() == [[False, False, True, True], [True, False, True, False]]


def test_without_background_its_maps_are_minus_one():
    template, _ = two_cells()
    matching = BestSimilarities(3, isometric=True)
    maps, logit = compared(matching, template, torch.ones(1, 1, 2), one_pixel(0.6, 0.8))
    assert maps.flatten().tolist() == pytest.approx([0.8, 0.6, -1, -1, -1, -1])
    assert logit.item() == pytest.approx(10 * (0.7 + 1))


def test_the_margin_is_of_the_four_best():
    best = torch.tensor([0.9, 0.8, 0.7, 0.6, 0.5])[None, :, None]
    for count, mean in ((5, 0.75), (2, 0.85), (1, 0.9)):
        members = (torch.arange(6) < count)[None]
        assert mean_of_best(best, members).item() == pytest.approx(mean)


def test_similarities_have_a_full_gradient():
    torch.manual_seed(0)
    template = torch.randn(1, 3, 2, 4, requires_grad=True)
    pixels = torch.randn(1, 3, 5, 6, requires_grad=True)
    masks = torch.tensor([[[1.0, 1, 0, 0], [1, 0.3, 0, 0]]])
    maps, logit = compared(BestSimilarities(2, isometric=True), template, masks, pixels)
    (maps.square().sum() + logit.sum()).backward()
    assert pixels.grad.isfinite().all()
    assert (pixels.grad != 0).any(dim=1).all()
    cells = (template.grad[0] != 0).any(dim=0)
    assert not cells[1, 1]  # on the contour
    assert cells.sum() > 3


# --- votes


def rectangle(size=(4, 6)):
    labels = torch.zeros(1, *size, dtype=torch.uint8)
    labels[0, 1:3, 2:6] = 1
    return labels


def test_targets_lead_to_the_centre_of_the_box():
    target, on = offset_targets(rectangle(), (4, 6))
    assert target[0, :, 1, 2].tolist() == pytest.approx([0.125, 0.25])
    assert target[0, :, 1, 3].tolist() == pytest.approx([0.125, 0.0833], abs=1e-4)
    assert target[0, :, 2, 5].tolist() == pytest.approx([-0.125, -0.25])
    assert on.sum() == 8
    assert on[0].equal(rectangle()[0] > 0)


def test_only_cells_of_instances_carry_a_loss():
    labels = rectangle((32, 48)).zero_()
    labels[0, 8:24, 16:48] = 2  # what was not chosen counts, too
    boxes = torch.tensor([[[0, 0, 32, 48]]])
    target, _ = offset_targets(rectangle(), (4, 6))
    offset = target[:, None] + 9 * (rectangle() == 0)[:, None, None]
    one = torch.tensor([1])
    assert offset_loss(offset, boxes, labels, one).item() == pytest.approx(0, abs=1e-6)
    off = offset_loss(target[:, None] + 0.1, boxes, labels, one).item()
    assert off == pytest.approx(0.1 - 0.025, abs=1e-5)  # smooth L1, β = 0.05
    assert offset_loss(offset, boxes, torch.zeros_like(labels), one).item() == 0


def test_the_centre_map():
    offset = torch.tensor([[0.0, 0.0], [0.0, 0.15], [0.15, 0.15]])
    votes = 0.5 + offset  # of the middle of the one pixel
    near = centre_map((votes - 0.5)[..., None, None], torch.full((3, 2), 0.5), 0.15)
    assert near.flatten().tolist() == pytest.approx([1, 0.6065, 0.3679], abs=1e-4)


@pytest.mark.parametrize(("apart", "at_most"), [(0.5, 0.05), (0.4, math.exp(-3.5))])
def test_a_look_alike_beside_the_object_is_damped(apart, at_most):
    """Two equal squares side by side, perfect votes, the centre before on the left one."""
    cells = (20, 40)
    labels = torch.zeros(1, 40, 80, dtype=torch.uint8)
    labels[0, 12:28, 8:24] = 1
    shift = round(80 * apart)
    labels[0, 12:28, 8 + shift : 24 + shift] = 2
    target, on = offset_targets(labels, cells)
    left = on & (torch.arange(40) < 14)
    centre = (target + places(cells, target.device))[0][:, left[0]].mean(dim=1)
    near = centre_map(target, centre[None], 0.15)
    assert near[left].min() > 0.95
    assert near[on & ~left].max() < at_most


def test_the_margins_loss_leaves_the_contour_out():
    labels = torch.zeros(1, 16, 32, dtype=torch.uint8)
    labels[0, :, :8] = 1
    labels[0, :, 8:10] = 1  # a quarter of the second column of cells
    boxes = torch.tensor([[[0, 0, 16, 32]]])
    logit = torch.full((1, 1, 2, 4), -50.0)
    logit[..., 0], logit[..., 1] = 50.0, 50.0
    assert margin_loss(logit, boxes, labels, torch.tensor([1])).item() == pytest.approx(0, abs=1e-6)
    logit[..., 2] = 50.0
    assert margin_loss(logit, boxes, labels, torch.tensor([1])).item() == pytest.approx(50 / 3)


def test_objects_that_do_not_exist_have_no_say():
    labels, boxes = torch.zeros(1, 32, 48, dtype=torch.uint8), torch.tensor([[[0, 0, 32, 48]] * 2])
    labels[0, 8:24, 16:] = 1
    logit, offset = torch.randn(1, 2, 4, 6), torch.randn(1, 2, 2, 4, 6)
    for loss, values in ((margin_loss, logit), (offset_loss, offset)):
        one, two = (loss(values, boxes, labels, torch.tensor([n])) for n in (1, 2))
        alone = loss(values[:, :1], boxes[:, :1], labels, torch.tensor([1]))
        assert one.item() == pytest.approx(alone.item())
        assert one.item() != pytest.approx(two.item())


# --- fusion


def test_fusion_tells_maps_that_are_the_same_everywhere():
    torch.manual_seed(0)
    fuse = Fusion(6, 16)
    maps, margin, previous = torch.rand(1, 6, 5, 7), torch.rand(1, 5, 7), torch.rand(1, 5, 7)
    voted = l2_normalise(torch.rand(1, 1, 5, 7))[:, 0] * torch.rand(1, 5, 7)
    shifted = maps.clone()
    shifted[:, :3] += 0.3
    results = [
        fuse(maps, margin, torch.ones(1, 5, 7), previous),
        fuse(maps, margin, torch.zeros(1, 5, 7), previous),
        fuse(maps, margin, voted, previous),
        fuse(shifted, margin, torch.ones(1, 5, 7), previous),
    ]
    for number, one in enumerate(results):
        assert all((one - other).abs().max() > 1e-2 for other in results[:number])
