"""Segment a video frame by frame, as a file is read or a camera delivers.

::

    segmenter = VideoSegmenter(load_checkpoint("ranet.pt"))
    segmenter.start(first_frame, first_labels)
    for frame in frames:
        labels = segmenter.step(frame)

All that is kept of the past is a template per annotated frame and the last prediction, so memory
does not grow with the video.

With online learning (``online=OnlineLearning(steps=100)``) a copy of the network is fine-tuned on
the first frame before a video is followed with it; the next video starts from the network as it
was given.
"""

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from ranet.config import InferenceConfig, OnlineLearning
from ranet.device import resolve_device, synchronise
from ranet.errors import DataError
from ranet.inference.canvas import Canvas
from ranet.inference.first_mask import checked_labels
from ranet.inference.frame_step import FrameStep
from ranet.inference.objects import to_labels
from ranet.inference.resolve import resolved
from ranet.model.ranet import RANet
from ranet.structures import Template, one_hot_masks
from ranet.wording import count, size_text, some_of


@dataclass
class FollowedVideo:
    """All that is known of a video being segmented: its last frame, H×W, on its canvas, h×w.

    Its tensors are replaced from frame to frame, never changed.
    """

    frame_step: FrameStep  # with the network that follows this video
    canvas: Canvas
    image: Tensor  # 1×3×h×w in [0, 1]
    probabilities: Tensor  # 1×K×h×w
    labels: np.ndarray  # H×W uint8
    ids: tuple[int, ...] = ()  # of the K objects
    templates: list[Template] = field(default_factory=list)


