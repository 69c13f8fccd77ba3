import gc
import tracemalloc

import numpy as np
import pytest
import torch
from box_rule import box_around
from colour_network import ColourNetwork
from moving_squares import COLOURS, draw, iou, moving
from tiny_ranet import tiny_ranet
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from ranet import device as devices
from ranet.config import InferenceConfig
from ranet.errors import ConfigError, DataError
from ranet.inference.segmenter import VideoSegmenter

SIZE = (120, 216)


def config(**changes):
    small = {"input_size": SIZE, "frame_size": SIZE, "smallest_crop": 16, "device": "cpu"}
    return InferenceConfig(**{**small, **changes})


def follow(video, network=None, **changes):
    """Labels of all frames; the first frame's labels are given."""
    segmenter = VideoSegmenter(network or ColourNetwork(), config(**changes))
    (frame, labels), *rest = video
    return [segmenter.start(frame, labels), *(segmenter.step(frame) for frame, _ in rest)]


# --- what comes out


def test_a_moving_square_is_followed_exactly_on_the_whole_frame():
    video = moving(SIZE, 12, {1: (10, 10)})
    for result, (_, truth) in zip(follow(video, crop="whole_frame"), video, strict=True):
        assert result.dtype == np.uint8
        assert (result == truth).all()


@pytest.mark.parametrize("fusion", ["softmax", "sigmoid"])
@pytest.mark.parametrize("previous_mask", ["thresholded", "probability", "none"])
def test_crops_follow_several_squares(fusion, previous_mask):
    video = moving(SIZE, 6, {1: (10, 10), 2: (40, 60), 5: (5, 100)})
    results = follow(video, fusion=fusion, previous_mask=previous_mask)
    for result, (_, truth) in zip(results, video, strict=True):
        assert all(iou(result == k, truth == k) > 0.9 for k in (1, 2, 5))
        assert set(np.unique(result)) == {0, 1, 2, 5}


def test_ids_keep_their_gaps():
    video = moving(SIZE, 4, {9: (10, 10), 1: (40, 60), 5: (5, 100)})
    segmenter = VideoSegmenter(ColourNetwork(), config())
    segmenter.start(*video[0])
    assert segmenter.ids == (1, 5, 9)
    result = segmenter.step(video[1][0])
    assert set(np.unique(result)) == {0, 1, 5, 9}
    assert all(iou(result == k, video[1][1] == k) > 0.9 for k in (1, 5, 9))


@pytest.mark.parametrize(
    ("size", "side"),
    [((216, 120), 24), ((24, 32), 12), ((37, 201), 20), ((1080, 1920), 200), ((9, 9), 5)],
    ids=["portrait", "tiny", "wide", "HD", "smaller than a crop"],
)
@pytest.mark.parametrize("frame_size", [SIZE, None])
def test_frames_of_any_size_come_back_at_their_own(size, side, frame_size):
    video = moving(size, 3, {1: (1, 2)}, step=(1, 1), side=side)
    for result, (_, truth) in zip(follow(video, frame_size=frame_size), video, strict=True):
        assert result.shape == size
        assert iou(result == 1, truth == 1) > 0.75


def test_a_large_frame_is_labelled_a_few_objects_at_a_time():
    video = moving((720, 1280), 2, {1: (10, 10), 2: (130, 200), 5: (5, 1000)}, side=200)
    together = follow(video, objects_at_once=3)[1]
    one_by_one = follow(video, objects_at_once=1)[1]
    assert together.shape == (720, 1280)
    assert all(iou(together == k, video[1][1] == k) > 0.9 for k in (1, 2, 5))
    assert (together == one_by_one).all()


def test_void_counts_as_background():
    frame, labels = draw(SIZE, [(1, 20, 20, 30)])
    with_void = labels.copy()
    with_void[:10] = 255
    network = ColourNetwork()
    segmenter = VideoSegmenter(network, config())
    assert (segmenter.start(frame, with_void) == labels).all()
    assert segmenter.ids == (1,)
    assert (segmenter.step(frame) > 0).sum() == pytest.approx(30 * 30, rel=0.1)


