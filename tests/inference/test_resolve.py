"""What is left open becomes what the weights are used to, and what suits the device."""

import pytest
import torch
from colour_network import ColourNetwork

from ranet.config import InferenceConfig
from ranet.inference import resolve
from ranet.inference.resolve import resolved
from ranet.inference.segmenter import VideoSegmenter


def network(*, released=False, input_size=None):
    model = ColourNetwork()
    model.released, model.input_size = released, input_size
    return model


@pytest.mark.parametrize(
    ("asked", "released", "chosen"),
    [
        ("auto", False, "softmax"),
        ("auto", True, "sigmoid"),
        ("softmax", True, "softmax"),
        ("sigmoid", False, "sigmoid"),
    ],
)
def test_released_weights_are_fused_as_released(asked, released, chosen):
    config = InferenceConfig(fusion=asked)
    assert resolved(config, network(released=released)).fusion == chosen


@pytest.mark.parametrize(
    ("asked", "told", "chosen"),
    [
        (None, (192, 352), (192, 352)),
        (None, None, (480, 864)),
        ((240, 432), (192, 352), (240, 432)),
    ],
)
def test_a_network_sees_frames_at_the_size_it_is_used_to(asked, told, chosen):
    config = InferenceConfig(input_size=asked)
    assert resolved(config, network(input_size=told)).input_size == chosen


@pytest.mark.parametrize(
    ("asked", "device", "chosen"),
    [(None, "cpu", 4), (None, "cuda", 16), (None, "mps", 16), (7, "cpu", 7), (7, "cuda", 7)],
)
def test_a_cpu_decodes_fewer_objects_at_once(asked, device, chosen, monkeypatch):
    monkeypatch.setattr(resolve, "resolve_device", lambda name: torch.device(device))
    config = InferenceConfig(objects_at_once=asked)
    assert resolved(config, network()).objects_at_once == chosen


def test_the_segmenter_tells_what_was_chosen():
    model = network(released=True, input_size=(64, 96))
    config = VideoSegmenter(model, InferenceConfig(device="cpu")).config
    assert (config.input_size, config.fusion) == ((64, 96), "sigmoid")
    assert config.objects_at_once == 4


def test_all_else_stays_as_configured():
    config = InferenceConfig(
        input_size=(64, 96), fusion="softmax", crop="whole_frame", objects_at_once=2
    )
    assert resolved(config, network(released=True, input_size=(192, 352))) == config
