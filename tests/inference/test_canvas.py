import pytest
import torch
from colour_network import ColourNetwork
from moving_squares import iou, moving
from torch.nn import functional as F

from ranet.config import InferenceConfig
from ranet.inference.canvas import Canvas
from ranet.inference.segmenter import VideoSegmenter
from ranet.methods.crops import network_size, shaped_like

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
    ("frame", "size", "fitted", "top", "left"),
    [
        ((480, 864), SIZE, (480, 864), 0, 0),
        ((1080, 1920), SIZE, (480, 853), 0, 5),
        ((2160, 3840), SIZE, (480, 853), 0, 5),
        ((240, 432), SIZE, (480, 864), 0, 0),
        ((24, 32), SIZE, (480, 640), 0, 112),  # tiny
        ((1920, 1080), (864, 480), (853, 480), 5, 0),  # portrait
        ((854, 480), (864, 480), (854, 480), 5, 0),
        ((4, 3), (736, 560), (736, 552), 0, 4),
        ((1, 1), (640, 640), (640, 640), 0, 0),
        ((100, 400), (320, 1280), (320, 1280), 0, 0),
        ((2, 4000), (320, 1280), (1, 1280), 159, 0),  # not even one row would fit
    ],
)
def test_frames_are_fitted_with_their_aspect_kept_and_centred(frame, size, fitted, top, left):
    canvas = Canvas.for_frames(frame, SIZE)
    assert canvas.size == size
    assert (canvas.fitted, canvas.top, canvas.left) == (fitted, top, left)
    assert 0.95 < size[0] * size[1] / (480 * 864) < 1.05
    placed = canvas.place(torch.ones(1, 3, *frame))
    assert placed.shape == (1, 3, *size)
    assert placed.sum() == pytest.approx(3 * fitted[0] * fitted[1], rel=1e-5)
    inside = placed[..., top : top + fitted[0], left : left + fitted[1]]
    torch.testing.assert_close(inside, torch.ones_like(inside))
    assert canvas.restore(placed).shape == (1, 3, *frame)


@pytest.mark.parametrize("width", [640, 720, 854, 910, 1152, 1280])
def test_all_widths_of_davis_stay_on_one_canvas(width):
    assert Canvas.for_frames((480, width), SIZE).size == SIZE
    assert network_size(SIZE, SIZE, (240, 432)) == (240, 432)


def test_the_network_is_given_as_many_pixels_of_every_shape():
    assert network_size((864, 480), SIZE, SIZE) == (864, 480)
    assert network_size((864, 480), SIZE, (240, 432)) == (432, 240)
    assert network_size((640, 640), SIZE, (240, 432)) == (320, 320)
    assert network_size((854, 480), None, (240, 432)) == (432, 240)  # its own canvas
    assert network_size(SIZE, SIZE, (300, 300)) == (300, 300)  # as asked for
    assert min(shaped_like((1, 9), (40, 40))) > 32


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
    labels = ids[(random_image(101, 177)[:, 0] * 3).long()]
    placed = Canvas.for_frames((101, 177), SIZE).place_labels(labels)
    assert placed.shape == (1, *SIZE)
    assert placed.unique().tolist() == [0, 1, 7, 254]


@pytest.mark.parametrize("part", [(slice(21, 58), slice(None)), (slice(None), slice(33, 104))])
def test_labels_lie_where_their_image_lies(part):
    labels = torch.zeros(1, 100, 140, dtype=torch.uint8)
    labels[0][part] = 1
    canvas = Canvas.for_frames((100, 140), SIZE)
    as_image = canvas.place(labels[:, None].float().expand(-1, 3, -1, -1))[:, 0]
    assert canvas.place_labels(labels).equal((as_image > 0.5).byte())


@pytest.mark.parametrize("crop", ["around_objects", "whole_frame"])
def test_a_portrait_video_is_seen_and_segmented_in_portrait(crop):
    video = moving((320, 180), 3, {1: (40, 30), 2: (200, 100)}, side=40)
    network = ColourNetwork()
    config = InferenceConfig(
        input_size=(48, 80), frame_size=(160, 288), crop=crop, smallest_crop=8, device="cpu"
    )
    segmenter = VideoSegmenter(network, config)
    segmenter.start(*video[0])
    for frame, truth in video[1:]:
        labels = segmenter.step(frame)
        assert all(iou(labels == k, truth == k) > 0.85 for k in (1, 2))
    assert network.seen["image"].shape[-2:] == (80, 48)
    assert network.seen["template_image"].shape[-2:] == (80, 48)
