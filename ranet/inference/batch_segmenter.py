"""Segment several videos at once, a frame of each in one batch, which fills a GPU.

::

    segmenter = VideoSegmenter(load_checkpoint("ranet.pt")).together()
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

from ranet.errors import ConfigError, DataError
from ranet.inference.tracker import FollowedVideo, Tracker, check_next
from ranet.inference.transfer import Frame
from ranet.structures import Template
from ranet.wording import size_text

Group = tuple[tuple[int, int], int]
"""Size of the canvas and number of objects: what videos of one step have in common."""


class BatchSegmenter:
    """Follows the objects of several videos, all with one network.

    Args:
        tracker: the network on its device.

    Raises:
        ConfigError: there is to be online learning, which gives every video a network of its own.
    """

    def __init__(self, tracker: Tracker) -> None:
        if tracker.config.online is not None:
            raise ConfigError(
                "With online learning every video has a network of its own, so several videos "
                "cannot be segmented at once. Set inference.online to null, or segment one video "
                "at a time."
            )
        self._tracker = tracker
        self.config = tracker.config
        """With what was left to the network filled in."""
        self.device = tracker.device
        self.step_seconds = 0.0
        """Wall time of the last :meth:`step` for all of its videos together, from the frames that
        are handed over to labels in host memory; reading them waits for the device, so it is a
        synchronised time."""
        self._stacked: tuple[list[FollowedVideo], list[Template]] = ([], [])
        self._largest: dict[Group, int] = {}

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
        return self._tracker.start(frame, labels)

    def prepare(self, frame: np.ndarray) -> Frame:
        """As :meth:`~ranet.inference.segmenter.VideoSegmenter.prepare`, for :meth:`step`."""
        return self._tracker.prepare(frame)

    def step(self, videos: Sequence[FollowedVideo], frames: Sequence[Frame]) -> list[np.ndarray]:
        """Segment the next frame of each video.

        Those that have frames of one size are best given one after the other: they are uploaded
        and downloaded together.

        Args:
            videos: B of those that :meth:`start` returned, of one :meth:`group`.
            frames: B of H×W×3 uint8 RGB, each of the size of its video's first frame, or what
                :meth:`prepare` returned for it.

        Returns:
            B of H×W uint8: 0 background and the ids of the objects.

        Raises:
            DataError: a frame has another size or type, or the videos are not of one group. All
                videos are where they were.
        """
        began = time.perf_counter()
        group = self._group_of(videos)
        for video, frame in zip(videos, frames, strict=True):
            check_next(frame, video)
        filling = self._filling(group, len(videos))
        batch = [*videos, *[videos[-1]] * filling]
        images = self._tracker.images_of(batch, [*frames, *[frames[-1]] * filling])
        self._tracker.advance(batch, self._templates_of(batch), images)
        self.step_seconds = time.perf_counter() - began
        return [video.labels for video in videos]

    def _filling(self, group: Group, videos: int) -> int:
        """How often the last video is repeated to make a batch of so many as large as others were.

        Compiling or recording a step for every size of batch takes longer than it ever saves.
        """
        if not (self.config.compile or self.config.cuda_graph):
            return 0
        self._largest[group] = max(videos, self._largest.get(group, 0))
        return self._largest[group] - videos

    def _group_of(self, videos: Sequence[FollowedVideo]) -> Group:
        groups = {self.group(video.canvas.frame, len(video.ids)) for video in videos}
        if len(groups) != 1:
            found = [f"{size_text(size)} with {objects}" for size, objects in sorted(groups)]
            raise DataError(
                "Videos that are segmented in one step should have canvases of one size and "
                f"equally many objects, found {' and '.join(found) or 'no video'}. Give those of "
                "each group in a step of their own."
            )
        return groups.pop()

    def _templates_of(self, videos: Sequence[FollowedVideo]) -> list[Template]:
        """The videos' templates, stacked; made anew only where other videos are given."""
        stacked_for, templates = self._stacked
        if stacked_for != list(videos):
            groups = zip(*(video.templates for video in videos), strict=True)
            templates = [_stacked(group) for group in groups]
            self._stacked = (list(videos), templates)
        return templates


@torch.inference_mode()
def _stacked(templates: Sequence[Template]) -> Template:
    return Template(*map(torch.cat, zip(*templates, strict=True)))
