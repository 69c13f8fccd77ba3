"""The step must be capturable: fixed shapes, and no question to the device on the way."""

import pytest
import torch
from colour_network import ColourNetwork
from tiny_ranet import tiny_ranet
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import TorchDispatchMode

from ranet.config import InferenceConfig
from ranet.inference.frame_step import FrameStep
from ranet.inference.resolve import resolved

SIZE = (64, 96)

WAITS_FOR_VALUES = {
    "_local_scalar_dense",  # .item(), bool(), int(), a tensor as a Python index
    "nonzero",
    "nonzero_static",
    "masked_select",
    "unique_dim",
    "_unique2",
    "unique_consecutive",
    "repeat_interleave.Tensor",
    "is_nonzero",
    "equal",
    "lift_fresh",  # torch.tensor(...): values of the host, which are copied to the device
}
"""Operators that make the host wait, or give a result whose shape depends on values."""


class NoQuestions(TorchDispatchMode):
    """Fails on any operator for which the host has to wait for the device."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = str(function).removeprefix("aten.")
        if name in WAITS_FOR_VALUES or name.split(".")[0] in WAITS_FOR_VALUES - {name}:
            raise AssertionError(f"{function} makes the host wait for the device")
        indices = args[1] if name.startswith(("index.", "index_put")) else ()
        if any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in indices):
            raise AssertionError(f"{function} with a mask has a shape that depends on values")
        return function(*args, **(kwargs or {}))


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


@pytest.mark.parametrize(("changes", "objects"), CASES)
def test_the_step_never_waits_for_the_device(changes, objects):
    step = step_of(tiny_ranet(objects), **changes)
    image, masks = inputs()
    with torch.inference_mode(), NoQuestions():
        template = step.encode_template(image, masks)
        probabilities = step([template], image, masks)
    assert probabilities.shape == (1, 2, *SIZE)


@pytest.mark.parametrize(
    "question",
    [
        lambda x: x.sum().item(),
        lambda x: bool((x > 0).any()),
        lambda x: x.nonzero(),
        lambda x: x[x > 0],
        lambda x: x.masked_select(x > 0),
        lambda x: x.long().unique(),
        lambda x: x[int(x.argmax()) :],
        lambda x: x + torch.tensor([1.0, 2.0, 3.0, 4.0], device=x.device),
    ],
)
def test_the_check_would_notice_a_question(question):
    with NoQuestions(), pytest.raises(AssertionError, match="aten"):
        question(torch.ones(4))


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
