"""Inference: the network alone, a frame on the device, a whole step, and a whole video.

Each part holds the one before it, and is measured with frames of the network's own input size.
"""

import itertools
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ranet.benchmark.drawn_videos import draw_video
from ranet.benchmark.flop import count_flop
from ranet.benchmark.networks import Network, count_parameters
from ranet.benchmark.rows import Row, Settings, Workload, measured
from ranet.benchmark.timing import Effort
from ranet.config import InferenceConfig
from ranet.datasets.image_io import write_image
from ranet.datasets.video_io import ImageFrames
from ranet.device import resolve_device
from ranet.inference.acceleration import AcceleratedStep
from ranet.inference.frame_step import FrameStep
from ranet.inference.resolve import resolved
from ranet.inference.segmenter import VideoSegmenter
from ranet.inference.sequence import segment_sequence
from ranet.model.ranet import RANet
from ranet.structures import Template, one_hot_masks

_FRAMES_IN_MEMORY = 9  # of the part `step`: a first one, and some that come again and again


@dataclass(frozen=True)
class InferenceCase:
    """What is to be segmented, and how.

    Attributes:
        network: with what.
        config: how; input and frame size are (height, width) of the frames.
        settings: all of this by name, for tables.
        videos: B, followed at once; all parts but the written video.
        objects: K in each.
        frames: of the video, where a part writes one.
    """

    network: Network
    config: InferenceConfig
    settings: Settings
    videos: int = 1
    objects: int = 1
    frames: int = 20

    @property
    def device(self) -> torch.device:
        """Where it is computed."""
        return resolve_device(self.config.device)

    def draw(self, frames: int) -> tuple[list[np.ndarray], np.ndarray]:
        """Frames, and the labels of the first."""
        return draw_video(self.config.input_size, objects=self.objects, frames=frames)


def measure_inference(part: str, case: InferenceCase, effort: Effort) -> Row:
    """Time a part, one of :data:`PARTS`."""
    settings = {**case.settings, **PARTS[part].settings(case)}
    return measured(part, settings, lambda: PARTS[part].prepare(case), case.device, effort)


@contextmanager
def prepare_network(case: InferenceCase) -> Iterator[Workload]:
    """The network: encode a frame of each video, segment all objects."""
    model = _model(case)
    frame_step = _frame_step(model, case)
    inputs = _inputs(frame_step, case)
    config = frame_step.config

    # As the frame step has it done, but for what is around the network.
    step = AcceleratedStep(
        frame_step.plain.logits,
        compiled=config.compile,
        cuda_graph=config.cuda_graph,
        device=case.device,
    )

    @torch.inference_mode()
    def call() -> Tensor:
        return step([inputs.template], inputs.image, inputs.masks)

    yield _workload(case, model, call, inputs.flop, case.videos, lambda: step)


@contextmanager
def prepare_frame(case: InferenceCase) -> Iterator[Workload]:
    """All that is done on the device: crop, network, paste back."""
    model = _model(case)
    frame_step = _frame_step(model, case)
    inputs = _inputs(frame_step, case)

    @torch.inference_mode()
    def call() -> Tensor:
        return frame_step([inputs.template], inputs.image, inputs.masks)

    yield _workload(case, model, call, inputs.flop, case.videos, lambda: frame_step.accelerated)


@contextmanager
def prepare_step(case: InferenceCase) -> Iterator[Workload]:
    """Frames in the host's memory to labels there: upload, crop, network, paste, labels."""
    model = _model(case)
    flop = _inputs(_frame_step(model, case), case).flop
    (first, *others), labels = case.draw(_FRAMES_IN_MEMORY)
    frames = itertools.cycle(others)
    segmenter = VideoSegmenter(model, case.config)
    if case.videos == 1:
        segmenter.start(first, labels)
        yield _workload(
            case, model, lambda: segmenter.step(next(frames)), flop, 1, _step_of(segmenter)
        )
        return
    batch = segmenter.together()
    videos = [batch.start(first, labels) for _ in range(case.videos)]

    def call() -> None:
        batch.step(videos, [next(frames)] * case.videos)

    step = videos[0].frame_step.accelerated
    yield _workload(case, model, call, flop, case.videos, lambda: step)


