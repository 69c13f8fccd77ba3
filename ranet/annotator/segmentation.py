"""Following what was marked through the video, with masks that can be seen as they come."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ranet.annotator.job import Job
from ranet.datasets.image_io import read_labels, write_labels
from ranet.datasets.random_access import FrameReader
from ranet.datasets.video_io import FrameSource
from ranet.inference.marked_frames import MarkedFrames
from ranet.inference.segmenter import VideoSegmenter
from ranet.inference.video import segment_video

_SAVE_EVERY = 2.0
"""Seconds of work that are done again, at most, when a stopped segmentation goes on."""


class Segmentation:
    """The masks that some marks lead to.

    Args:
        source: the video.
        marks: labels H×W by the number of their frame.
        backward: also segment the frames before the first of these.
        folder: new, and its own.

    Raises:
        DataError: nothing is marked.
    """

    def __init__(
        self,
        source: FrameSource,
        marks: Mapping[int, np.ndarray],
        folder: Path,
        *,
        backward: bool,
    ) -> None:
        self.ways = MarkedFrames(marks, source.size).ways(backward=backward)
        self.complete = False
        """Whether it went to its end; otherwise it can be gone on with."""
        self.frames: set[int] = set()
        """Numbers of those that have a mask."""
        self.done = 0
        """How often a frame was segmented; those met on two ways count twice."""
        self.masks = folder / "seen"
        """``<name of the frame>.png``; another folder once all is done."""
        self.backward = backward
        """As it was asked for."""
        self._source, self._marks, self._folder = source, marks, folder

    def total(self, frames: int) -> int:
        """How often a frame is to be segmented, in a video of so many."""
        return sum(way.first + 1 if way.backward else frames - way.first for way in self.ways)

    def run(self, segmenter: VideoSegmenter, job: Job) -> None:
        """Segment, from the beginning or from where it was stopped.

        Raises:
            StoppedError: the job was stopped.
            RANetError: as for :func:`segment_video`.
        """

        def show(number: int, name: str, frame: np.ndarray, labels: np.ndarray) -> None:
            write_labels(self.masks / f"{name}.png", labels)
            self.frames.add(number)
            self.done += 1
            job.advance(number)

        done = self._folder / "masks"
        segment_video(
            segmenter,
            self._source,
            self._marks,
            done,
            backward=self.backward,
            save_every=_SAVE_EVERY,
            after_frame=show,
        )
        self.masks = done  # the others stay: someone may be reading one
        self.complete = True

    def labels(self, number: int, reader: FrameReader) -> np.ndarray | None:
        """H×W uint8 of a frame; None if it has no mask."""
        if number not in self.frames:
            return None
        return read_labels(self.masks / f"{reader.name(number)}.png")

    def remove(self) -> None:
        """Remove its files."""
        shutil.rmtree(self._folder, ignore_errors=True)
