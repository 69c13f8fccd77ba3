"""What a configuration leaves open is filled in, and the step goes through torch.compile."""

import warnings
from functools import partial

import numpy as np
import pytest
import torch
from colour_network import ColourNetwork
from fake_method import Fake
from method_steps import marked
from moving_squares import moving
from tiny_ranet import tiny_ranet

from ranet.config import InferenceConfig
from ranet.inference import network as network_module
from ranet.inference.network import Network, resolved
from ranet.inference.segmenter import VideoSegmenter

SIZE = (64, 96)
SETTINGS = {"input_size": SIZE, "frame_size": SIZE, "smallest_crop": 8, "device": "cpu"}


# --- what was left open


def model_with(*, released=False, input_size=None):
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
    assert resolved(config, model_with(released=released)).fusion == chosen


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
    assert resolved(config, model_with(input_size=told)).input_size == chosen


@pytest.mark.parametrize(
    ("asked", "device", "chosen"),
    [(None, "cpu", 4), (None, "cuda", 16), (None, "mps", 16), (7, "cpu", 7), (7, "cuda", 7)],
)
def test_a_cpu_decodes_fewer_objects_at_once(asked, device, chosen, monkeypatch):
    monkeypatch.setattr(network_module, "resolve_device", lambda name: torch.device(device))
    config = InferenceConfig(objects_at_once=asked)
    assert resolved(config, model_with()).objects_at_once == chosen


def test_the_segmenter_tells_what_was_chosen():
    model = model_with(released=True, input_size=(64, 96))
    config = VideoSegmenter(model, InferenceConfig(device="cpu")).config
    assert (config.input_size, config.fusion) == ((64, 96), "sigmoid")
    assert config.objects_at_once == 4


def test_all_else_stays_as_configured():
    config = InferenceConfig(
        input_size=(64, 96), fusion="softmax", crop="whole_frame", objects_at_once=2
    )
    assert resolved(config, model_with(released=True, input_size=(192, 352))) == config


# --- torch.compile


def compiled(model, backend):
    config = InferenceConfig(**SETTINGS, compile=True)
    return Network(model, resolved(config, model), backend=backend)


def inputs(method, objects):
    image = torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(objects))
    masks = torch.zeros(1, objects, *SIZE)
    for k in range(objects):
        masks[0, k, 10 * k : 10 * k + 9, 20:60] = 1
    return marked(method, (image, masks)), image


def same(found, expected):
    torch.testing.assert_close(found[1], expected[1], rtol=0, atol=1e-5)
    torch.testing.assert_close(found[0].logits, expected[0].logits, rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "numbers"), [(partial(tiny_ranet, "multi"), [2]), (Fake, [1, 2, 1])]
)
@torch.inference_mode()
def test_the_compiled_step_is_the_step_for_every_number_of_objects(method, numbers):
    network = compiled(method(), "eager")
    with warnings.catch_warnings(action="error", category=UserWarning):
        for objects in numbers:
            state, image = inputs(network.method, objects)
            same(network.step(state, image), network.method.step(state, image))
    assert network.ran == {"compile": True, "cuda_graph": False}
    assert network.fallbacks == {}


@torch.inference_mode()
def test_what_cannot_be_compiled_runs_as_written_and_says_so_once():
    def broken(graph, examples):
        raise OSError("no compiler")

    network = compiled(Fake(), broken)
    state, image = inputs(network.method, 2)
    with pytest.warns(UserWarning, match="64×96 with 2 objects.*no compiler"):
        same(network.step(state, image), network.method.step(state, image))
    with warnings.catch_warnings(action="error"):
        same(network.step(state, image), network.method.step(state, image))
    assert network.ran == {"compile": False, "cuda_graph": False}
    assert network.problem == "ran without compile"


@torch.inference_mode()
def test_a_mistake_of_the_method_is_no_fallback(monkeypatch):
    def out_of_place(*_, **__):
        raise IndexError("out of place")

    network = compiled(Fake(), "eager")
    state, image = inputs(network.method, 1)
    monkeypatch.setattr(network.method, "in_half", out_of_place)
    with warnings.catch_warnings(action="error"), pytest.raises(IndexError, match="out of place"):
        network.step(state, image)
    assert network.fallbacks == {}


def test_graphs_are_for_cuda_alone_which_is_told_and_known():
    config = InferenceConfig(**SETTINGS, cuda_graph=True)
    with pytest.warns(UserWarning, match="no effect on the device cpu"):
        segmenter = VideoSegmenter(ColourNetwork(), config)
    plain = VideoSegmenter(ColourNetwork(), InferenceConfig(**SETTINGS))
    (first, labels), (second, _) = moving(SIZE, 2, {1: (10, 10)})
    for one in (segmenter, plain):
        one.start(first, labels)
    np.testing.assert_array_equal(segmenter.step(second), plain.step(second))
    assert segmenter.tracker.ways == plain.tracker.ways == ()
