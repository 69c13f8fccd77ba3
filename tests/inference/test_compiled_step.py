"""The step through torch.compile: the same result, and what happens where it cannot be had."""

import warnings

import numpy as np
import pytest
import torch
from colour_network import ColourNetwork
from method_steps import marked, prepared
from moving_squares import moving
from tiny_ranet import tiny_ranet

from ranet.config import InferenceConfig
from ranet.inference.compiled_step import CompiledStep, ran_without
from ranet.inference.segmenter import VideoSegmenter

SIZE = (64, 96)
SETTINGS = {"input_size": SIZE, "frame_size": SIZE, "smallest_crop": 8, "device": "cpu"}
CPU = torch.device("cpu")


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
@torch.inference_mode()
def test_the_compiled_step_is_the_step_for_every_number_of_objects():
    method = prepared(tiny_ranet("multi"), **SETTINGS)
    step = CompiledStep(method, compile=True, cuda_graph=False, device=CPU, backend="eager")
    with warnings.catch_warnings(action="error", category=UserWarning):
        for objects in (1, 2, 1):
            state, image = inputs(method, objects)
            same(step(state, image), method.step(state, image))
    assert step.ran == {"compile": True, "cuda_graph": False}
    assert step.fallbacks == []


@torch.inference_mode()
def test_what_cannot_be_compiled_runs_as_written_and_says_so_once():
    def broken(graph, examples):
        raise OSError("no compiler")

    method = prepared(tiny_ranet("multi"), **SETTINGS)
    step = CompiledStep(method, compile=True, cuda_graph=False, device=CPU, backend=broken)
    state, image = inputs(method, 2)
    with pytest.warns(UserWarning, match="64×96 with 2 objects.*no compiler"):
        same(step(state, image), method.step(state, image))
    with warnings.catch_warnings(action="error"):
        same(step(state, image), method.step(state, image))
    assert step.ran == {"compile": False, "cuda_graph": False}
    assert ran_without(step.fallbacks) == "ran without compile"


@torch.inference_mode()
def test_a_mistake_of_the_method_is_no_fallback(monkeypatch):
    def out_of_place(*_, **__):
        raise IndexError("out of place")

    method = prepared(tiny_ranet(), **SETTINGS)
    step = CompiledStep(method, compile=True, cuda_graph=False, device=CPU, backend="eager")
    state, image = inputs(method, 1)
    monkeypatch.setattr(method, "segment", out_of_place)
    with warnings.catch_warnings(action="error"), pytest.raises(IndexError, match="out of place"):
        step(state, image)
    assert step.fallbacks == []


def test_graphs_are_for_cuda_alone_which_is_told_and_known():
    config = InferenceConfig(**SETTINGS, cuda_graph=True)
    with pytest.warns(UserWarning, match="no effect on the device cpu"):
        segmenter = VideoSegmenter(ColourNetwork(), config)
    plain = VideoSegmenter(ColourNetwork(), InferenceConfig(**SETTINGS))
    (first, labels), (second, _) = moving(SIZE, 2, {1: (10, 10)})
    for one in (segmenter, plain):
        one.start(first, labels)
    np.testing.assert_array_equal(segmenter.step(second), plain.step(second))
    assert segmenter.ways == plain.ways == ()
