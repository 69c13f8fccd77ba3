import box_rule
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from ranet.methods.crops import (
    box_around,
    box_of_sides,
    crop_resize,
    crop_resize_nearest,
    extents,
    paste_back,
    sides_around,
    smooth_sides,
    whole_frame,
)

RULE = {"aspect": (480, 864), "scale": 1.5, "smallest": 32}


def mask_with(rows, columns, size=(480, 864)):
    """1×H×W with an object at rows y0…y1 and columns x0…x1, both included."""
    mask = torch.zeros(1, *size, dtype=torch.bool)
    mask[:, rows[0] : rows[1] + 1, columns[0] : columns[1] + 1] = True
    return mask


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [
        # tall: a = 1.5·100/2 = 75; half width ⌊75·1.8⌋ = 135; centre (150, 410)
        ((100, 200), (400, 420), (75, 275, 225, 545)),
        # wide: a = 480/864·1.5·199/2 = 82.9…; half width ⌊149.25⌋ = 149; centre (205, 399)
        ((200, 210), (300, 499), (123, 250, 287, 548)),
        # odd sums: the centre is rounded down: (100+201)//2 = 150, (400+421)//2 = 410
        ((100, 201), (400, 421), (75, 274, 225, 546)),
        # clipped at the top and at the left: a = 75, half width 135; centre (50, 10)
        ((0, 100), (0, 20), (0, 0, 125, 145)),
        # clipped at the bottom and at the right: centre (429, 853)
        ((379, 479), (843, 863), (354, 718, 480, 864)),
        # all of the frame: the box leaves it on every side
        ((0, 479), (0, 863), (0, 0, 480, 864)),
    ],
)
def test_box_around_follows_the_released_rule(rows, columns, expected):
    assert box_around(mask_with(rows, columns), **RULE).tolist() == [list(expected)]


def test_box_is_the_whole_frame_without_an_object():
    nothing = torch.zeros(1, 480, 864, dtype=torch.bool)
    assert box_around(nothing, **RULE).tolist() == [[0, 0, 480, 864]]


@pytest.mark.parametrize(
    ("last_row", "expected"),
    [
        (121, (0, 0, 480, 864)),  # a = 1.5·21/2 = 15.75: 30 rows, below 32
        (122, (95, 381, 127, 439)),  # a = 16.5: 32 rows; half width ⌊29.7⌋ = 29
    ],
)
def test_a_box_below_the_smallest_side_is_the_whole_frame(last_row, expected):
    box = box_around(mask_with((100, last_row), (405, 416)), **RULE)
    assert box.tolist() == [list(expected)]


@pytest.mark.parametrize(
    ("last_row", "expected"),
    [
        (223, (194, 831, 228, 864)),  # half width ⌊1.8·17.25⌋ = 31: 31 + 2 columns are left
        (222, (0, 0, 480, 864)),  # half width ⌊1.8·16.5⌋ = 29: 29 + 2 columns, below 32
    ],
)
def test_a_box_cut_thin_by_the_border_is_the_whole_frame(last_row, expected):
    box = box_around(mask_with((200, last_row), (862, 863)), **RULE)
    assert box.tolist() == [list(expected)]


def test_every_video_of_a_batch_has_its_own_box():
    masks = torch.cat([mask_with((100, 200), (400, 420)), torch.zeros(1, 480, 864).bool()])
    assert box_around(masks, **RULE).tolist() == [[75, 275, 225, 545], [0, 0, 480, 864]]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_box_around_agrees_with_the_rule_in_plain_numbers(data):
    height, width = data.draw(st.sampled_from([(480, 864), (128, 224), (200, 90)]))
    y0 = data.draw(st.integers(0, height - 1))
    y1 = data.draw(st.integers(y0, height - 1))
    x0 = data.draw(st.integers(0, width - 1))
    x1 = data.draw(st.integers(x0, width - 1))
    rule = {
        "aspect": data.draw(st.sampled_from([(480, 864), (128, 224), (64, 96)])),
        "scale": data.draw(st.sampled_from([1.5, 1.0, 2.3])),
        "smallest": data.draw(st.sampled_from([1, 32])),
    }
    mask = mask_with((y0, y1), (x0, x1), (height, width))
    expected = box_rule.box_around(mask[0].numpy(), **rule)
    assert box_around(mask, **rule).tolist() == [list(expected)]


