"""The step must be capturable: fixed shapes, and no question to the device on the way."""

from contextlib import contextmanager

import pytest
import torch
from colour_network import ColourNetwork
from device_questions import NOTICED, QUESTIONS, NoQuestions, asked_in_the_step, on_meta
from method_steps import marked, prepared, stepped
from tiny_ranet import tiny_ranet
from torch.fx.experimental.proxy_tensor import make_fx

from ranet.config import InferenceConfig
from ranet.inference import tracker
from ranet.inference.segmenter import VideoSegmenter
from ranet.methods.base import Options

SIZE = (64, 96)


def method_of(network, **changes):
    settings = {"input_size": SIZE, "frame_size": SIZE, "smallest_crop": 8, **changes}
    return prepared(network, **settings)


def template_and_step(method, image, masks):
    """Mark the objects and go on, in the same image."""
    return stepped(method, marked(method, (image, masks)), image, masks)


def masks_at(*corners, side=20):
    masks = torch.zeros(1, len(corners), *SIZE)
    for channel, (top, left) in enumerate(corners):
        masks[0, channel, top : top + side, left : left + side] = 1
    return masks


def inputs(seed=0):
    image = torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(seed))
    return image, masks_at((10, 10), (30, 50))


CASES = [
    ({}, "single"),
    ({}, "multi"),
    ({"fusion": "sigmoid", "previous_mask": "probability", "objects_at_once": 1}, "multi"),
    ({"crop": "whole_frame", "previous_mask": "none"}, "single"),
    ({"crop_smoothing": 0.5}, "multi"),
    ({"dtype": "bfloat16"}, "multi"),
]


def require_no_question(new_network, **changes):
    """Raise an error if encoding a template, or a step, asks the device for values."""
    method, (image, masks) = method_of(new_network(), **changes), inputs()
    with torch.no_grad(), NoQuestions():
        template_and_step(method, image, masks)
    # Without autocast, weights in half precision would not fit; the code is the same.
    method = method_of(new_network(), **{**changes, "dtype": "float32"}).to("meta")
    image, masks = image.to("meta"), masks.to("meta")
    for mode in (torch.no_grad, torch.inference_mode):
        with mode(), on_meta():
            found = template_and_step(method, image, masks)
        assert (found.shape, found.device.type) == ((1, 2, *SIZE), "meta")


@pytest.mark.parametrize(("changes", "objects"), CASES)
def test_the_step_never_waits_for_the_device(changes, objects):
    require_no_question(lambda: tiny_ranet(objects), **changes)


def test_the_check_has_nothing_against_a_step_without_questions():
    with asked_in_the_step(lambda x: x + 1):
        require_no_question(ColourNetwork)


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_check_notices_a_question_in_the_step(name):
    notices = pytest.raises((AssertionError, RuntimeError, TypeError), match=NOTICED)
    with asked_in_the_step(QUESTIONS[name]), notices:
        require_no_question(ColourNetwork)


def test_operators_are_not_watched_where_they_hide():
    with torch.inference_mode(), NoQuestions(), pytest.raises(AssertionError, match="use no_grad"):
        torch.ones(4).sum()


def test_one_recording_of_the_step_serves_every_frame():
    method = method_of(tiny_ranet("multi"))
    image, masks = inputs()
    with torch.no_grad():
        state = marked(method, (image, masks))

        def run(image, probabilities):
            return stepped(method, state, image, probabilities)

        # A value that is asked for becomes a constant, wrong for all other frames. (Tensors without
        # values would be stricter, but the strides they promise are not always those of the CPU.)
        recorded = make_fx(run, tracing_mode="real")(image, masks)
        for corners in [((10, 10), (30, 50)), ((0, 60), (40, 70)), ((44, 0), (44, 5))]:
            elsewhere, other_masks = inputs(seed=1)[0], masks_at(*corners)
            torch.testing.assert_close(
                recorded(elsewhere, other_masks), run(elsewhere, other_masks), rtol=0, atol=1e-5
            )
        nothing = torch.zeros_like(masks)
        torch.testing.assert_close(recorded(image, nothing), run(image, nothing), rtol=0, atol=1e-5)


def test_videos_of_a_batch_do_not_touch_each_other():
    method = method_of(ColourNetwork())
    images = torch.cat([inputs(seed)[0] for seed in (0, 1)])
    masks = torch.cat([masks_at((10, 10), (30, 50)), masks_at((0, 60), (40, 70))])
    with torch.inference_mode():
        together = template_and_step(method, images, masks)
        for video in (0, 1):
            image, mask = images[video : video + 1], masks[video : video + 1]
            alone = template_and_step(method, image, mask)
            torch.testing.assert_close(together[video : video + 1], alone, rtol=0, atol=1e-5)


