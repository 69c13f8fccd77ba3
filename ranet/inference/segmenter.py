"""Segment a video frame by frame, as a file is read or a camera delivers.

::

    segmenter = VideoSegmenter(load_checkpoint("ranet.pt"))
    segmenter.start(first_frame, first_labels)
    for frame in frames:
        labels = segmenter.step(frame)
"""

import numpy as np

from ranet.config import InferenceConfig, OnlineLearning
from ranet.errors import DataError
from ranet.inference.canvas import Frame
from ranet.inference.tracker import FollowedVideo, Tracker
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
        if online is not None:
            config = (config or InferenceConfig()).model_copy(update={"online": online})
        self.tracker = Tracker(model, config)
        """Follows any number of videos at once with the same network."""
        self.config = self.tracker.config
        """As it was given, with what it leaves to the network filled in."""
        self.device = self.tracker.device
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
    def step_seconds(self) -> float:
        """Wall time of the last :meth:`step`, from frame to labels in host memory: synchronised."""
        return self.tracker.step_seconds

    @property
    def online_seconds(self) -> float:
        """Wall time, synchronised, that the last :meth:`start` spent on online learning."""
        return self.tracker.online_seconds

    @property
    def method(self) -> VOSMethod:
        """What follows the video, as it computes."""
        network = self.tracker.network if self._started is None else self._started.network
        return network.method

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
        self._started = self.tracker.start(frame, labels)
        return self._started.labels.copy()

    def prepare(self, frame: np.ndarray) -> Frame:
        """Do what can be done of :meth:`step` ahead, by a thread that reads the next frames.

        Args:
            frame: H×W×3 uint8 RGB.

        Returns:
            What :meth:`step` takes for it: with CUDA, the frame on its way to its canvas there;
            elsewhere, the frame as it is.

        Raises:
            DataError: the frame has another shape or type.
        """
        return self.tracker.prepare(frame)

    def step(self, frame: Frame) -> np.ndarray:
        """Segment the next frame.

        Args:
            frame: H×W×3 uint8 RGB, of the first frame's size; or what :meth:`prepare` returned.

        Returns:
            H×W uint8: 0 background and the ids of the objects.

        Raises:
            DataError: nothing was started, or the frame has another size or type.
        """
        (labels,) = self.tracker.step([self.video], [frame])
        return labels.copy()

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
        return self.tracker.add_objects(self.video, frame, labels).copy()

    def correct(self, frame: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """:meth:`add_objects`, also for known objects, which begin anew from this frame.

        Objects that are not marked go on, behind those that are. Where this is the next frame, it
        is segmented first, with all objects as they were known.
        """
        return self.tracker.correct(self.video, frame, labels).copy()

    @property
    def video(self) -> FollowedVideo:
        """All that is known of the video, for those who look inside (:mod:`.explain`).

        Raises:
            DataError: no video was started.
        """
        if self._started is None:
            raise DataError("No video was started: call start(frame, labels) with its first frame.")
        return self._started
