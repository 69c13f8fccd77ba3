"""Segment a video in a loop of your own.

::

    for name, frame, labels in ranet.segment_video("surf.mp4", "surf_first.png"):
        ...
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ranet.config import InferenceConfig
from ranet.datasets.annotations import first_labels
from ranet.datasets.frames import FrameSource
from ranet.datasets.video_io import no_such_frame, open_frames
from ranet.inference.segmenter import VideoSegmenter
from ranet.methods.base import VOSMethod
from ranet.methods.checkpoints import load_pretrained


class SegmentedFrame(NamedTuple):
    """A frame of a video and where its objects are."""

    name: str
    """Name of the image without its ending, or number of the frame in a video file."""
    frame: np.ndarray
    """H×W×3 uint8 RGB."""
    labels: np.ndarray
    """H×W uint8: 0 background, else the ids of the first mask."""


def segment_video(
    video: str | Path,
    mask: str | Path | np.ndarray | Sequence[str | Path],
    *,
    start: int = 0,
    model: VOSMethod | None = None,
    config: InferenceConfig | None = None,
) -> Iterator[SegmentedFrame]:
    """Follow the objects of a mask through a video, one frame at a time.

    The frames are read as they are asked for, so memory does not grow with the video, and whoever
    has seen enough just stops. What is wrong with mask or network is told at once, before the
    first frame is asked for.

    Args:
        video: a folder of images, a pattern such as ``"frames/*.png"``, or a video file.
        mask: the objects in frame ``start``: an image or a file of LabelMe, COCO or Label Studio;
            several of these, of one object each, which are 1, 2, …, the later in front; or H×W
            integers, 0 background, 1…254 objects, 255 void, or black and white (0 and 255).
        start: position of the marked frame, from 0, whatever images are called; earlier frames are
            left out.
        model: None: ``ranet-small``, which comes with the project.
        config: how to segment; None: the network's input size on the best device there is.

    Yields:
        Every frame from ``start`` on; the labels of the first are those of the mask.

    Raises:
        CheckpointError: ``ranet-small`` is not there.
        DataError: there is no such video, mask, or frame, or they do not fit together.
        TypeError: an argument is of another type.

    Examples:
        >>> import ranet
        >>> small = ranet.InferenceConfig(input_size=(64, 96), device="cpu")
        >>> for name, frame, labels in ranet.segment_video("surf", "surf_first.png", config=small):
        ...     print(name, frame.shape, labels.shape, labels.max())
        00000 (96, 160, 3) (96, 160) 1
        00001 (96, 160, 3) (96, 160) 1
        00002 (96, 160, 3) (96, 160) 1
    """
    source = open_frames(video)
    labels, _ = first_labels(mask, source.size, source.name(start))
    if start < 0 or (source.count is not None and start >= source.count):
        raise no_such_frame(video, start, source.count)
    segmenter = VideoSegmenter(load_pretrained() if model is None else model, config)
    return _segmented(segmenter, source, labels, start, video)


def _segmented(
    segmenter: VideoSegmenter,
    source: FrameSource,
    labels: np.ndarray,
    start: int,
    video: str | Path,
) -> Iterator[SegmentedFrame]:
    frames = iter(source)
    before = sum(1 for _ in islice(frames, start))
    first = next(frames, None)
    if first is None:  # some containers do not tell how many frames they have
        raise no_such_frame(video, start, before)
    name, frame = first
    yield SegmentedFrame(name, frame, segmenter.start(frame, labels))
    for name, frame in frames:
        yield SegmentedFrame(name, frame, segmenter.step(frame))
