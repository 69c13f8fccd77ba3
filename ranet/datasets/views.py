"""From frames and a mask to one training sample: objects, views, crops, colours (§3.5)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch

from ranet.config import MotionConfig, PreviousMaskConfig, SampleConfig
from ranet.datasets.augment import (
    Box,
    Deformation,
    deformation,
    jitter_box,
    random_deformation,
    sampling_map,
    warp_image,
    warp_labels,
    whole,
)
from ranet.datasets.colour import change_colours, random_colour_map
from ranet.datasets.tps import SplineGrid
from ranet.methods.crops import box_around
from ranet.structures import TrainingSample

_LOCATE_AT = 2
"""Objects are located in a deformed frame at half its resolution: within two pixels."""

_CONTEXT_SHIFT = 0.35
"""Largest shift of a clip's frames, in units of what they show beside the crop: the object stays
inside."""

_STILL = MotionConfig()


@dataclass(frozen=True)
class Frame:
    """A frame and what is annotated in it."""

    image: np.ndarray  # H×W×3 uint8 RGB
    labels: np.ndarray  # H×W uint8: 0 background, other ids as they are in the files
    distractors: np.ndarray | None = None  # H×W uint8: what is labelled background, by ids

    @property
    def instances(self) -> np.ndarray:
        """H×W uint8: the labels, and the distractors with ids of their own."""
        if self.distractors is None:
            return self.labels
        return np.where(self.distractors > 0, self.distractors, self.labels)


@dataclass(frozen=True)
class RawSample:
    """Frames and masks from which one training sample is made, as they are in the files.

    Ids mean the same object everywhere.
    """

    template: Frame
    current: tuple[Frame, ...]  # T of one size, in order
    previous_labels: np.ndarray  # H×W uint8, in the coordinates of the first current frame
    name: str


def make_sample(
    raw: RawSample,
    previous: PreviousMaskConfig,
    config: SampleConfig,
    rng: np.random.Generator,
    *,
    motion: MotionConfig = _STILL,
    instances: bool = False,
) -> TrainingSample | None:
    """Choose objects and show them in two views that are augmented independently.

    With ``config.crop_clips`` ``"each_frame"``, the frames of a clip are not cropped but to a wider
    part of the video, of which the network will crop its own part; with ``"all_frames"``, the
    template neither. With ``"patch"``, template and frames show one part of the video, drawn until
    an object is seen in the template; those that are, are chosen from.

    Up to ``config.max_objects`` objects of the template are chosen at random and re-numbered
    1…K; all others are background. Every one of them is to be seen in the template: views are
    drawn until that is so, ``config.augment.attempts`` at most; then the template is cropped and
    resized only. The current view may have lost them. The previous mask is deformed a little by
    ``previous``, moves with the current frame, and says where the current view is cropped, as at
    inference. All frames of a clip are seen in this one view and in the same colours; from each to
    the next, ``motion`` moves the content. ``instances``: what was not chosen, and distractors, are
    labelled apart.

    Returns:
        The sample, or None if the template has no object that is large enough.
    """
    views = (_one_view if config.crop_clips == "patch" else _two_views)(raw, previous, config, rng)
    if views is None:
        return None
    chosen, template_map, deformed, box, previous_labels = views
    size = frame_size(config)
    jitter = _crop_jitter(len(raw.current), config, rng)
    template_colours, current_colours = (
        random_colour_map(rng, config.augment.colour) for _ in range(2)
    )
    motions = [
        _random_motion(whole(raw.previous_labels), motion, config, rng) for _ in raw.current[1:]
    ]
    current_maps = [  # the deformation that is given first is applied last
        sampling_map(size, box, deformed, *reversed(motions[:steps]))
        for steps in range(len(raw.current))
    ]

    def shown(show: Callable[[Frame, np.ndarray], np.ndarray]) -> np.ndarray:
        """T×…: each of the current frames, by its map."""
        pairs = zip(raw.current, current_maps, strict=True)
        return np.stack([show(frame, sampling) for frame, sampling in pairs])

    return TrainingSample(
        template_image=_show(raw.template.image, template_map, template_colours),
        template_labels=warp_labels(renumber(raw.template.labels, chosen), template_map),
        current_image=shown(lambda f, sampling: _show(f.image, sampling, current_colours)),
        current_labels=shown(lambda f, sampling: warp_labels(renumber(f.labels, chosen), sampling)),
        previous_labels=previous_labels,
        crop_jitter=jitter,
        objects=len(chosen),
        name=raw.name,
        instance_labels=shown(
            lambda f, sampling: warp_labels(
                _all_numbered(f.instances, chosen), sampling, mirrored=False
            )
        )
        if instances
        else None,
    )


def frame_size(config: SampleConfig) -> tuple[int, int]:
    """Height and width of the current frames of a sample."""
    if not config.network_crops:
        return config.size
    if config.clip_size is not None:
        return config.clip_size
    height, width = config.size
    return round(height * 1.5), round(width * 1.5)


def choose_objects(
    labels: np.ndarray, config: SampleConfig, rng: np.random.Generator
) -> np.ndarray:
    """Ids of up to ``config.max_objects`` objects that are large enough, in random order."""
    areas = np.bincount(labels.ravel(), minlength=256)
    large_enough = areas >= config.smallest_object * labels.size
    large_enough[0] = False
    return rng.permutation(np.flatnonzero(large_enough))[: config.max_objects]


def renumber(labels: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Give the ``chosen`` ids, in their order, the labels 1…K, and all others 0."""
    table = np.zeros(256, dtype=np.uint8)
    table[chosen] = np.arange(1, len(chosen) + 1)
    return cv2.LUT(labels, table)


