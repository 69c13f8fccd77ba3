"""Clips: the network fed with its own predictions."""

import pytest
import torch
from torch import nn

from ranet.config import TrainConfig
from ranet.model.weights import build_model
from ranet.structures import EncodedFrame, Skips, Template
from ranet.training.clip import ClipNetwork, predicted_masks
from ranet.training.log import read_log
from ranet.training.run import train

TINY = {
    "backbone": "tiny",
    "objects": "multi",
    "template_grid": (3, 4),
    "ranked": 8,
    "width": 0.25,
}


class Recorder(nn.Module):
    """A network whose logits are the frame's first channels, and that notes what it was told."""

    def __init__(self, objects: int) -> None:
        super().__init__()
        self.objects = objects
        self.told: list[torch.Tensor] = []
        self.templates = 0

    def encode_template(self, image: torch.Tensor, masks: torch.Tensor) -> Template:
        self.templates += 1
        return Template(image, masks)

    def encode_frame(self, image: torch.Tensor) -> EncodedFrame:
        return EncodedFrame(image, Skips(*[image] * 5))

    def segment(
        self, template: Template, frame: EncodedFrame, previous_masks: torch.Tensor
    ) -> torch.Tensor:
        self.told.append(previous_masks)
        return frame.embedding[:, : self.objects]


def inputs(frames: int, objects: int = 2) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    template, masks = torch.rand(2, 3, 64, 96), torch.rand(2, objects, 64, 96).round()
    clip = torch.randn(2, frames, 3, 64, 96, generator=generator)
    return template, masks, clip, masks.roll(5, -1), torch.tensor([objects, 1])


def test_a_clip_of_one_frame_is_the_network_itself() -> None:
    torch.manual_seed(0)
    model = build_model(TINY)
    template, masks, clip, previous, objects = inputs(1)
    expected = model(template, masks, clip[:, 0], previous)
    logits = ClipNetwork(model)(template, masks, clip, previous, objects)
    assert logits.shape == (2, 1, 2, 64, 96)
    assert torch.equal(logits[:, 0], expected)


def test_each_frame_is_told_the_prediction_before_it() -> None:
    recorder = Recorder(objects=2)
    template, masks, clip, previous, objects = inputs(3)
    logits = ClipNetwork(recorder)(template, masks, clip, previous, objects)
    assert torch.equal(logits, clip[:, :, :2])
    assert recorder.templates == 1
    first, *others = recorder.told
    assert torch.equal(first, previous)
    for told, before in zip(others, clip.unbind(1), strict=False):
        assert torch.equal(told, predicted_masks(before[:, :2], objects))


def test_predicted_masks_are_the_likeliest_labels_of_the_objects_that_exist() -> None:
    logits = torch.tensor([[-1.0, 2.0, 2.0], [-2.0, 1.0, 3.0]])[None, :, None]  # 1×2×1×3
    both = predicted_masks(logits, torch.tensor([2]))
    assert both[0, :, 0].tolist() == [[0, 1, 0], [0, 0, 1]]
    one = predicted_masks(logits, torch.tensor([1]))
    assert one[0, :, 0].tolist() == [[0, 1, 1], [0, 0, 0]]


@pytest.mark.parametrize("frames", [1, 3])
def test_gradients_come_from_every_frame_but_not_through_the_masks(frames: int) -> None:
    recorder = Recorder(objects=2)
    template, masks, clip, previous, objects = inputs(frames)
    clip.requires_grad_()
    ClipNetwork(recorder)(template, masks, clip, previous, objects).sum().backward()
    assert clip.grad is not None
    assert (clip.grad[:, :, :2] == 1).all()
    assert not any(told.requires_grad for told in recorder.told)


def test_a_run_on_clips(tiny_run: TrainConfig) -> None:
    data = tiny_run.data.model_copy(update={"clip_length": 3})
    final = train(tiny_run.model_copy(update={"data": data, "steps": 2}))
    records = read_log(tiny_run.output / "log.jsonl")
    assert final.is_file()
    assert len(records) == 2
    assert all(record["gradient_norm"] > 0 for record in records)
