"""Objects that were annotated in several frames are one batch of the step, as those of one are."""

import pytest
import torch
from method_steps import marked, prepared, stepped
from tiny_ranet import tiny_ranet
from torch.utils.flop_counter import FlopCounterMode

from ranet.methods.objects import FUSIONS

SIZE = (64, 96)
SQUARES = ((10, 10), (30, 50), (0, 60), (40, 5), (20, 30))
"""Corners of five objects; the first two are annotated in one frame, the others in another."""


def method_of(network, **changes):
    settings = {"input_size": SIZE, "frame_size": SIZE, "smallest_crop": 8, "device": "cpu"}
    return prepared(network, **settings, **changes)


def video(method, dtype=torch.float32):
    """The state with both templates, the next image and the masks of all objects."""
    generator = torch.Generator().manual_seed(0)
    first, second, image = torch.rand(3, 1, 3, *SIZE, generator=generator).to(dtype)
    masks = torch.zeros(1, len(SQUARES), *SIZE, dtype=dtype)
    for channel, (top, left) in enumerate(SQUARES):
        masks[0, channel, top : top + 20, left : left + 20] = 1
    return marked(method, (first, masks[:, :2]), (second, masks[:, 2:])), image, masks


def calls_of(network):
    """Names of the parts that are called from now on, in order."""
    calls = []
    decoder = network.decoder
    parts = {
        "encoder": network.encoder,
        "ranking": network.ranking,
        "skips": decoder.skips8,
        "merge": network.merge,
        "decoder": decoder,
    }
    for name, part in parts.items():
        part.register_forward_hook(lambda *_, name=name: calls.append(name))
    return calls


@pytest.mark.parametrize(("at_once", "batches"), [(None, 1), (5, 1), (3, 2), (1, 5)])
@torch.inference_mode()
def test_all_objects_are_ranked_by_template_and_decoded_together(at_once, batches):
    network = tiny_ranet("multi")
    state, image, masks = video(method_of(network))
    calls = calls_of(network)
    logits = network.segment(state.templates, network.encode_frame(image), masks, at_once)
    assert logits.shape == masks.shape
    assert calls == ["encoder", "ranking", "ranking", "skips", *["merge", "decoder"] * batches]


@torch.inference_mode()
def test_fewer_objects_at_once_compute_nothing_more():
    network = tiny_ranet("multi")
    state, image, masks = video(method_of(network))
    frame = network.encode_frame(image)
    flop = {}
    for at_once in (1, 2, 5):
        with FlopCounterMode(display=False) as counter:
            network.segment(state.templates, frame, masks, at_once)
        flop[at_once] = counter.get_total_flops()
    assert flop[1] == flop[2] == flop[5] > 0


@pytest.mark.parametrize("objects", ["single", "multi"])
@pytest.mark.parametrize("matching", ["ranking", "unranked", "maximum", "concatenation"])
@torch.inference_mode()
def test_the_result_is_that_of_one_template_after_the_other(objects, matching):
    network = tiny_ranet(objects, matching=matching)
    state, image, masks = video(method_of(network))
    frame = network.encode_frame(image)
    together = network.segment(state.templates, frame, masks)
    alone = [
        network.segment(template, frame, of_template)
        for template, of_template in zip(state.templates, masks.split([2, 3], dim=1), strict=True)
    ]
    torch.testing.assert_close(together, torch.cat(alone, dim=1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("changes", [{}, {"objects_at_once": 1}, {"fusion": "sigmoid"}])
@torch.inference_mode()
def test_the_step_takes_all_templates_at_once(changes):
    network = tiny_ranet("multi").double()  # or rounding in the crop would decide between maps
    method = method_of(network, crop="whole_frame", **changes)
    state, image, masks = video(method, torch.float64)
    logits = [
        network.segment(template, network.encode_frame(image), of_template)
        for template, of_template in zip(state.templates, masks.split([2, 3], dim=1), strict=True)
    ]
    fusion = FUSIONS[method.options.fusion]
    expected = fusion.to_probabilities(torch.cat(logits, dim=1)).float()
    found = stepped(method, state, image, masks)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
