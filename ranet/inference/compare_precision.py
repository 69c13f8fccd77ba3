"""How well a faster step agrees with the plain one: the masks of both, frame by frame.

Half precision, a compiled step or another memory layout round in other places than the step as it
is written does in float32. What that changes in one step is small, but it adds up: every frame is
cropped around the masks of the frame before. So both are measured, a step and a whole video; and
beside them, as a scale, what the plain step makes of frames with noise that nobody would see.
"""

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from ranet.config import PLAIN_STEP, InferenceConfig
from ranet.device import device_name
from ranet.errors import ConfigError, DataError
from ranet.inference.acceleration import Shortfall
from ranet.inference.tracker import FollowedVideo, Tracker
from ranet.metrics.measures import jaccard
from ranet.model.ranet import RANet


@dataclass
class Agreement:
    """Intersection over union with the plain step's masks, in [0, 1].

    A value for each object in each frame after the first, but none where both have lost it.
    """

    step: list[float] = field(default_factory=list)
    """Of single steps, each from the plain step's result of the frame before."""
    video: list[float] = field(default_factory=list)
    """Of the video, each frame following from its own result of the frame before."""


@dataclass(frozen=True)
class Comparison:
    """What was found in a video.

    Attributes:
        faster: how the step as configured agrees.
        noisy: how the plain step agrees with itself when its frames are :func:`with_noise`.
        objects: how many there are.
        frames: how many were segmented, those after the first.
        device: where, in words.
        shortfalls: what of the configuration did not happen.
    """

    faster: Agreement
    noisy: Agreement
    objects: int
    frames: int
    device: str
    shortfalls: Sequence[Shortfall]


def compare_with_plain(
    model: RANet, config: InferenceConfig, frames: Iterable[np.ndarray], labels: np.ndarray
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
    _check(config, plain_config)
    plain, faster = Tracker(model, plain_config), Tracker(model, config)
    generator = np.random.default_rng(0)
    count = 0
    for count, frame in enumerate(frames):
        if count == 0:
            reference = plain.start(frame, labels)
            ours = _Compared(faster, frame, labels)
            noisy = _Compared(plain, with_noise(frame, generator), labels)
            continue
        before = reference.probabilities
        plain.step(reference, frame)
        ours.follow(frame, before, reference)
        noisy.follow(with_noise(frame, generator), before, reference)
    if count == 0:
        raise DataError("A comparison needs at least two frames: one with its masks, and the next.")
    return Comparison(
        ours.agreement,
        noisy.agreement,
        objects=len(reference.ids),
        frames=count,
        device=device_name(faster.device),
        shortfalls=faster.frame_step.accelerated.shortfalls,
    )


def with_noise(frame: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A frame, H×W×3 uint8, with noise: of its values, 1/8 are one larger, and 1/8 one smaller.

    Within 0…255, that is.
    """
    draw = generator.integers(8, size=frame.shape, dtype=np.uint8)
    noisy = frame.astype(np.int16) + (draw == 0) - (draw == 1)
    return noisy.clip(0, 255).astype(np.uint8)


def _check(config: InferenceConfig, plain: InferenceConfig) -> None:
    if config == plain:
        raise ConfigError(
            "The configuration is that of the plain step, which it would be compared with. Set one "
            f"of {', '.join(PLAIN_STEP)}, such as dtype=bfloat16."
        )
    if config.online is not None:
        raise ConfigError(
            "With online learning, two networks that learned apart would be compared, not two ways "
            "to compute one. Set online=null."
        )


class _Compared:
    """A video that goes on with the reference, from its results, and the same video on its own.

    Args:
        tracker: the step that is compared with the reference's.
        frame: the first one, as that step is to see it.
        labels: of that.
    """

    def __init__(self, tracker: Tracker, frame: np.ndarray, labels: np.ndarray) -> None:
        self.agreement = Agreement()
        self._tracker = tracker
        self._on_its_own = tracker.start(frame, labels)
        self._with_reference = copy.copy(self._on_its_own)

    def follow(self, frame: np.ndarray, before: Tensor, reference: FollowedVideo) -> None:
        """Segment the next frame and compare.

        Args:
            frame: as the step is to see it.
            before: the reference's probabilities of the frame before.
            reference: at this frame.
        """
        self._with_reference.probabilities = before
        self._tracker.step(self._with_reference, frame)
        self._tracker.step(self._on_its_own, frame)
        self.agreement.step += _overlaps(self._with_reference, reference)
        self.agreement.video += _overlaps(self._on_its_own, reference)


def _overlaps(video: FollowedVideo, reference: FollowedVideo) -> Iterator[float]:
    for k in reference.ids:
        mask, expected = video.labels == k, reference.labels == k
        if mask.any() or expected.any():
            yield jaccard(mask, expected)
