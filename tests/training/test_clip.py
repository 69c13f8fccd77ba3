"""Clips: the network fed with its own predictions."""

import pytest
import torch
from torch import nn

from ranet.config import SampleConfig, TrainConfig
from ranet.methods.registry import build_model
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
    jitter = torch.tensor([1.0, 0.0, 0.0]).expand(2, frames, 3)
    return template, masks, clip, masks.roll(5, -1), torch.tensor([objects, 1]), jitter


def test_a_clip_of_one_frame_is_the_network_itself() -> None:
    torch.manual_seed(0)
    model = build_model(TINY)
    template, masks, clip, previous, objects, jitter = inputs(1)
    expected = model(template, masks, clip[:, 0], previous)
    logits = ClipNetwork(model)(template, masks, clip, previous, objects, jitter).logits
    assert logits.shape == (2, 1, 2, 64, 96)
    assert torch.equal(logits[:, 0], expected)


def test_each_frame_is_told_the_prediction_before_it() -> None:
    recorder = Recorder(objects=2)
    template, masks, clip, previous, objects, jitter = inputs(3)
    logits = ClipNetwork(recorder)(template, masks, clip, previous, objects, jitter).logits
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
    template, masks, clip, previous, objects, jitter = inputs(frames)
    clip.requires_grad_()
    ClipNetwork(recorder)(template, masks, clip, previous, objects, jitter).logits.sum().backward()
    assert clip.grad is not None
    assert (clip.grad[:, :, :2] == 1).all()
    assert not any(told.requires_grad for told in recorder.told)


class Follower(Recorder):
    """A network that finds its object by colour, and notes the crops it was shown."""

    def __init__(self) -> None:
        super().__init__(objects=1)
        self.shown: list[torch.Tensor] = []

    def encode_frame(self, image: torch.Tensor) -> EncodedFrame:
        self.shown.append(image)
        return EncodedFrame(20 * image - 10, Skips(*[image] * 5))


def moving_square(frames: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A red square that moves to the right: clip 1×T×3×96×160 and masks T×96×160."""
    clip = torch.zeros(1, frames, 3, 96, 160)
    for t in range(frames):
        clip[0, t, 0, 40:56, 40 + 10 * t : 56 + 10 * t] = 1
    return clip, clip[0, :, 0]


def test_each_frame_is_cropped_around_the_prediction_before_it() -> None:
    crop = SampleConfig(size=(48, 80), crop_clips="each_frame", smallest_crop=4)
    clip, masks = moving_square(3)
    follower = Follower()
    jitter = torch.tensor([1.0, 0.0, 0.0]).expand(1, 3, 3)
    prediction = ClipNetwork(follower, crop)(
        clip[:, 0], masks[:1, None], clip, masks[:1, None], torch.tensor([1]), jitter
    )
    assert prediction.logits.shape == (1, 3, 1, 48, 80)
    boxes = prediction.boxes[0].tolist()
    assert (
        boxes[0] == boxes[1]
    )  # the first frame is cropped around the given mask, which is its own
    assert boxes[2][1] - boxes[1][1] == pytest.approx(10, abs=1)
    assert boxes[2][3] - boxes[1][3] == pytest.approx(10, abs=1)
    labels = prediction.labels(masks[None].byte())
    agree = (prediction.logits[0, :, 0] > 0) == (labels[0] > 0)
    assert agree.float().mean() > 0.97
    assert labels[0, 2].float().mean() > 0.1


def test_a_crop_may_be_off_and_never_leaves_the_frame() -> None:
    crop = SampleConfig(size=(48, 80), crop_clips="each_frame", smallest_crop=4)
    clip, masks = moving_square(1)
    boxes = []
    for jitter in ([1, 0, 0], [2, 0, 0], [1, 0.25, 0], [50, 0, 0]):
        prediction = ClipNetwork(Follower(), crop)(
            clip[:, 0],
            masks[:1, None],
            clip,
            masks[:1, None],
            torch.tensor([1]),
            torch.tensor([[jitter]], dtype=torch.float32),
        )
        boxes.append(prediction.boxes[0, 0].tolist())
    plain, double, lower, whole = boxes
    height = plain[2] - plain[0]
    assert double[2] - double[0] == pytest.approx(2 * height, abs=1)
    assert lower[0] - plain[0] == pytest.approx(height / 4, abs=1)
    assert whole == [0, 0, 96, 160]


@pytest.mark.parametrize("crop_clips", ["once", "each_frame"])
def test_a_run_on_clips(tiny_run: TrainConfig, crop_clips: str) -> None:
    data = tiny_run.data.model_copy(update={"clip_length": 3, "crop_clips": crop_clips})
    final = train(tiny_run.model_copy(update={"data": data, "steps": 2}))
    records = read_log(tiny_run.output / "log.jsonl")
    assert final.is_file()
    assert len(records) == 2
    assert all(record["gradient_norm"] > 0 for record in records)
