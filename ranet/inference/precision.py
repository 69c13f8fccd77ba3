"""The masks of a faster step beside those of the plain one."""

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from torch.utils import _pytree as pytree

from ranet.config import PLAIN_STEP, InferenceConfig
from ranet.device import device_name
from ranet.errors import ConfigError, DataError
from ranet.inference.tracker import FollowedVideo, Tracker
from ranet.methods.base import State, VOSMethod
from ranet.metrics.measures import jaccard
from ranet.wording import aligned_table, count


class Agreement(NamedTuple):
    """Intersection over union with the plain step's masks, in [0, 1].

    A value for each object in each frame after the first, but none where both have lost it.
    """

    step: list[float]
    """Overlap of single steps, each from what the plain step made of the frame before."""
    video: list[float]
    """Overlap in the video, each frame following from its own result of the frame before."""


@dataclass(frozen=True)
class Comparison:
    """What was found in a video.

    Attributes:
        faster: how the step as configured agrees.
        noisy: how the plain step agrees with itself when its frames are :func:`with_noise`.
        objects: how many there are.
        frames: how many were segmented, those after the first.
        device: where, in words.
        problem: what of the configuration did not happen, if anything.
    """

    faster: Agreement
    noisy: Agreement
    objects: int
    frames: int
    device: str
    problem: str | None


def compare_with_plain(
    model: VOSMethod, config: InferenceConfig, frames: Iterable[np.ndarray], labels: np.ndarray
) -> Comparison:
    """Follow a video with the step as configured and with the plain one.

    Args:
        model: the network; it is moved to the device and set to evaluation.
        config: how to segment; the plain step differs from it in
            :data:`~ranet.config.PLAIN_STEP` alone.
        frames: at least two, H×W×3 uint8 RGB; one at a time is in memory.
        labels: of the first, H×W integers: 0 background, 1…254 objects, 255 void.

    Raises:
        ConfigError: the configuration is that of the plain step, or asks for online learning, or
            the machine lacks the device.
        DataError: there are fewer frames, or as for
            :class:`~ranet.inference.segmenter.VideoSegmenter`.
    """
    plain_config = config.model_copy(update=dict(PLAIN_STEP))
    if config == plain_config:
        raise ConfigError(
            "The configuration is that of the plain step, which it would be compared with. Set one "
            f"of {', '.join(PLAIN_STEP)}, such as dtype=bfloat16."
        )
    if config.online is not None:
        raise ConfigError(
            "With online learning, two networks that learned apart would be compared, not two ways "
            "to compute one. Set online=null."
        )
    plain, faster = Tracker(model, plain_config), Tracker(model, config)
    trackers, generator = (faster, plain), np.random.default_rng(0)
    agreements = Agreement([], []), Agreement([], [])
    number = 0
    for number, frame in enumerate(frames):
        seen = frame, with_noise(frame, generator)  # by the trackers
        if number == 0:
            reference = plain.start(frame, labels)
            alone = [t.start(each, labels) for t, each in zip(trackers, seen, strict=True)]
            # From what the reference makes of each frame; of the first, all have the same masks.
            guided = [copy.copy(video) for video in alone]
            continue
        before = reference.state
        plain.step([reference], [frame])
        for i, tracker in enumerate(trackers):
            tracker.step([guided[i]], [seen[i]])
            tracker.step([alone[i]], [seen[i]])
            agreements[i].step.extend(_overlaps(guided[i], reference))
            agreements[i].video.extend(_overlaps(alone[i], reference))
            guided[i].state = _guided(alone[i].state, before, reference.state)
    if number == 0:
        raise DataError("A comparison needs at least two frames: one with its masks, and the next.")
    return Comparison(
        *agreements,
        objects=len(reference.ids),
        frames=number,
        device=device_name(faster.device),
        problem=faster.network.problem,
    )


def _guided(own: State, before: State, after: State) -> State:
    """A video's own state, but what a step of the reference has changed, ``before`` to ``after``.

    So templates, say, stay those of the video's own first frame.
    """
    return pytree.tree_map(lambda o, b, a: o if a is b else a, own, before, after)


def with_noise(frame: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A frame, H×W×3 uint8, with noise: of its values, 1/8 are one larger, and 1/8 one smaller.

    Within 0…255, that is.
    """
    draw = generator.integers(8, size=frame.shape, dtype=np.uint8)
    noisy = frame.astype(np.int16) + (draw == 0) - (draw == 1)
    return noisy.clip(0, 255).astype(np.uint8)


def _overlaps(video: FollowedVideo, reference: FollowedVideo) -> Iterator[float]:
    for k in reference.ids:
        mask, expected = video.labels == k, reference.labels == k
        if mask.any() or expected.any():
            yield jaccard(mask, expected)


def table(comparison: Comparison, config: InferenceConfig) -> list[str]:
    """The lines that tell what was found."""
    objects, frames = count(comparison.objects, "object"), count(comparison.frames, "frame")
    name, cells = _name(config), _cells(comparison.faster)
    if comparison.problem:  # then it was not the step asked for
        name, cells = f"{name}, {comparison.problem}", ["–"] * len(cells)
    return [
        f"{objects}, {frames} after the first, {comparison.device}",
        *aligned_table(
            [
                ("IoU with the plain step", "steps: mean", "least", "video: mean", "least"),
                (name, *cells),
                ("frames with noise of ±1", *_cells(comparison.noisy)),
            ]
        ),
    ]


def _name(config: InferenceConfig) -> str:
    """The fields in which the configuration is not that of the plain step."""
    values = {name: getattr(config, name) for name in PLAIN_STEP}
    changed = {name: value for name, value in values.items() if value != PLAIN_STEP[name]}
    return " ".join(f"{name}={value}".lower() for name, value in changed.items())


def _cells(agreement: Agreement) -> list[str]:
    return [
        f"{found:.4f}" if values else "–"
        for values in (agreement.step, agreement.video)
        for found in (sum(values) / max(len(values), 1), min(values, default=0))
    ]