def test_start_returns_the_labels_as_given_at_any_size():
    frame, labels = draw((501, 333), [(1, 20, 20, 31), (5, 300, 100, 17)])
    assert (VideoSegmenter(ColourNetwork(), config()).start(frame, labels) == labels).all()


def test_other_integer_types_and_booleans_are_labels_too():
    frame, labels = draw(SIZE, [(1, 20, 20, 30)])
    for kind in (bool, np.int64, np.uint16):
        result = VideoSegmenter(ColourNetwork(), config()).start(frame, labels.astype(kind))
        assert result.dtype == np.uint8
        assert (result == labels).all()


def test_results_are_not_overwritten_by_later_frames():
    video = moving(SIZE, 5, {1: (10, 10)})
    segmenter = VideoSegmenter(ColourNetwork(), config())
    segmenter.start(*video[0])
    first = segmenter.step(video[1][0])
    before = first.copy()
    first_again = segmenter.step(video[4][0])
    assert (first == before).all()
    assert (first_again != before).any()


@pytest.mark.parametrize("frame_size", [SIZE, None])
def test_an_object_too_small_to_be_seen_is_named(frame_size):
    frame, labels = draw((480, 864), [(1, 20, 20, 300), (5, 400, 600, 1)])
    segmenter = VideoSegmenter(ColourNetwork(), config(frame_size=frame_size))
    message = r"1 of 2 objects .* last masks: 5 \(1 pixel\); a frame of 480×864 .*input_size"
    with pytest.warns(UserWarning, match=message) as caught:
        segmenter.start(frame, labels)
    assert len(caught) == 1
    assert set(np.unique(segmenter.step(frame))) == {0, 1}


def test_many_objects_too_small_are_told_in_one_line():
    """As a smoothed mask has them: its edges are ids of single pixels."""
    frame, labels = draw((480, 864), [(1, 20, 20, 300)])
    labels[400, 100:800:10] = np.arange(2, 72)
    with pytest.warns(UserWarning, match=r"70 of 71 objects .* \(70 in all\);.*smooth") as caught:
        VideoSegmenter(ColourNetwork(), config(frame_size=(480, 864))).start(frame, labels)
    assert len(caught) == 1


def test_an_only_object_too_small_to_be_seen_is_an_error():
    frame, labels = draw((720, 1280), [(1, 233, 300, 1)])
    segmenter = VideoSegmenter(ColourNetwork(), config())
    with pytest.raises(DataError, match=r"All .* too small .*: 1 \(1 pixel\);.*frame_size"):
        segmenter.start(frame, labels)


def test_many_objects_need_no_mask_each_at_the_frames_size():
    frame, _ = draw((1080, 1920), [])
    labels = np.zeros((1080, 1920), np.uint8)
    labels[:, :1200] = np.arange(1, 21).repeat(60)
    segmenter = VideoSegmenter(ColourNetwork(), config())
    with LargestTensor() as largest:
        segmenter.start(frame, labels)
    assert segmenter.probabilities.shape[0] == 20
    assert largest.bytes <= frame.size * 4  # the frame in floats


class LargestTensor(TorchDispatchMode):
    """Notes the size of the largest tensor that comes out of an operator."""

    bytes = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.bytes = max(self.bytes, result.nbytes)
        return result


def test_what_the_caller_does_to_a_result_is_no_concern_of_the_video():
    video = appearing()
    segmenter = VideoSegmenter(ColourNetwork(), config())
    segmenter.start(*video[0])[:] = 77
    for frame, _ in video[1:3]:
        segmenter.step(frame)[:] = 77
    result = segmenter.add_objects(video[2][0], only(video[2][1], 5))
    assert set(np.unique(result)) == {0, 1, 5}


def test_mirrored_and_read_only_frames_are_taken():
    video = moving(SIZE, 2, {1: (10, 10)})
    mirrored = [(frame[:, ::-1], labels[:, ::-1]) for frame, labels in video]
    for frame, _ in mirrored:
        frame.flags.writeable = False
    plain = follow(video, crop="whole_frame")[1]
    assert (follow(mirrored, crop="whole_frame")[1] == plain[:, ::-1]).all()


