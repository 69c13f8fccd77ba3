"""Clips: the network fed with its own predictions."""

import pytest
import torch

from ranet.config import TrainConfig
from ranet.methods.base import Options, VOSMethod
from ranet.methods.checkpoints import build_model
from ranet.methods.ranet.encoder import EncodedFrame, Template
from ranet.methods.ranet.network import RANet
from ranet.structures import Clip, Skips, add_background, one_hot_masks
from ranet.training.log import read_log
from ranet.training.losses import labels_seen
from ranet.training.run import train

TINY = {
    "backbone": "tiny",
    "objects": "multi",
    "template_grid": (3, 4),
    "ranked": 8,
    "width": 0.25,
}


CROPPING = Options(crop="around_objects", input_size=(48, 80), smallest_crop=4)


class Recorder(RANet):
    """A network whose logits are the frame's first channels, and that notes what it was told."""

    def __init__(self, objects: int, options: Options | None = None) -> None:
        VOSMethod.__init__(self, {})
        self.options = options or Options()
        self.objects = objects
        self.told: list[torch.Tensor] = []
        self.encoded = 0

    def encode_template(self, image: torch.Tensor, masks: torch.Tensor) -> Template:
        self.encoded += 1
        return Template(image, masks)

    def encode_frame(self, image: torch.Tensor) -> EncodedFrame:
        return EncodedFrame(image, Skips(*[image] * 5))

    def segment(
        self,
        template: Template,
        frame: EncodedFrame,
        previous_masks: torch.Tensor,
        objects_at_once: int | None = None,
    ) -> torch.Tensor:
        self.told.append(previous_masks)
        return frame.embedding[:, : self.objects]


def clip_of(frames: int, objects: int = 2) -> Clip:
    generator = torch.Generator().manual_seed(0)
    template, masks = torch.rand(2, 3, 64, 96), torch.rand(2, objects, 64, 96).round()
    images = torch.randn(2, frames, 3, 64, 96, generator=generator)
    jitter = torch.tensor([1.0, 1.0, 0.0, 0.0]).expand(2, frames, 4)
    return Clip(template, masks, images, masks.roll(5, -1), torch.tensor([objects, 1]), jitter)


def test_a_clip_of_one_frame_is_the_network_itself() -> None:
    torch.manual_seed(0)
    model = build_model(TINY)
    clip = clip_of(1)
    template = model.encode_template(clip.template_image, clip.template_masks)
    frame = model.encode_frame(clip.images[:, 0])
    logits = model(clip).logits
    assert logits.shape == (2, 1, 2, 64, 96)
    assert torch.equal(logits[:, 0], model.segment(template, frame, clip.previous_masks))


def test_each_frame_is_told_the_prediction_before_it() -> None:
    recorder, clip = Recorder(objects=2), clip_of(3)
    logits = recorder(clip).logits
    assert torch.equal(logits, clip.images[:, :, :2])
    assert recorder.encoded == 1
    first, *others = recorder.told
    assert torch.equal(first, clip.previous_masks)
    for told, before in zip(others, clip.images.unbind(1), strict=False):
        labels = add_background(before[:, :2], clip.objects).argmax(dim=1)
        assert torch.equal(told, one_hot_masks(labels, 2))
        assert not told[1, 1].any()  # of an object that does not exist


@pytest.mark.parametrize("frames", [1, 3])
def test_gradients_come_from_every_frame_but_not_through_the_masks(frames: int) -> None:
    recorder, clip = Recorder(objects=2), clip_of(frames)
    clip.images.requires_grad_()
    recorder(clip).logits.sum().backward()
    assert clip.images.grad is not None
    assert (clip.images.grad[:, :, :2] == 1).all()
    assert not any(told.requires_grad for told in recorder.told)


class Follower(Recorder):
    """A network that finds its object by colour, and notes the crops it was shown."""

    def __init__(self) -> None:
        super().__init__(objects=1, options=CROPPING)
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
    images, masks = moving_square(3)
    clip = Clip(
        images[:, 0],
        masks[:1, None],
        images,
        masks[:1, None],
        torch.tensor([1]),
        torch.tensor([1.0, 1.0, 0.0, 0.0]).expand(1, 3, 4),
    )
    prediction = Follower()(clip)
    assert prediction.logits.shape == (1, 3, 1, 48, 80)
    # The first frame is cropped around the given mask, which is its own.
    first, second, third = prediction.aux["boxes"][0].tolist()
    assert first == second
    assert third[1] - second[1] == pytest.approx(10, abs=1)
    assert third[3] - second[3] == pytest.approx(10, abs=1)
    labels = labels_seen(prediction, masks[None].byte())
    agree = (prediction.logits[0, :, 0] > 0) == (labels[0] > 0)
    assert agree.float().mean() > 0.97
    assert labels[0, 2].float().mean() > 0.1


def test_a_crop_may_be_off_and_never_leaves_the_frame() -> None:
    images, masks = moving_square(1)
    boxes = []
    for jitter in ([1, 1, 0, 0], [2, 2, 0, 0], [1, 1, 0.25, 0], [50, 50, 0, 0]):
        off = torch.tensor([[jitter]], dtype=torch.float32)
        clip = Clip(images[:, 0], masks[:1, None], images, masks[:1, None], torch.tensor([1]), off)
        boxes.append(Follower()(clip).aux["boxes"][0, 0].tolist())
    plain, double, lower, whole = boxes
    height = plain[2] - plain[0]
    assert double[2] - double[0] == pytest.approx(2 * height, abs=1)
    assert lower[0] - plain[0] == pytest.approx(height / 4, abs=1)
    assert whole == [0, 0, 96, 160]


@pytest.mark.parametrize("crop_clips", ["once", "each_frame"])
def test_a_run_on_clips(ranet_run: TrainConfig, crop_clips: str) -> None:
    data = ranet_run.data.model_copy(update={"clip_length": 3, "crop_clips": crop_clips})
    final = train(ranet_run.model_copy(update={"data": data, "steps": 2, "pictures_every": 2}))
    records = read_log(ranet_run.output / "log.jsonl")
    assert final.is_file()
    assert len(records) == 2
    assert all(record["gradient_norm"] > 0 for record in records)