@st.composite
def boxes_in_frames(draw):
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 60))
    top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    bottom, right = draw(st.integers(top + 1, height)), draw(st.integers(left + 1, width))
    size = draw(st.integers(1, 50)), draw(st.integers(1, 50))
    return (height, width), (top, left, bottom, right), size


@settings(max_examples=80, deadline=None)
@given(boxes_in_frames(), st.integers(0, 2**31))
def test_crop_resize_is_crop_then_interpolate(case, seed):
    frame, (top, left, bottom, right), size = case
    image = torch.rand(1, 3, *frame, generator=torch.Generator().manual_seed(seed))
    box = torch.tensor([[top, left, bottom, right]])
    cut = image[..., top:bottom, left:right]
    expected = F.interpolate(cut, size, mode="bilinear", align_corners=False)
    torch.testing.assert_close(crop_resize(image, box, size), expected, rtol=0, atol=2e-5)


@settings(max_examples=80, deadline=None)
@given(boxes_in_frames(), st.integers(0, 2**31))
def test_crop_resize_nearest_takes_the_pixel_under_each_centre(case, seed):
    frame, (top, left, bottom, right), size = case
    image = torch.rand(1, 3, *frame, generator=torch.Generator().manual_seed(seed))
    cut = image[..., top:bottom, left:right]
    rows = [(2 * i + 1) * (bottom - top) // (2 * size[0]) for i in range(size[0])]
    columns = [(2 * i + 1) * (right - left) // (2 * size[1]) for i in range(size[1])]
    nearest = crop_resize_nearest(image, torch.tensor([[top, left, bottom, right]]), size)
    assert nearest.equal(cut[..., rows, :][..., columns])


def test_crop_resize_nearest_is_torchs_nearest_exact():
    image = torch.rand(1, 3, 480, 864, generator=torch.Generator().manual_seed(0))
    nearest = crop_resize_nearest(image, torch.tensor([[75, 275, 226, 547]]), (480, 864))
    cut = image[..., 75:226, 275:547]
    assert nearest.equal(F.interpolate(cut, (480, 864), mode="nearest-exact"))


@settings(max_examples=80, deadline=None)
@given(boxes_in_frames(), st.integers(0, 2**31))
def test_paste_back_interpolates_into_the_box_and_is_zero_elsewhere(case, seed):
    frame, (top, left, bottom, right), size = case
    crop = torch.rand(1, 2, *size, generator=torch.Generator().manual_seed(seed))
    expected = torch.zeros(1, 2, *frame)
    expected[..., top:bottom, left:right] = F.interpolate(
        crop, (bottom - top, right - left), mode="bilinear", align_corners=False
    )
    pasted = paste_back(crop, torch.tensor([[top, left, bottom, right]]), frame)
    torch.testing.assert_close(pasted, expected, rtol=0, atol=2e-5)


def test_crop_resize_of_a_real_size_is_crop_then_interpolate():
    image = torch.rand(1, 3, 480, 864, generator=torch.Generator().manual_seed(1))
    box = torch.tensor([[75, 275, 226, 547]])
    expected = F.interpolate(
        image[..., 75:226, 275:547], (480, 864), mode="bilinear", align_corners=False
    )
    torch.testing.assert_close(crop_resize(image, box, (480, 864)), expected, rtol=0, atol=2e-4)


def test_nothing_outside_the_box_enters_the_crop():
    image = torch.full((1, 1, 30, 40), 1e6)
    image[..., 10:20, 15:30] = 0.5
    crop = crop_resize(image, torch.tensor([[10, 15, 20, 30]]), (64, 96))
    torch.testing.assert_close(crop, torch.full((1, 1, 64, 96), 0.5), rtol=0, atol=1e-3)
    crop = crop_resize_nearest(image, torch.tensor([[10, 15, 20, 30]]), (64, 96))
    assert crop.eq(0.5).all()


def test_pasting_back_a_crop_of_the_same_size_restores_it():
    image = torch.rand(1, 2, 50, 70, generator=torch.Generator().manual_seed(2))
    box = torch.tensor([[5, 7, 45, 61]])
    restored = paste_back(crop_resize(image, box, (40, 54)), box, (50, 70))
    torch.testing.assert_close(restored[..., 5:45, 7:61], image[..., 5:45, 7:61], rtol=0, atol=1e-5)
    assert restored[..., :5, :].eq(0).all()
    assert restored[..., :7].eq(0).all()
    assert restored[..., 45:, :].eq(0).all()
    assert restored[..., 61:].eq(0).all()


def test_each_image_of_a_batch_is_cropped_by_its_own_box():
    image = torch.rand(2, 3, 40, 60, generator=torch.Generator().manual_seed(3))
    box = torch.tensor([[0, 0, 20, 30], [11, 7, 40, 60]])
    both = crop_resize(image, box, (16, 24))
    for item in range(2):
        alone = crop_resize(image[item : item + 1], box[item : item + 1], (16, 24))
        torch.testing.assert_close(both[item : item + 1], alone, rtol=0, atol=1e-6)


def test_whole_frame_at_its_own_size_changes_nothing():
    image = torch.rand(2, 3, 48, 86, generator=torch.Generator().manual_seed(4))
    box = whole_frame(2, (48, 86), "cpu")
    assert box.tolist() == [[0, 0, 48, 86]] * 2
    torch.testing.assert_close(crop_resize(image, box, (48, 86)), image, rtol=0, atol=1e-5)


def test_boxes_are_tensors_of_whole_numbers():
    box = box_around(mask_with((100, 200), (400, 420)), **RULE)
    assert box.dtype == torch.int64
    assert box.shape == (1, 4)


FRAME = (480, 854)


def smoothed_widths(masks: list[float | None], smoothing: float, first: float) -> list[float]:
    """Widths of the crops that follow masks of these widths (None: nothing found)."""
    sides, widths = torch.tensor([[first, first]]), []
    for width in masks:
        found = torch.tensor([width is not None])
        wanted = torch.full((1, 2), 1.5 * (width or 0))
        sides = smooth_sides(sides, wanted, found, smoothing, FRAME)
        widths.append(sides[0, 1].item())
    return widths


@pytest.mark.parametrize(
    ("smoothing", "masks", "first", "expected"),
    [  # the numbers of the specification
        (0.5, [100, 120, 80, None, 80], 150, [150, 165, 142.5, 178.125, 149.0625]),
        (0.0, [100, 120, 80, None, 80], 150, [150, 180, 120, 150, 120]),
        (0.5, [100, 100, 100], 300, [225, 187.5, 168.75]),
    ],
)
def test_sides_follow_the_mask_by_equation_1(smoothing, masks, first, expected):
    assert smoothed_widths(masks, smoothing, first) == pytest.approx(expected)


def test_without_an_object_the_sides_grow_to_those_of_the_frame():
    assert smoothed_widths([None] * 20, 0.5, 10)[-1] == FRAME[1]


@pytest.mark.parametrize(
    ("centre", "sides", "expected"),
    [
        ((30, 70), (60, 90), (0, 25, 60, 115)),
        ((30.5, 70), (61, 90), (0, 25, 61, 115)),
        ((2, 70), (60, 90), (0, 25, 32, 115)),
        ((1, 70), (60, 90), (0, 0, 100, 200)),  # 31 rows are left
    ],
)
def test_boxes_of_sides(centre, sides, expected):
    box = box_of_sides(torch.tensor([centre]), torch.tensor([sides]), size=(100, 200), smallest=32)
    assert box.tolist() == [list(expected)]


def test_unsmoothed_sides_are_those_of_the_released_rule():
    mask = mask_with((100, 200), (400, 420))
    sides = sides_around(mask, aspect=(480, 864), scale=1.5)
    assert sides.tolist() == [[150, 270]]
    first, last = extents(mask)
    box = box_of_sides((first + last) // 2, sides, size=(480, 864), smallest=32)
    assert box.equal(box_around(mask, **RULE))