def test_probabilities_are_those_behind_the_labels():
    video = moving((200, 300), 3, {1: (10, 10), 2: (100, 160)}, side=40)
    segmenter = VideoSegmenter(ColourNetwork(confidence=8), config())
    segmenter.start(*video[0])
    given = segmenter.probabilities
    assert given.shape == (2, 200, 300)
    assert set(np.unique(given.round(3))) >= {0, 1}
    labels = segmenter.step(video[1][0])
    probabilities = segmenter.probabilities
    assert probabilities.dtype == np.float32
    assert probabilities.min() >= 0
    assert probabilities.sum(axis=0).max() <= 1 + 1e-6
    scores = np.concatenate([1 - probabilities.sum(axis=0, keepdims=True), probabilities])
    assert (scores.argmax(axis=0) == labels).mean() > 0.9999


def test_starting_again_forgets_the_first_video():
    segmenter = VideoSegmenter(ColourNetwork(), config())
    segmenter.start(*draw((300, 200), [(1, 20, 20, 30), (2, 100, 100, 30)]))
    frame, labels = draw(SIZE, [(5, 20, 20, 30)])
    segmenter.start(frame, labels)
    assert segmenter.ids == (5,)
    assert set(np.unique(segmenter.step(frame))) == {0, 5}


def test_a_step_is_timed():
    segmenter = VideoSegmenter(ColourNetwork(), config())
    frame, labels = draw(SIZE, [(1, 20, 20, 30)])
    segmenter.start(frame, labels)
    segmenter.step(frame)
    assert segmenter.step_seconds > 0


# --- what the network sees


def test_the_template_is_cropped_around_the_first_mask_and_encoded_once():
    network = ColourNetwork()
    video = moving(SIZE, 9, {1: (30, 50)})
    follow(video, network)
    assert len(network.templates) == 1
    frame, labels = video[0]
    top, left, bottom, right = box_around(labels, aspect=SIZE, scale=1.5, smallest=16)
    assert (bottom - top, right - left) == (34, 62)  # a real crop
    cut = torch.from_numpy(frame)[top:bottom, left:right].permute(2, 0, 1)[None] / 255
    expected = F.interpolate(cut, SIZE, mode="bilinear", align_corners=False)
    torch.testing.assert_close(network.seen["template_image"], expected, rtol=0, atol=1e-4)
    mask = torch.from_numpy(labels)[None, None, top:bottom, left:right].float()
    nearest = F.interpolate(mask, SIZE, mode="nearest-exact")
    assert network.seen["template_masks"].equal(nearest)


def test_every_frame_is_cropped_around_the_prediction_before():
    network = ColourNetwork()
    segmenter = VideoSegmenter(network, config())
    video = moving(SIZE, 10, {1: (10, 10), 2: (20, 40)}, step=(5, 8))
    last = segmenter.start(*video[0])
    crops = set()
    for frame, _ in video[1:]:
        top, left, bottom, right = box_around(last, aspect=SIZE, scale=1.5, smallest=16)
        crops.add((top, left, bottom, right))
        last = segmenter.step(frame)
        cut = torch.from_numpy(frame)[top:bottom, left:right].permute(2, 0, 1)[None] / 255
        expected = F.interpolate(cut, SIZE, mode="bilinear", align_corners=False)
        torch.testing.assert_close(network.seen["image"], expected, rtol=0, atol=1e-4)
    assert len(crops) == 9  # the crop moved with the objects


def test_a_lost_object_is_looked_for_in_the_whole_frame():
    network = ColourNetwork()
    segmenter = VideoSegmenter(network, config())
    segmenter.start(*draw(SIZE, [(1, 20, 20, 24)]))
    empty, _ = draw(SIZE, [])
    assert (segmenter.step(empty) == 0).all()
    frame, truth = draw(SIZE, [(1, 80, 170, 24)])  # far from where it was lost
    assert (segmenter.step(frame) == truth).all()
    whole = torch.from_numpy(frame).permute(2, 0, 1)[None] / 255
    torch.testing.assert_close(network.seen["image"], whole, rtol=0, atol=1e-4)


def test_the_frame_size_differs_from_the_input_size():
    network = ColourNetwork()
    follow(moving((240, 432), 2, {1: (10, 10)}), network, frame_size=(240, 432))
    assert network.seen["image"].shape == (1, 3, *SIZE)
    assert network.seen["previous"].shape == (1, 1, *SIZE)