def _all_numbered(labels: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """As :func:`renumber`, but all others follow, in the order of their ids."""
    others = np.setdiff1d(np.arange(1, 256), chosen)
    return renumber(labels, np.concatenate([chosen, others]))


class _Views(NamedTuple):
    """Which objects are shown, and how."""

    chosen: np.ndarray  # ids
    template_map: np.ndarray
    deformed: Deformation  # of the current frames
    box: Box  # of them, deformed
    previous_labels: np.ndarray  # seen like that


def _two_views(
    raw: RawSample, previous: PreviousMaskConfig, config: SampleConfig, rng: np.random.Generator
) -> _Views | None:
    """Template and current frames, each by itself."""
    chosen = choose_objects(raw.template.labels, config, rng)
    if chosen.size == 0:
        return None
    flip = rng.random() < config.augment.flip
    template_labels = renumber(raw.template.labels, chosen)
    template_map = _template_map(template_labels, len(chosen), flip, config, rng)
    if template_map is None:
        return None
    labels = renumber(raw.previous_labels, chosen)
    return _Views(chosen, template_map, *_current_view(labels, flip, previous, config, rng))


def _one_view(
    raw: RawSample, previous: PreviousMaskConfig, config: SampleConfig, rng: np.random.Generator
) -> _Views | None:
    """One part of all frames."""
    labels = raw.template.labels
    flip = rng.random() < config.augment.flip
    for _ in range(config.augment.attempts):
        deformed = _random_view(labels, flip, config, rng)
        box = _random_patch(labels.shape, config, rng)
        sampling = sampling_map(config.size, box, deformed)
        chosen = choose_objects(warp_labels(labels, sampling), config, rng)
        if chosen.size > 0:
            before = renumber(raw.previous_labels, chosen)
            before, moved = _disturbed(before, previous, config, rng)
            before = warp_labels(before, sampling_map(config.size, box, deformed, moved))
            return _Views(chosen, sampling, deformed, box, before)
    return None


def _random_patch(frame: tuple[int, int], config: SampleConfig, rng: np.random.Generator) -> Box:
    """What of a frame (height, width) becomes the sample when the frame is scaled, to no less than
    the sample's size.
    """
    covering = max(patch / side for patch, side in zip(config.size, frame, strict=True))
    scale = max(covering, max(1.0, covering) * rng.uniform(*config.augment.scale))
    height, width = (patch / scale for patch in config.size)
    top, left = rng.random(2) * (frame[0] - height, frame[1] - width)
    return top, left, top + height, left + width


def _template_map(
    labels: np.ndarray, objects: int, flip: bool, config: SampleConfig, rng: np.random.Generator
) -> np.ndarray | None:
    """The sampling map of a view that shows all objects; None if even the plain crop does not."""
    wide = config.crop_clips == "all_frames"
    size, choose_box = (
        (frame_size(config), _random_surroundings) if wide else (config.size, _random_crop)
    )
    smallest = config.smallest_object * size[0] * size[1]
    for _ in range(config.augment.attempts):
        deformed = _random_view(labels, flip, config, rng)
        box = choose_box(labels, [deformed], config, rng)
        sampling = sampling_map(size, box, deformed)
        if _smallest_area(warp_labels(labels, sampling), objects) >= smallest:
            return sampling
    mirrored = deformation(whole(labels), flip=flip)
    sampling = sampling_map(size, _crop(labels, [mirrored], config), mirrored)
    return sampling if _smallest_area(warp_labels(labels, sampling), objects) > 0 else None


def _current_view(
    labels: np.ndarray,
    flip: bool,
    previous: PreviousMaskConfig,
    config: SampleConfig,
    rng: np.random.Generator,
) -> tuple[Deformation, Box, np.ndarray]:
    """How the current frames are deformed and cropped, and the previous mask seen like that.

    Args:
        labels: the previous mask in the coordinates of the first current frame.
    """
    deformed = _random_view(labels, flip, config, rng)
    labels, moved = _disturbed(labels, previous, config, rng)
    if not config.network_crops:
        box = _random_crop(labels, [deformed, moved], config, rng)
    else:
        box = _random_surroundings(labels, [deformed, moved], config, rng)
    previous_labels = warp_labels(labels, sampling_map(frame_size(config), box, deformed, moved))
    return deformed, box, previous_labels


def _disturbed(
    labels: np.ndarray,
    previous: PreviousMaskConfig,
    config: SampleConfig,
    rng: np.random.Generator,
) -> tuple[np.ndarray, Deformation]:
    """A previous mask, or nothing in its place, and how it is deformed."""
    moved = _random_motion(_extent(labels), previous, config, rng)
    return np.zeros_like(labels) if rng.random() < previous.empty else labels, moved


def _crop_jitter(frames: int, config: SampleConfig, rng: np.random.Generator) -> np.ndarray:
    """How each crop of a clip is off: T×4 float32, see :class:`.TrainingSample`."""
    if not config.network_crops:
        return np.tile(np.float32([1, 1, 0, 0]), (frames, 1))
    augment = config.augment
    sides = 2 if config.crop_clips == "all_frames" else 1  # of crops that keep their shape
    scale = np.tile(1 / rng.uniform(*augment.scale, (frames, sides)), (1, 2 // sides))
    shift = rng.uniform(-augment.crop_shift, augment.crop_shift, (frames, 2))
    return np.concatenate([scale, shift], axis=1).astype(np.float32)


def _random_motion(
    domain: Box, motion: MotionConfig, config: SampleConfig, rng: np.random.Generator
) -> Deformation:
    return random_deformation(
        rng,
        domain,
        SplineGrid(*config.augment.spline_grid),
        spline_shift=motion.spline_shift,
        rotation=motion.rotation,
        scale=motion.scale,
        shift=motion.shift,
    )


def _random_view(
    labels: np.ndarray, flip: bool, config: SampleConfig, rng: np.random.Generator
) -> Deformation:
    augment = config.augment
    return random_deformation(
        rng,
        whole(labels),
        SplineGrid(*augment.spline_grid),
        spline_shift=augment.spline_shift,
        rotation=augment.rotation,
        flip=flip,
    )


def _random_crop(
    labels: np.ndarray,
    deformations: list[Deformation],
    config: SampleConfig,
    rng: np.random.Generator,
) -> Box:
    """The crop of inference, somewhat off; scaling the object is scaling its crop."""
    scale = rng.uniform(*config.augment.scale)
    down, right = rng.uniform(-config.augment.crop_shift, config.augment.crop_shift, 2)
    box = _crop(labels, deformations, config)
    return jitter_box(box, labels.shape, scale=1 / scale, shift=(down, right))


def _random_surroundings(
    labels: np.ndarray,
    deformations: list[Deformation],
    config: SampleConfig,
    rng: np.random.Generator,
) -> Box:
    """A part of the frame that the network will crop from, with the crop of inference inside."""
    context = rng.uniform(*config.clip_context)
    shift = rng.uniform(-_CONTEXT_SHIFT, _CONTEXT_SHIFT, 2) * (context - 1)
    box = _crop(labels, deformations, config)
    return jitter_box(box, labels.shape, scale=context, shift=tuple(shift))


def _crop(labels: np.ndarray, deformations: list[Deformation], config: SampleConfig) -> Box:
    """The box that inference would crop from a deformed frame whose mask is ``labels``."""
    if config.crop == "whole_frame":
        return whole(labels)
    height, width = labels.shape
    small = (-(-height // _LOCATE_AT), -(-width // _LOCATE_AT))
    # The mirror image beyond the border is no place to crop around.
    sampling = sampling_map(small, whole(labels), *deformations)
    seen = warp_labels(labels, sampling, mirrored=False)
    boxes = box_around(
        torch.from_numpy(seen > 0)[None],
        aspect=config.size,
        scale=config.crop_scale,
        smallest=-(-config.smallest_crop // _LOCATE_AT),
    )
    top, left, bottom, right = boxes[0].tolist()
    down, across = height / small[0], width / small[1]
    return top * down, left * across, bottom * down, right * across


def _extent(labels: np.ndarray) -> Box:
    """The bounding box of all objects; all of the frame if there are none."""
    left, top, width, height = cv2.boundingRect(labels)
    return (top, left, top + height, left + width) if width else whole(labels)


def _smallest_area(labels: np.ndarray, objects: int) -> int:
    """Pixels of the smallest of the objects 1…K."""
    return int(np.bincount(labels.ravel(), minlength=objects + 1)[1:].min())


def _show(image: np.ndarray, sampling: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """A view of an image, with its colours changed."""
    return change_colours(warp_image(image, sampling), colours)
