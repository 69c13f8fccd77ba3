"""Segment several videos at once, a frame of each in one batch, which fills a GPU.

::

    segmenter = BatchSegmenter(load_checkpoint("ranet.pt"))
    videos = [segmenter.start(frame, labels) for frame, labels in first_frames]
    for frames in zip(*rest_of_the_videos):
        labels = segmenter.step(videos, frames)

Every video is segmented as :class:`~ranet.inference.segmenter.VideoSegmenter` does it, with its own
crop and template, and to the same result (a batch adds up in another order, which floats notice).
Videos may come and go from step to step; those of a step have canvases of one size and equally many
objects. Objects that only fill a batch up would not be worth it: each costs as much as a real one.
"""

import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ranet.config import InferenceConfig
from ranet.errors import ConfigError, DataError
from ranet.inference.first_mask import checked_labels
from ranet.inference.tracker import FollowedVideo, Tracker, check_next, runs_of_one_canvas
from ranet.model.ranet import RANet
from ranet.structures import Template
from ranet.wording import size_text

Group = tuple[tuple[int, int], int]
"""Size of the canvas and number of objects: what videos of one step have in common."""


class BatchSegmenter:
    """Follows the objects of several videos, all with one network.

    Args:
        model: the network; it is moved to the device and set to evaluation.
        config: canvas and crop, fusion of objects, device and precision; None: the defaults.

    Raises:
        ConfigError: the machine lacks the device asked for, or there is to be online learning,
            which gives every video a network of its own.
    """

    def __init__(self, model: RANet, config: InferenceConfig | None = None) -> None:
        config = config or InferenceConfig()
        if config.online is not None:
            raise ConfigError(
                "With online learning every video has a network of its own, so several videos "
                "cannot be segmented at once. Set inference.online to null, or segment one video "
                "at a time."
            )
        self._tracker = Tracker(model, config)
        self.config = self._tracker.config
        """As it was given, with what it leaves to the network filled in."""
        self.device = self._tracker.device
        self.step_seconds = 0.0
        """Wall time of the last :meth:`step` for all of its videos together, from frames in host
        memory to labels in host memory; reading them waits for the device, so it is a synchronised
        time."""
        self._stacked: tuple[list[FollowedVideo], list[Template]] = ([], [])

    def group(self, size: tuple[int, int], objects: int) -> Group:
        """What a video has to have in common with others to be segmented in one step with them.

        Args:
            size: (H, W) of its frames.
            objects: how many there are.
        """
        return self._tracker.canvas_for(size).size, objects

    def start(self, frame: np.ndarray, labels: np.ndarray) -> FollowedVideo:
        """Begin a video at a frame whose objects are marked.

        Args:
            frame: H×W×3 uint8 RGB.
            labels: H×W integers: 0 background, 1…254 objects (ids may have gaps), 255 void,
                which counts as background.

        Returns:
            The video, for :meth:`step`; its ``labels`` are the result of this frame: those given,
            void as background.

        Raises:
            DataError: frame or labels have another shape or type, or there is no object, or none
                that the network could see.
        """
        video = self._tracker.begin(frame)
        self._tracker.mark(video, *checked_labels(labels, frame.shape[:2]))
        return video

    def step(
        self, videos: Sequence[FollowedVideo], frames: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """Segment the next frame of each video.

        Those that have frames of one size are best given one after the other: they are uploaded
        and downloaded together.

        Args:
            videos: B of those that :meth:`start` returned, of one :meth:`group`.
            frames: B of H×W×3 uint8 RGB, each of the size of its video's first frame.

        Returns:
            B of H×W uint8: 0 background and the ids of the objects.

        Raises:
            DataError: a frame has another size or type, or the videos are not of one group. All
                videos are where they were.
        """
        began = time.perf_counter()
        self._check_group(videos)
        for video, frame in zip(videos, frames, strict=True):
            check_next(frame, video)
        self._tracker.advance(videos, self._templates_of(videos), self._placed(videos, frames))
        self.step_seconds = time.perf_counter() - began
        return [video.labels for video in videos]

    def _check_group(self, videos: Sequence[FollowedVideo]) -> None:
        groups = {self.group(video.canvas.frame, len(video.ids)) for video in videos}
        if len(groups) != 1:
            found = [f"{size_text(size)} with {objects}" for size, objects in sorted(groups)]
            raise DataError(
                "Videos that are segmented in one step should have canvases of one size and "
                f"equally many objects, found {' and '.join(found) or 'no video'}. Give those of "
                "each group in a step of their own."
            )

    def _templates_of(self, videos: Sequence[FollowedVideo]) -> list[Template]:
        """The videos' templates, stacked; made anew only where other videos are given."""
        stacked_for, templates = self._stacked
        if stacked_for != list(videos):
            groups = zip(*(video.templates for video in videos), strict=True)
            templates = [_stacked(group) for group in groups]
            self._stacked = (list(videos), templates)
        return templates

    def _placed(self, videos: Sequence[FollowedVideo], frames: Sequence[np.ndarray]) -> Tensor:
        """B×3×h×w: the frames on their canvases."""
        return torch.cat(
            [
                self._tracker.place(videos[first].canvas, frames[first:last])
                for first, last in runs_of_one_canvas(videos)
            ]
        )


@torch.inference_mode()
def _stacked(templates: Sequence[Template]) -> Template:
    return Template(*map(torch.cat, zip(*templates, strict=True)))