@pytest.mark.parametrize(
    ("option", "check"),
    [
        ("thresholded", lambda masks: set(masks.unique().tolist()) == {0, 1}),
        ("probability", lambda masks: 0.01 < masks.max() < 0.99),
        ("none", lambda masks: masks.eq(0).all()),
    ],
)
def test_previous_masks_are_what_the_configuration_says(option, check):
    network = ColourNetwork(confidence=8)  # at most a probability of 0.83
    follow(moving(SIZE, 4, {1: (30, 50), 2: (60, 90)}), network, previous_mask=option)
    assert network.seen["previous"].shape == (1, 2, *SIZE)
    assert check(network.seen["previous"])


def test_thresholded_previous_masks_never_overlap():
    network = ColourNetwork(confidence=8)
    follow(moving(SIZE, 4, {1: (30, 50), 2: (40, 60)}), network)
    assert network.seen["previous"].sum(dim=1).max() == 1


def plain_video(network, video, objects, sigmoid):
    """The released rules once more, with slices and ``F.interpolate``: probabilities per frame."""

    def resized(image, size):
        return F.interpolate(image, size, mode="bilinear", align_corners=False)

    def box_of(foreground):
        return box_around(foreground.numpy(), aspect=SIZE, scale=1.5, smallest=16)

    def winners(p):
        scores = torch.cat([(0.5 if sigmoid else 1 - p.sum(1, keepdim=True)) + 0 * p[:, :1], p], 1)
        return scores.argmax(dim=1)

    def tensor(frame):
        return torch.from_numpy(frame).permute(2, 0, 1)[None] / 255

    frame, labels = video[0]
    labels = torch.from_numpy(labels)
    masks = torch.stack([(labels == k).float() for k in range(1, objects + 1)])[None]
    top, left, bottom, right = box_of(labels > 0)
    template = network.encode_template(
        resized(tensor(frame)[..., top:bottom, left:right], SIZE),
        F.interpolate(masks[..., top:bottom, left:right], SIZE, mode="nearest-exact"),
    )
    probabilities, results = masks, []
    for frame, _ in video[1:]:
        top, left, bottom, right = box_of(winners(probabilities)[0] > 0)
        previous = winners(resized(probabilities[..., top:bottom, left:right], SIZE))
        previous = torch.stack([(previous == k).float() for k in range(1, objects + 1)], dim=1)
        encoded = network.encode_frame(resized(tensor(frame)[..., top:bottom, left:right], SIZE))
        logits = network.segment(template, encoded, previous)
        if sigmoid:
            crop = logits.sigmoid()
        else:
            crop = torch.cat([torch.zeros_like(logits[:, :1]), logits], 1).softmax(1)[:, 1:]
        probabilities = torch.zeros(1, objects, *SIZE)
        probabilities[..., top:bottom, left:right] = resized(crop, (bottom - top, right - left))
        results.append(probabilities[0].numpy())
    return results


@pytest.mark.parametrize("fusion", ["softmax", "sigmoid"])
def test_a_video_is_segmented_by_the_released_rules(fusion):
    video = moving(SIZE, 8, {1: (10, 10), 2: (20, 40)}, step=(5, 8))
    segmenter = VideoSegmenter(ColourNetwork(confidence=8), config(fusion=fusion))
    segmenter.start(*video[0])
    expected = plain_video(ColourNetwork(confidence=8), video, 2, sigmoid=fusion == "sigmoid")
    for (frame, _), probabilities in zip(video[1:], expected, strict=True):
        segmenter.step(frame)
        np.testing.assert_allclose(segmenter.probabilities, probabilities, atol=1e-3)


# --- objects that come later


def appearing():
    """Object 1 from the start, object 5 from frame 2 on."""
    video = moving(SIZE, 2, {1: (10, 10)})
    return video + moving(SIZE, 6, {1: (14, 16), 5: (60, 100)})[0:4]


def only(labels, label):
    return np.where(labels == label, labels, 0)