@torch.inference_mode()
def test_sides_of_crops_are_smoothed_by_equation_1():
    method = method_of(ColourNetwork(), crop_smoothing=0.5)
    image, masks = inputs()[0], masks_at((20, 30), side=17)
    state = marked(method, (image, masks))
    expected = 24.0  # one and a half times 16 rows, from the first to the last
    for side in (17, 33, 9, 0, 17):
        state = state._replace(probabilities=masks_at((20, 30), side=side))
        _, state = method.step(state, image)
        expected = 0.5 * expected + 0.5 * 1.5 * (side - 1) if side else 1.25 * expected
        assert state.sides[0].tolist() == [[expected, 1.5 * expected]]
    kept = method.keep_objects(state._replace(probabilities=masks), [0])
    assert kept.sides[0].tolist() == [[24, 36]]


@torch.inference_mode()
def test_without_smoothing_states_and_results_are_as_without_the_option():
    image, masks = inputs()
    states = []
    for changes in ({}, {"crop_smoothing": 0}):
        method = method_of(tiny_ranet("multi"), **changes)
        states.append(method.step(marked(method, (image, masks)), image)[1])
    assert states[0].sides == states[1].sides == ()
    assert torch.equal(states[0].probabilities, states[1].probabilities)


@torch.inference_mode()
def test_a_smoothed_crop_of_what_is_lost_is_the_whole_frame():
    method = method_of(ColourNetwork(), crop_smoothing=0.5)
    image, masks = inputs()
    state = marked(method, (image, masks))
    prediction, _ = method.step(state._replace(probabilities=torch.zeros_like(masks)), image)
    assert prediction.aux["boxes"].tolist() == [[0, 0, *SIZE]]


def test_templates_of_several_frames_share_one_encoding(monkeypatch):
    method = method_of(ColourNetwork())
    image, masks = inputs()
    with torch.inference_mode():
        state = marked(method, (image, masks[:, :1]), (image, masks[:, 1:]))
        encoded, encode = [], ColourNetwork.encode_frame
        monkeypatch.setattr(
            ColourNetwork, "encode_frame", lambda *of: encoded.append(of) or encode(*of)
        )
        probabilities = stepped(method, state, image, masks)
    assert len(encoded) == 1
    assert probabilities.shape == (1, 2, *SIZE)


@torch.inference_mode()
def test_objects_that_are_kept_are_as_if_they_had_been_alone():
    method = method_of(tiny_ranet(), crop="whole_frame", previous_mask="probability")
    image, masks = inputs()
    state = marked(method, (image, masks), (image, masks_at((5, 60))))
    kept = method.keep_objects(state, [1, 2])
    assert [t.masks.shape[1] for t in kept.templates] == [1, 1]
    alone = method.keep_objects(state, [2])
    assert len(alone.templates) == 1
    probabilities = method.step(kept, image)[1].probabilities
    assert probabilities.shape == (1, 2, *SIZE)


@pytest.mark.parametrize("changes", [{"dtype": "bfloat16"}, {"channels_last": True}])
def test_a_device_holds_one_network_and_the_callers_stays_where_it_is(changes):
    network = tiny_ranet()
    method = method_of(network, **changes).to("meta")
    assert {parameter.device.type for parameter in method.parameters()} == {"meta"}
    assert {parameter.device.type for parameter in network.parameters()} == {"cpu"}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@torch.inference_mode()
def test_weights_in_half_precision_change_no_bit_of_autocast(dtype):
    network = tiny_ranet("multi")
    half = network.for_inference(Options(dtype=dtype))
    image, masks = inputs()
    with torch.autocast("cpu", dtype):
        expected = network.segment(
            network.encode_template(image, masks), network.encode_frame(image), masks
        )
        found = half.segment(half.encode_template(image, masks), half.encode_frame(image), masks)
    assert torch.equal(found, expected)
    assert half.ranking.ranking_network.reduce.conv.weight.dtype == torch.float32
    assert half.merge.expand.conv.weight.dtype == dtype


def test_the_network_computes_exactly_and_only_within_the_step(monkeypatch):
    inside, seen = [], []

    @contextmanager
    def exact(device):
        inside.append(device.type)
        yield
        inside.pop()

    encode = ColourNetwork.encode_frame
    monkeypatch.setattr(
        ColourNetwork, "encode_frame", lambda *of: seen.append(list(inside)) or encode(*of)
    )
    monkeypatch.setattr(tracker, "exact_float32", exact)
    image, masks = inputs()
    frame = (image[0].permute(1, 2, 0) * 255).byte().numpy()
    segmenter = VideoSegmenter(
        ColourNetwork(), InferenceConfig(input_size=SIZE, frame_size=SIZE, device="cpu")
    )
    segmenter.start(frame, masks[0, 0].byte().numpy())
    segmenter.step(frame)
    assert seen == [["cpu"]]
    assert inside == []
