import pytest
import torch
from torch.nn import functional as F

from ranet.inference.canvas import Canvas

SIZE = (480, 864)


def random_image(*size, channels=3, seed=0):
    return torch.rand(1, channels, *size, generator=torch.Generator().manual_seed(seed))


def test_a_davis_frame_gets_five_columns_on_either_side_and_stays_as_it_is():
    image = random_image(480, 854)
    canvas = Canvas.for_frames((480, 854), SIZE)
    placed = canvas.place(image)
    assert placed.shape == (1, 3, 480, 864)
    assert placed[..., :5].eq(0).all()
    assert placed[..., -5:].eq(0).all()
    assert placed[..., 5:-5].equal(image)


def test_restoring_a_davis_frame_cuts_the_padding_off_and_nothing_else():
    probabilities = random_image(480, 864, channels=2)
    restored = Canvas.for_frames((480, 854), SIZE).restore(probabilities)
    assert restored.equal(probabilities[..., 5:-5])


@pytest.mark.parametrize(
    ("frame", "fitted", "top", "left"),
    [
        ((480, 864), (480, 864), 0, 0),
        ((1080, 1920), (480, 853), 0, 5),
        ((2160, 3840), (480, 853), 0, 5),
        ((240, 432), (480, 864), 0, 0),
        ((854, 480), (480, 270), 0, 297),  # portrait
        ((100, 864), (100, 864), 190, 0),
        ((24, 32), (480, 640), 0, 112),  # tiny
        ((1, 1), (480, 480), 0, 192),
        ((2, 4000), (1, 864), 239, 0),  # not even one row would fit
    ],
)
def test_frames_are_fitted_with_their_aspect_kept_and_centred(frame, fitted, top, left):
    canvas = Canvas.for_frames(frame, SIZE)
    assert (canvas.fitted, canvas.top, canvas.left) == (fitted, top, left)
    placed = canvas.place(torch.ones(1, 3, *frame))
    assert placed.shape == (1, 3, *SIZE)
    assert placed.sum() == pytest.approx(3 * fitted[0] * fitted[1], rel=1e-5)
    inside = placed[..., top : top + fitted[0], left : left + fitted[1]]
    torch.testing.assert_close(inside, torch.ones_like(inside))
    assert canvas.restore(placed).shape == (1, 3, *frame)


def test_without_a_size_a_frame_is_its_own_canvas():
    image = random_image(37, 53)
    canvas = Canvas.for_frames((37, 53), None)
    assert canvas.size == (37, 53)
    assert canvas.place(image).equal(image)
    labels = (image[:, 0] * 255).byte()
    assert canvas.place_labels(labels).equal(labels)
    assert canvas.restore(image).equal(image)


def test_probabilities_are_resized_bilinearly():
    probabilities = random_image(480, 864, channels=1)
    restored = Canvas.for_frames((1080, 1920), SIZE).restore(probabilities)
    expected = F.interpolate(
        probabilities[..., 5:-6], (1080, 1920), mode="bilinear", align_corners=False
    )
    assert restored.equal(expected)


def test_large_frames_are_smoothed_before_they_shrink():
    stripes = torch.zeros(1, 3, 480 * 4, 864 * 4)
    stripes[..., ::4] = 1
    placed = Canvas.for_frames((480 * 4, 864 * 4), SIZE).place(stripes)
    assert (placed - 0.25).abs().max() < 0.1  # two pixels of four would miss the white one


def test_labels_keep_their_values():
    ids = torch.tensor([1, 7, 254], dtype=torch.uint8)
    labels = ids[(random_image(101, 77)[:, 0] * 3).long()]
    placed = Canvas.for_frames((101, 77), SIZE).place_labels(labels)
    assert placed.shape == (1, *SIZE)
    assert placed.unique().tolist() == [0, 1, 7, 254]


@pytest.mark.parametrize("part", [(slice(21, 58), slice(None)), (slice(None), slice(33, 104))])
def test_labels_lie_where_their_image_lies(part):
    labels = torch.zeros(1, 100, 140, dtype=torch.uint8)
    labels[0][part] = 1
    canvas = Canvas.for_frames((100, 140), SIZE)
    as_image = canvas.place(labels[:, None].float().expand(-1, 3, -1, -1))[:, 0]
    assert canvas.place_labels(labels).equal((as_image > 0.5).byte())