def test_an_object_is_added_in_the_frame_segmented_last():
    video = appearing()
    network = ColourNetwork()
    segmenter = VideoSegmenter(network, config())
    segmenter.start(*video[0])
    segmenter.step(video[1][0])
    segmenter.step(video[2][0])
    result = segmenter.add_objects(video[2][0], only(video[2][1], 5))
    assert segmenter.ids == (1, 5)
    assert len(network.templates) == 2
    assert (result == 5).sum() == 24 * 24
    for frame, truth in video[3:]:
        result = segmenter.step(frame)
        assert all(iou(result == k, truth == k) > 0.9 for k in (1, 5))
    assert segmenter.probabilities.shape == (2, *SIZE)


def test_an_object_added_in_the_next_frame_has_it_segmented_first():
    video = appearing()
    stepped, direct = (VideoSegmenter(ColourNetwork(), config()) for _ in range(2))
    for segmenter in (stepped, direct):
        segmenter.start(*video[0])
        segmenter.step(video[1][0])
    stepped.step(video[2][0])
    new = only(video[2][1], 5)
    assert (stepped.add_objects(video[2][0], new) == direct.add_objects(video[2][0], new)).all()
    assert (stepped.step(video[3][0]) == direct.step(video[3][0])).all()


def test_a_step_that_failed_can_be_taken_again(monkeypatch):
    video = appearing()
    failing, never = (VideoSegmenter(ColourNetwork(), config()) for _ in range(2))
    for segmenter in (failing, never):
        segmenter.start(*video[0])
    with monkeypatch.context() as patch:
        patch.setattr(ColourNetwork, "segment", out_of_memory)
        with pytest.raises(RuntimeError, match="out of memory"):
            failing.add_objects(video[2][0], only(video[2][1], 5))
    new = only(video[2][1], 5)
    assert (failing.add_objects(video[2][0], new) == never.add_objects(video[2][0], new)).all()


def out_of_memory(*_, **__):
    raise RuntimeError("out of memory")


def test_an_object_may_be_added_before_any_step():
    frame, labels = draw(SIZE, [(1, 10, 10, 24), (5, 60, 100, 24)])
    segmenter = VideoSegmenter(ColourNetwork(), config())
    segmenter.start(frame, only(labels, 1))
    assert (segmenter.add_objects(frame, only(labels, 5)) == labels).all()


def test_a_buffer_that_is_filled_again_is_a_new_frame():
    video = appearing()
    segmenter = VideoSegmenter(ColourNetwork(), config())
    segmenter.start(*video[0])
    buffer = video[1][0].copy()
    segmenter.step(buffer)
    buffer[:] = video[2][0]
    result = segmenter.add_objects(buffer, only(video[2][1], 5))
    assert iou(result == 1, video[2][1] == 1) > 0.9


def test_added_objects_win_over_older_ones():
    segmenter = VideoSegmenter(ColourNetwork(), config())
    frame, labels = draw(SIZE, [(1, 10, 10, 40)])
    segmenter.start(frame, labels)
    _, new = draw(SIZE, [(5, 30, 30, 40)])
    result = segmenter.add_objects(frame, new)
    assert (result[30:70, 30:70] == 5).all()
    assert (segmenter.probabilities[0, 30:70, 30:70] == 0).all()
    assert (segmenter.probabilities.sum(axis=0) <= 1).all()


def test_an_added_object_has_a_template_of_its_own():
    network = ColourNetwork()
    segmenter = VideoSegmenter(network, config())
    frame, labels = draw(SIZE, [(1, 10, 10, 24), (5, 60, 100, 24)])
    segmenter.start(frame, only(labels, 1))
    segmenter.add_objects(frame, only(labels, 5))
    top, left, bottom, right = box_around(labels == 5, aspect=SIZE, scale=1.5, smallest=16)
    cut = torch.from_numpy(frame)[top:bottom, left:right].permute(2, 0, 1)[None] / 255
    expected = F.interpolate(cut, SIZE, mode="bilinear", align_corners=False)
    torch.testing.assert_close(network.seen["template_image"], expected, rtol=0, atol=1e-4)
    assert network.seen["template_masks"].shape[1] == 1


def test_all_groups_of_objects_compete_for_a_pixel():
    network = ColourNetwork()
    segmenter = VideoSegmenter(network, config(crop="whole_frame"))
    frame, labels = draw(SIZE, [(1, 10, 10, 24), (5, 60, 100, 24)])
    segmenter.start(frame, only(labels, 5))
    segmenter.add_objects(frame, only(labels, 1))
    assert segmenter.ids == (5, 1)  # in the order in which they came
    assert (segmenter.step(frame) == labels).all()
    np.testing.assert_allclose(
        segmenter.probabilities.sum(axis=0), (labels > 0).astype(float), atol=1e-3
    )