class VideoSegmenter:
    """Follows the objects of one annotated frame, and of any added later, through a video.

    Args:
        model: the network; it is moved to the device and set to evaluation.
        config: canvas and crop, fusion of objects, device and precision; None: the defaults.
        online: fine-tune on the first frame of every video; takes the place of ``config.online``.

    Raises:
        ConfigError: the machine lacks the device asked for.
        TypeError: ``model`` is no network.
    """

    def __init__(
        self,
        model: RANet,
        config: InferenceConfig | None = None,
        *,
        online: OnlineLearning | None = None,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(
                "VideoSegmenter takes a network, as load_checkpoint(path) returns it, found "
                f"{model!r}, a {type(model).__name__}."
            )
        self.config = resolved(config or InferenceConfig(), model)
        """As it was given, with what it leaves to the network filled in."""
        if online is not None:
            self.config = self.config.model_copy(update={"online": online})
        self.device = resolve_device(self.config.device)
        self.step_seconds = 0.0
        """Wall time of the last :meth:`step`, from a frame in host memory to labels in host memory;
        reading them waits for the device, so it is a synchronised time."""
        self.online_seconds = 0.0
        """Wall time, synchronised, that the last :meth:`start` spent on online learning."""
        self._frame_step = FrameStep(model, self.config).to(self.device).eval()
        self._started: FollowedVideo | None = None

    @property
    def ids(self) -> tuple[int, ...]:
        """Ids of the objects, in the order of the channels of :attr:`probabilities`."""
        return self.video.ids

    @property
    def probabilities(self) -> np.ndarray:
        """K×H×W float32 at the frame's own size: the last result before it became labels.

        Objects that were marked in this very frame are 0 and 1 here.
        """
        video = self.video
        return video.canvas.restore(video.probabilities)[0].cpu().numpy()

    def start(self, frame: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Begin a video (and forget any other) at a frame whose objects are marked.

        Args:
            frame: H×W×3 uint8 RGB.
            labels: H×W integers: 0 background, 1…254 objects (ids may have gaps), 255 void,
                which counts as background.

        Returns:
            H×W uint8: the labels, void as background; the result of this frame.

        Raises:
            DataError: frame or labels have another shape or type, or there is no object, or none
                that the network could see.
            TrainingError: online learning met a loss that is not finite.
        """
        _check_frame(frame)
        size = frame.shape[:2]
        labels, ids = checked_labels(labels, size)
        canvas = Canvas.for_frames(size, self.config.frame_size)
        with torch.inference_mode():
            nothing = torch.zeros(1, 0, *canvas.size, device=self.device)
            image = self._place(frame, canvas)
        frame_step = self._frame_step_for(image, canvas, labels)
        with torch.inference_mode():
            video = FollowedVideo(frame_step, canvas, image, nothing, np.zeros(size, np.uint8))
            self._mark(video, labels, ids)
        self._started = video
        return video.labels.copy()

    def step(self, frame: np.ndarray) -> np.ndarray:
        """Segment the next frame.

        Args:
            frame: H×W×3 uint8 RGB, of the first frame's size.

        Returns:
            H×W uint8: 0 background and the ids of the objects.

        Raises:
            DataError: nothing was started, or the frame has another size or type.
        """
        began = time.perf_counter()
        video = self.video
        _check_next(frame, video)
        with torch.inference_mode():
            self._advance(video, self._place(frame, video.canvas))
        self.step_seconds = time.perf_counter() - began
        return video.labels.copy()

    def add_objects(self, frame: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Mark further objects in the frame that was segmented last, or in the one after it.

        The objects get a template of their own from this frame, in which all others are
        background. Where the new labels cover older objects, the new ones win. With online
        learning, the network stays the one that was fine-tuned on the first frame: it learns
        nothing more of the added objects than their template.

        Args:
            frame: H×W×3 uint8 RGB: the last frame, or the next, which is then segmented first.
            labels: H×W integers: the new objects under ids not used so far; 0 elsewhere.

        Returns:
            H×W uint8: labels of all objects in this frame.

        Raises:
            DataError: nothing was started, an id is in use, or as for :meth:`start`.
        """
        video = self.video
        _check_next(frame, video)
        labels, ids = checked_labels(labels, frame.shape[:2])
        known = sorted(set(ids) & set(video.ids))
        if known:
            raise DataError(
                f"Objects {known} are followed already; added labels may only hold new ids "
                f"(in use: {sorted(video.ids)}). Set known objects to 0, or use other ids."
            )
        with torch.inference_mode():
            image = self._place(frame, video.canvas)
            if not torch.equal(image, video.image):
                self._advance(video, image)
            self._mark(video, labels, ids)
        return video.labels.copy()

    def _frame_step_for(self, image: Tensor, canvas: Canvas, labels: np.ndarray) -> FrameStep:
        """What segments a video with this first frame: the same for all without online learning."""
        if self.config.online is None:
            return self._frame_step
        # Only here, so that whoever does not learn loads nothing of training.
        from ranet.training.online import fine_tune

        began = time.perf_counter()
        on_canvas = canvas.place_labels(torch.from_numpy(labels)[None])
        model = fine_tune(
            self._frame_step.model,
            (image[0] * 255).round().byte().permute(1, 2, 0).cpu().numpy(),
            on_canvas[0].numpy(),
            self.config,
        )
        synchronise(self.device)
        self.online_seconds = time.perf_counter() - began
        return FrameStep(model, self.config).eval()

    def _advance(self, video: FollowedVideo, image: Tensor) -> None:
        """Go on to the next frame and segment it; a failed step leaves the video where it was."""
        probabilities = video.frame_step(video.templates, image, video.probabilities)
        # A few objects at a time: at the frame's own size, which may be 4K, all are many.
        parts = probabilities.split(self.config.objects_at_once, dim=1)
        channels = to_labels(
            self._frame_step.fusion, (video.canvas.restore(part) for part in parts)
        )[0]
        labels = np.array((0, *video.ids), np.uint8)[channels.byte().cpu().numpy()]
        video.image, video.probabilities, video.labels = image, probabilities, labels

    def _mark(self, video: FollowedVideo, labels: np.ndarray, ids: tuple[int, ...]) -> None:
        """Take the objects of ``labels`` in the last frame as given, and their template from it."""
        channels = np.zeros(256, np.uint8)
        channels[list(ids)] = np.arange(1, len(ids) + 1)
        ordered = torch.from_numpy(channels[labels])[None].to(self.device)
        masks = one_hot_masks(video.canvas.place_labels(ordered), len(ids))
        template = video.frame_step.encode_template(video.image, masks)
        self._check_seen(template, labels, ids)
        video.templates.append(template)
        covered = masks.amax(dim=1, keepdim=True)
        video.probabilities = torch.cat([video.probabilities * (1 - covered), masks], dim=1)
        video.labels = np.where(labels > 0, labels, video.labels)
        video.ids += ids

    def _check_seen(self, template: Template, labels: np.ndarray, ids: Sequence[int]) -> None:
        """Name the objects that are too small for the network, in one go; all is an error."""
        seen = template.masks.amax(dim=(0, 2, 3)).cpu().numpy() > 0
        pixels = np.bincount(labels.ravel(), minlength=256)
        unseen = [
            f"{label} ({count(int(pixels[label]), 'pixel')})"
            for label, is_seen in zip(ids, seen, strict=True)
            if not is_seen
        ]
        if not unseen:
            return
        cause_and_cure = (
            f"{some_of(unseen)}. A frame of {size_text(labels.shape)} (height×width) is resized to "
            f"frame_size {self.config.frame_size}, and its part around the objects to input_size "
            f"{self.config.input_size}, where nothing is left of them. Raise these sizes, or mark "
            "the objects larger; many tiny ones come of smoothed masks: save those without "
            "smoothing."
        )
        if len(unseen) == len(ids):
            raise DataError(
                "The network sees none of the objects that are marked, as they are too small or "
                f"too thin: {cause_and_cure}"
            )
        warnings.warn(
            f"{len(unseen)} of {count(ids, 'object')} are too small or too thin for the network to "
            f"see, which can at best go by their last masks: {cause_and_cure}",
            UserWarning,
            stacklevel=4,
        )

    def _place(self, frame: np.ndarray, canvas: Canvas) -> Tensor:
        """A frame on its canvas, on the device: 1×3×h×w in [0, 1]."""
        # torch takes no mirrored arrays, and warns of read-only ones: those are copied.
        pixels = torch.from_numpy(np.require(frame, requirements="CW")).to(self.device)
        return canvas.place(pixels.permute(2, 0, 1)[None].float() / 255)

    @property
    def video(self) -> FollowedVideo:
        """All that is known of the video, for those who look inside (:mod:`.explain`).

        Raises:
            DataError: no video was started.
        """
        if self._started is None:
            raise DataError("No video was started: call start(frame, labels) with its first frame.")
        return self._started


def _check_next(frame: np.ndarray, video: FollowedVideo) -> None:
    _check_frame(frame)
    if frame.shape[:2] != video.canvas.frame:
        raise DataError(
            f"This frame is {size_text(frame.shape)}, but its video began with "
            f"{size_text(video.canvas.frame)} (height×width). All frames of a video should be "
            "of one size: resize them, or start a new video here."
        )


def _check_frame(frame: np.ndarray) -> None:
    if not isinstance(frame, np.ndarray):
        raise DataError(
            "A frame should be an H×W×3 uint8 RGB numpy array, found "
            f"{type(frame).__name__}. Make it one with numpy.asarray."
        )
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or frame.size == 0:
        raise DataError(
            "A frame should be an H×W×3 uint8 RGB array, found shape "
            f"{frame.shape} of {frame.dtype}."
        )
