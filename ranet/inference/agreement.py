"""How well a faster step agrees with the plain one: the masks of both, frame by frame.

Half precision, a compiled step or another memory layout round in other places than the step as it
is written does in float32. What that changes in one step is small, but it adds up: every frame is
cropped around the masks of the frame before. So both are measured, a step and a whole video; and
beside them, as a scale, what the plain step makes of frames with a grain that nobody would see.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ranet.config import InferenceConfig
from ranet.device import device_name
from ranet.errors import ConfigError, DataError
from ranet.inference.acceleration import Shortfall
from ranet.inference.batch_segmenter import BatchSegmenter
from ranet.inference.segmenter import VideoSegmenter
from ranet.inference.tracker import FollowedVideo
from ranet.metrics.region import jaccard
from ranet.model.ranet import RANet

PLAIN = {"dtype": "float32", "channels_last": False, "compile": False, "cuda_graph": False}
"""How the plain step is computed."""


@dataclass
class Agreement:
    """Intersection over union with the plain step's masks, in [0, 1], frame by frame.

    From the second frame on; each is the mean over the objects, 1 where one is in neither mask.
    """

    step: list[float] = field(default_factory=list)
    """After a step from the plain one's result of the frame before."""
    video: list[float] = field(default_factory=list)
    """Following the video from its own."""


@dataclass(frozen=True)
class Comparison:
    """What was found in a video.

    Attributes:
        faster: how the step as configured agrees.
        grainy: how the plain step agrees with itself where it is given :func:`with_grain`.
        objects: how many there are.
        device: where, in words.
        shortfalls: what of the configuration did not happen.
    """

    faster: Agreement
    grainy: Agreement
    objects: int
    device: str
    shortfalls: Sequence[Shortfall]


def compare_with_plain(
    model: RANet, config: InferenceConfig, frames: Iterable[np.ndarray], labels: np.ndarray
) -> Comparison:
    """Follow a video with the step as configured and with the plain one.

    Args:
        model: the network; it is moved to the device and set to evaluation.
        config: how to segment; the plain step differs from it in :data:`PLAIN` alone.
        frames: at least two, H×W×3 uint8 RGB; one at a time is in memory.
        labels: of the first, H×W integers: 0 background, 1…254 objects, 255 void.

    Raises:
        ConfigError: the configuration is that of the plain step, or asks for online learning, or
            the machine lacks the device.
        DataError: there are fewer frames, or as for
            :meth:`~ranet.inference.segmenter.VideoSegmenter.start`.
    """
    plain_config = config.model_copy(update=PLAIN)
    _check(config, plain_config)
    plain = VideoSegmenter(model, plain_config).together()
    faster = VideoSegmenter(model, config).together()
    generator = np.random.default_rng(0)
    reference = None
    for frame in frames:
        grainy_frame = with_grain(frame, generator)
        if reference is None:
            reference = plain.start(frame, labels)
            ours = _Beside(reference, faster, frame, labels)
            grainy = _Beside(reference, plain, grainy_frame, labels)
            continue
        for beside in (ours, grainy):
            beside.start_where_reference_is()
        plain.step([reference], [frame])
        ours.follow(frame)
        grainy.follow(grainy_frame)
    if reference is None or not ours.agreement.step:
        raise DataError("A comparison needs at least two frames: one with its masks, and the next.")
    return Comparison(
        ours.agreement,
        grainy.agreement,
        objects=len(reference.ids),
        device=device_name(faster.device),
        shortfalls=ours.shortfalls,
    )


def with_grain(frame: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A frame, H×W×3 uint8, of which a random quarter of the values is one grey level off."""
    draw = generator.integers(8, size=frame.shape, dtype=np.uint8)
    changed = frame.astype(np.int16) + (draw == 0) - (draw == 1)
    return changed.clip(0, 255).astype(np.uint8)


def _check(config: InferenceConfig, plain: InferenceConfig) -> None:
    if config == plain:
        raise ConfigError(
            "The configuration is that of the plain step, which it would be compared with. Set one "
            f"of {', '.join(PLAIN)}, such as dtype=bfloat16."
        )
    if config.online is not None:
        raise ConfigError(
            "With online learning two networks would be compared that learned apart, not two ways "
            "to compute one. Set online=null."
        )


class _Beside:
    """A segmenter on the way of a reference, and on a way of its own.

    Args:
        reference: the plain step's video, at its first frame.
        segmenter: what is compared.
        frame: the first one, as the segmenter is to see it.
        labels: of that.
    """

    def __init__(
        self,
        reference: FollowedVideo,
        segmenter: BatchSegmenter,
        frame: np.ndarray,
        labels: np.ndarray,
    ) -> None:
        self.agreement = Agreement()
        self._reference = reference
        self._segmenter = segmenter
        self._step = segmenter.start(frame, labels)
        self._video = segmenter.start(frame, labels)

    @property
    def shortfalls(self) -> Sequence[Shortfall]:
        """What the steps so far did otherwise than asked for."""
        return self._video.frame_step.accelerated.shortfalls

    def start_where_reference_is(self) -> None:
        """The next single step goes from the reference's last result."""
        self._step.probabilities = self._reference.probabilities

    def follow(self, frame: np.ndarray) -> None:
        """Take both ways a frame further, the reference being there, and compare."""
        ways = ((self._step, self.agreement.step), (self._video, self.agreement.video))
        for video, found in ways:
            (labels,) = self._segmenter.step([video], [frame])
            found.append(_overlap(labels, self._reference))


def _overlap(labels: np.ndarray, reference: FollowedVideo) -> float:
    ids = reference.ids
    return sum(jaccard(labels == k, reference.labels == k) for k in ids) / len(ids)