# --- errors


@pytest.mark.parametrize(
    ("frame", "labels", "message"),
    [
        (np.zeros((8, 9), np.uint8), np.ones((8, 9), np.uint8), r"H×W×3 uint8 RGB.*\(8, 9\)"),
        (np.zeros((8, 9, 4), np.uint8), np.ones((8, 9), np.uint8), r"\(8, 9, 4\) of uint8"),
        (np.zeros((8, 9, 3), np.float32), np.ones((8, 9), np.uint8), "float32"),
        (np.zeros((0, 9, 3), np.uint8), np.ones((0, 9), np.uint8), r"\(0, 9, 3\)"),
        (np.zeros((8, 9, 3), np.uint8), np.ones((9, 8), np.uint8), "labels are 9×8, .* is 8×9"),
        (np.zeros((8, 9, 3), np.uint8), np.zeros((8, 9), np.uint8), "mark no object"),
        ([[[0, 0, 0]]], np.ones((1, 1), np.uint8), r"frame should be .* numpy array, found list\."),
        (torch.zeros(8, 9, 3), np.ones((8, 9), np.uint8), "found Tensor"),
        (np.zeros((1, 1, 3), np.uint8), [[1]], r"Labels should be .* numpy array .*found list"),
    ],
)
def test_a_wrong_start_is_an_error(frame, labels, message):
    with pytest.raises(DataError, match=message):
        VideoSegmenter(ColourNetwork(), config()).start(frame, labels)


def test_a_failed_start_leaves_the_video_before_it_alone():
    segmenter = VideoSegmenter(ColourNetwork(), config())
    frame, labels = draw(SIZE, [(1, 20, 20, 30)])
    segmenter.start(frame, labels)
    with pytest.raises(DataError):
        segmenter.start(frame, labels * 0)
    assert iou(segmenter.step(frame) == 1, labels == 1) > 0.9


@pytest.mark.parametrize(
    "use",
    [
        lambda segmenter, frame, labels: segmenter.step(frame),
        lambda segmenter, frame, labels: segmenter.add_objects(frame, labels),
        lambda segmenter, frame, labels: segmenter.probabilities,
        lambda segmenter, frame, labels: segmenter.ids,
    ],
    ids=["step", "add_objects", "probabilities", "ids"],
)
def test_nothing_goes_before_start(use):
    segmenter = VideoSegmenter(ColourNetwork(), config())
    frame, labels = draw(SIZE, [(1, 20, 20, 30)])
    with pytest.raises(DataError, match=r"call start\(frame, labels\)"):
        use(segmenter, frame, labels)


def test_a_frame_of_another_size_is_an_error():
    segmenter = VideoSegmenter(ColourNetwork(), config())
    segmenter.start(*draw(SIZE, [(1, 20, 20, 30)]))
    other, labels = draw((100, 200), [(5, 20, 20, 30)])
    with pytest.raises(DataError, match="is 100×200, but its video began with 120×216"):
        segmenter.step(other)
    with pytest.raises(DataError, match="100×200"):
        segmenter.add_objects(other, labels)
    with pytest.raises(DataError, match="H×W×3"):
        segmenter.step(other[..., 0])
    with pytest.raises(DataError, match="found list"):
        segmenter.step(other.tolist())


def test_an_added_id_has_to_be_new():
    segmenter = VideoSegmenter(ColourNetwork(), config())
    frame, labels = draw(SIZE, [(1, 20, 20, 30), (5, 60, 100, 24)])
    segmenter.start(frame, only(labels, 5))
    with pytest.raises(DataError, match=r"Objects \[5\] are followed already"):
        segmenter.add_objects(frame, labels)
    assert segmenter.ids == (5,)


def test_a_file_is_no_network():
    with pytest.raises(TypeError, match=r"a network, as load_checkpoint.*'file\.pt', a str"):
        VideoSegmenter("file.pt")