@contextmanager
def prepare_video(case: InferenceCase) -> Iterator[Workload]:
    """A folder of JPEG images to a folder of masks: decode, template, steps, write."""
    model = _model(case)
    inputs = _inputs(_frame_step(model, case), replace(case, videos=1))
    flop = inputs.flop * (case.frames - 1) + inputs.template_flop
    del inputs
    segmenter = VideoSegmenter(model, case.config)
    with tempfile.TemporaryDirectory() as folder:
        paths, labels = write_frames(Path(folder, "frames"), case)

        def call() -> None:
            masks = Path(folder, "masks")
            segment_sequence(segmenter, ImageFrames(paths), labels, masks, labels_from="drawn")

        yield _workload(case, model, call, flop, case.frames, _step_of(segmenter))


def write_frames(folder: Path, case: InferenceCase) -> tuple[list[Path], np.ndarray]:
    """Write a drawn video as JPEG images; their paths, and the labels of the first."""
    images, labels = case.draw(case.frames)
    paths = [folder / f"{number:05d}.jpg" for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        write_image(path, image)
    return paths, labels


@dataclass(frozen=True)
class Part:
    """A part of inference.

    Attributes:
        prepare: gives the work.
        settings: those of its own, besides the case's.
    """

    prepare: Callable[[InferenceCase], AbstractContextManager[Workload]]
    settings: Callable[[InferenceCase], Settings]


PARTS: Mapping[str, Part] = {
    "network": Part(prepare_network, lambda case: {"videos": case.videos}),
    "frame": Part(prepare_frame, lambda case: {"videos": case.videos}),
    "step": Part(prepare_step, lambda case: {"videos": case.videos}),
    "video": Part(prepare_video, lambda case: {"frames": case.frames}),
}
"""By name, from the inside out."""


@dataclass(frozen=True)
class _Inputs:
    """All that a frame of every video needs, on the device, and the FLOP that it costs."""

    image: Tensor  # B×3×H×W
    masks: Tensor  # B×K×H×W
    template: Template
    template_flop: int
    flop: int


def _model(case: InferenceCase) -> RANet:
    return case.network.build().to(case.device)


def _frame_step(model: RANet, case: InferenceCase) -> FrameStep:
    return FrameStep(model, resolved(case.config, model)).to(case.device).eval()


@torch.inference_mode()
def _inputs(frame_step: FrameStep, case: InferenceCase) -> _Inputs:
    (first, second), labels = case.draw(2)
    template_image, image = (_batch_of(frame, case) for frame in (first, second))
    masks = one_hot_masks(torch.from_numpy(labels).to(case.device), case.objects)
    masks = masks.expand(case.videos, -1, -1, -1).contiguous()
    templates: list[Template] = []
    template_flop = count_flop(
        lambda: templates.append(frame_step.encode_template(template_image, masks))
    )
    flop = count_flop(lambda: frame_step.plain.logits(templates, image, masks))
    return _Inputs(image, masks, templates[0], template_flop, flop)


def _batch_of(frame: np.ndarray, case: InferenceCase) -> Tensor:
    """The frame for every video, B×3×H×W in [0, 1], in the network's memory layout."""
    image = torch.from_numpy(frame).to(case.device).permute(2, 0, 1).float() / 255
    layout = torch.channels_last if case.config.channels_last else torch.contiguous_format
    return image.expand(case.videos, -1, -1, -1).contiguous(memory_format=layout)


def _step_of(segmenter: VideoSegmenter) -> Callable[[], AcceleratedStep]:
    """What its last video went through."""
    return lambda: segmenter.video.frame_step.accelerated


def _workload(
    case: InferenceCase,
    model: RANet,
    call: Callable[[], Any],
    flop: int,
    frames: int,
    step: Callable[[], AcceleratedStep],
) -> Workload:
    return Workload(
        call,
        case.device,
        unit="frame",
        units=frames,
        dtype=case.config.dtype,
        parameters=count_parameters(model),
        flop=flop,
        details={"config": case.config.model_dump(mode="json")},
        step=step,
    )
