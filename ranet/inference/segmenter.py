"""Segment a video frame by frame, as a file is read or a camera delivers.

::

    segmenter = VideoSegmenter(load_checkpoint("ranet.pt"))
    segmenter.start(first_frame, first_labels)
    for frame in frames:
        labels = segmenter.step(frame)

All that is kept of the past is the method's state: RANet's does not grow with the video.

With online learning (``online=OnlineLearning(steps=100)``) a copy of the network is fine-tuned on
the first frame before a video is followed with it; the next video starts from the network as it
was given.
"""

import time

import numpy as np
import torch

from ranet.config import InferenceConfig, OnlineLearning
from ranet.datasets.annotations import checked_labels
from ranet.device import synchronise
from ranet.errors import ConfigError, DataError
from ranet.inference.tracker import FollowedVideo, Network, Tracker, check_next
from ranet.inference.transfer import Frame
from ranet.methods.base import VOSMethod


class VideoSegmenter:
    """Follows the objects of one annotated frame, and of any added later, through a video.

    Args:
        model: the network. In float32 it is moved to the device and set to evaluation; for half
            precision and other layouts of memory, a copy is, and it stays as and where it is.
        config: canvas and crop, fusion of objects, device and precision; None: the defaults.
        online: fine-tune on the first frame of every video; takes the place of ``config.online``.

    Raises:
        ConfigError: the machine lacks the device asked for.
        TypeError: ``model`` is no network.
    """

    def __init__(
        self,
        model: VOSMethod,
        config: InferenceConfig | None = None,
        *,
        online: OnlineLearning | None = None,
    ) -> None:
        if not isinstance(model, VOSMethod):
            raise TypeError(
                "VideoSegmenter takes a network, as load_checkpoint(path) returns it, found "
                f"{model!r}, a {type(model).__name__}."
            )
        config = config or InferenceConfig()
        if online is not None:
            config = config.model_copy(update={"online": online})
        self._tracker = Tracker(model, config)
        self.config = self._tracker.config
        """As it was given, with what it leaves to the network filled in."""
        self.device = self._tracker.device
        self.step_seconds = 0.0
        """Wall time of the last :meth:`step`, from the frame that is handed over to labels in host
        memory; reading them waits for the device, so it is a synchronised time."""
        self.online_seconds = 0.0
        """Wall time, synchronised, that the last :meth:`start` spent on online learning."""
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
        return video.canvas.restore(video.state.probabilities)[0].cpu().numpy()

    @property
    def method(self) -> VOSMethod:
        """What follows the video, as it computes."""
        network = self._tracker.network if self._started is None else self._started.network
        return network.method

    @property
    def ways(self) -> tuple[str, ...]:
        """How all steps so far were computed, of ``compile``, ``cuda_graph``, ``channels_last``."""
        network = self._tracker.network if self._started is None else self._started.network
        ran = network.compiled.ran if network.compiled else {}
        ran = {**ran, "channels_last": self.config.channels_last}
        return tuple(way for way, so in ran.items() if so)

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
        video = self._tracker.begin(frame)
        labels, ids = checked_labels(labels, frame.shape[:2])
        if self.config.online is not None:
            video.network = self._fine_tuned(video, labels)
        self._tracker.mark(video, labels, ids)
        self._started = video
        return video.labels.copy()

    def prepare(self, frame: np.ndarray) -> Frame:
        """Do what can be done of :meth:`step` ahead, by a thread that reads the next frames.

        Args:
            frame: H×W×3 uint8 RGB.

        Returns:
            What :meth:`step` takes for it. With CUDA, it is on its way to the device.

        Raises:
            DataError: the frame has another shape or type.
        """
        return self._tracker.prepare(frame)

    def step(self, frame: Frame) -> np.ndarray:
        """Segment the next frame.

        Args:
            frame: H×W×3 uint8 RGB, of the first frame's size; or what :meth:`prepare` returned.

        Returns:
            H×W uint8: 0 background and the ids of the objects.

        Raises:
            DataError: nothing was started, or the frame has another size or type.
        """
        began = time.perf_counter()
        video = self.video
        self._tracker.step([video], [frame])
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
        check_next(frame, video)
        labels, ids = checked_labels(labels, frame.shape[:2])
        known = sorted(set(ids) & set(video.ids))
        if known:
            raise DataError(
                f"Objects {known} are followed already; added labels may only hold new ids "
                f"(in use: {sorted(video.ids)}). Set known objects to 0, or use other ids."
            )
        image = self._tracker.place(video.canvas, [frame])
        if not torch.equal(image, video.image):
            self._tracker.advance([video], image)
        self._tracker.mark(video, labels, ids)
        return video.labels.copy()

    def together(self) -> Tracker:
        """What follows several videos at once with the same network.

        Raises:
            ConfigError: there is online learning, which gives every video a network of its own.
        """
        if self.config.online is not None:
            raise ConfigError(
                "With online learning every video has a network of its own, so several videos "
                "cannot be segmented at once. Set inference.online to null, or segment one video "
                "at a time."
            )
        return self._tracker

    def _fine_tuned(self, video: FollowedVideo, labels: np.ndarray) -> Network:
        """What segments a video with a network that has learned from its first frame."""
        # Only here, so that whoever does not learn loads nothing of training.
        from ranet.training.online import fine_tune

        began = time.perf_counter()
        canvas = video.canvas
        on_canvas = canvas.place_labels(torch.from_numpy(labels)[None])
        size = video.network.method.size_seen(canvas.size)
        model = fine_tune(
            self._tracker.model,
            (video.image[0] * 255).round().byte().permute(1, 2, 0).cpu().numpy(),
            on_canvas[0].numpy(),
            self.config.model_copy(update={"input_size": size}),
        )
        synchronise(self.device)
        self.online_seconds = time.perf_counter() - began
        return Network.prepared(model, self.config)

    @property
    def video(self) -> FollowedVideo:
        """All that is known of the video, for those who look inside (:mod:`.explain`).

        Raises:
            DataError: no video was started.
        """
        if self._started is None:
            raise DataError("No video was started: call start(frame, labels) with its first frame.")
        return self._started