def test_a_missing_device_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="no CUDA GPU"):
        VideoSegmenter(ColourNetwork(), config(device="cuda"))


def test_half_precision_is_told_where_it_is_slow(monkeypatch):
    monkeypatch.setattr(devices, "_is_fast_on_this_cpu", lambda dtype: False)
    with pytest.warns(UserWarning, match=r"dtype is bfloat16, .*no instructions") as told:
        VideoSegmenter(ColourNetwork(), config(dtype="bfloat16"))
    assert len(told) == 1


# --- with the network itself


@pytest.mark.parametrize("objects", ["single", "multi"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_the_network_runs_in_every_precision(objects, dtype):
    video = moving((64, 96), 3, {1: (10, 10), 2: (20, 40)})
    segmenter = VideoSegmenter(
        tiny_ranet(objects), config(input_size=(64, 96), frame_size=(64, 96), dtype=dtype)
    )
    segmenter.start(*video[0])
    for frame, _ in video[1:]:
        assert set(np.unique(segmenter.step(frame))) <= {0, 1, 2}
        assert segmenter.probabilities.dtype == np.float32
        assert np.isfinite(segmenter.probabilities).all()


def test_how_many_objects_are_decoded_at_once_changes_nothing():
    video = moving((64, 96), 2, {k: (5 * k, 9 * k) for k in COLOURS})
    small = {"input_size": (64, 96), "frame_size": (64, 96), "crop": "whole_frame"}
    network = tiny_ranet("multi")
    results = []
    for at_once in (3, 16):
        segmenter = VideoSegmenter(network, config(objects_at_once=at_once, **small))
        segmenter.start(*video[0])
        segmenter.step(video[1][0])
        results.append(segmenter.probabilities)
    np.testing.assert_allclose(*results, atol=1e-5)


# --- memory


def tensors_alive():
    gc.collect()
    return [o for o in gc.get_objects() if issubclass(type(o), torch.Tensor)]


def held_bytes(known):
    """Bytes of all tensors that are alive, and of all that Python (numpy included) allocated.

    ``known`` are the ids of tensors that do not count.
    """
    tensors = [tensor for tensor in tensors_alive() if id(tensor) not in known]
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    return sum(storages.values()), tracemalloc.get_traced_memory()[0]


def growth(segmenter, steps=150):
    """How much more is held after ``steps`` frames than after 20, in tensors and in arrays."""
    frame, labels = draw((48, 64), [(1, 10, 10, 20), (2, 20, 36, 20)])
    earlier = tensors_alive()  # kept, as torch's caches may let go of them at any time
    known = set(map(id, earlier))
    tracemalloc.start()
    try:
        segmenter.start(frame, labels)
        held = {}
        for index in range(1, steps + 1):
            segmenter.step(np.roll(frame, index % 7, axis=1))
            if index in (20, steps):
                held[index] = held_bytes(known)
    finally:
        tracemalloc.stop()
    return tuple(late - early for early, late in zip(held[20], held[steps], strict=True))


class KeepsTensors(VideoSegmenter):
    """What must not happen: every frame on its canvas stays alive."""

    def step(self, frame):
        result = super().step(frame)
        self.kept = [*getattr(self, "kept", []), self.video.image]
        return result


class KeepsArrays(VideoSegmenter):
    """What must not happen: every result stays alive."""

    def step(self, frame):
        self.kept = [*getattr(self, "kept", []), super().step(frame)]
        return self.kept[-1]


SMALL = {"input_size": (48, 64), "frame_size": (48, 64)}
ONE_FRAME = 48 * 64


@pytest.mark.slow
def test_memory_does_not_grow_with_the_video():
    tensors, arrays = growth(VideoSegmenter(ColourNetwork(), config(**SMALL)))
    assert tensors == 0
    assert arrays < 28 * ONE_FRAME  # Python's own caches; keeping results would take 130


@pytest.mark.slow
def test_the_measure_of_memory_would_notice_kept_frames():
    tensors, _ = growth(KeepsTensors(ColourNetwork(), config(**SMALL)), steps=60)
    assert tensors == 40 * 3 * 4 * ONE_FRAME
    _, arrays = growth(KeepsArrays(ColourNetwork(), config(**SMALL)), steps=60)
    assert arrays > 39 * ONE_FRAME
