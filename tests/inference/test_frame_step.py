"""The step must be capturable: fixed shapes, and no question to the device on the way."""

from contextlib import contextmanager

import pytest
import torch
from colour_network import ColourNetwork
from device_questions import NOTICED, QUESTIONS, NoQuestions, asked_in_the_step, on_meta
from tiny_ranet import tiny_ranet
from torch.fx.experimental.proxy_tensor import make_fx

from ranet.config import InferenceConfig
from ranet.inference.frame_step import FrameStep
from ranet.inference.resolve import resolved

SIZE = (64, 96)


def step_of(network, **changes):
    settings = {"input_size": SIZE, "frame_size": SIZE, "smallest_crop": 8, **changes}
    return FrameStep(network, resolved(InferenceConfig(**settings), network)).eval()


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
    ({"dtype": "bfloat16"}, "multi"),
]


def require_no_question(new_network, **changes):
    """Raise an error if encoding a template, or a step, asks the device for values."""
    step, (image, masks) = step_of(new_network(), **changes), inputs()
    with torch.no_grad(), NoQuestions():
        step([step.encode_template(image, masks)], image, masks)
    # Without autocast, weights in half precision would not fit; the code is the same.
    step = step_of(new_network(), **{**changes, "dtype": "float32"}).to("meta")
    image, masks = image.to("meta"), masks.to("meta")
    for mode in (torch.no_grad, torch.inference_mode):
        with mode(), on_meta():
            found = step([step.encode_template(image, masks)], image, masks)
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
    step = step_of(tiny_ranet("multi"))
    image, masks = inputs()
    with torch.no_grad():
        template = step.encode_template(image, masks)

        def run(image, probabilities):
            return step([template], image, probabilities)

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
    step = step_of(ColourNetwork())
    images = torch.cat([inputs(seed)[0] for seed in (0, 1)])
    masks = torch.cat([masks_at((10, 10), (30, 50)), masks_at((0, 60), (40, 70))])
    with torch.inference_mode():
        together = step([step.encode_template(images, masks)], images, masks)
        for video in (0, 1):
            image, mask = images[video : video + 1], masks[video : video + 1]
            alone = step([step.encode_template(image, mask)], image, mask)
            torch.testing.assert_close(together[video : video + 1], alone, rtol=0, atol=1e-5)


def test_templates_of_several_frames_share_one_encoding():
    network = ColourNetwork()
    step = step_of(network)
    image, masks = inputs()
    encoded = []
    network.encode_frame = lambda crop: (
        encoded.append(crop) or ColourNetwork.encode_frame(network, crop)
    )
    with torch.inference_mode():
        templates = [step.encode_template(image, masks[:, k : k + 1]) for k in (0, 1)]
        probabilities = step(templates, image, masks)
    assert len(encoded) == 1
    assert probabilities.shape == (1, 2, *SIZE)


@pytest.mark.parametrize("changes", [{"dtype": "bfloat16"}, {"channels_last": True}])
def test_a_device_holds_one_network_and_the_callers_stays_where_it_is(changes):
    network = tiny_ranet()
    step = step_of(network, **changes).to("meta")
    held = sum(parameter.numel() for parameter in step.parameters())
    assert held == sum(parameter.numel() for parameter in network.parameters())
    assert {parameter.device.type for parameter in network.parameters()} == {"cpu"}


def test_the_network_computes_exactly_and_only_within_the_step(monkeypatch):
    inside = []

    @contextmanager
    def exact(device):
        inside.append(device.type)
        yield
        inside.pop()

    network = ColourNetwork()
    encode_frame = network.encode_frame
    seen = []
    network.encode_frame = lambda crop: seen.append(list(inside)) or encode_frame(crop)
    monkeypatch.setattr("ranet.inference.frame_step.exact_float32", exact)
    step, (image, masks) = step_of(network), inputs()
    with torch.inference_mode():
        step([step.encode_template(image, masks)], image, masks)
    assert seen
    assert all(contexts == ["cpu"] for contexts in seen)
    assert inside == []
