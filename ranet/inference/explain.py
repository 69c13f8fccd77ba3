"""Look inside: follow a video to a frame, and let the method explain its result there."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from ranet.config import InferenceConfig
from ranet.datasets.annotations import first_labels
from ranet.datasets.frames import FrameSource
from ranet.datasets.video_io import open_frames
from ranet.device import exact_float32
from ranet.errors import DataError
from ranet.inference.segmenter import VideoSegmenter
from ranet.methods.base import VOSMethod, Watched, WatchedStep
from ranet.methods.checkpoints import load_pretrained
from ranet.visual.contact_sheet import Strip
from ranet.visual.plots import check_matplotlib
from ranet.wording import some_of

_STRIP_FRAMES = 5
"""Shown of the video, as in the paper's Figure 7."""


def explain(
    video: str | Path,
    mask: str | Path | np.ndarray,
    frame: int,
    out: str | Path | None = None,
    *,
    model: VOSMethod | None = None,
    name: str = "the network that is explained",
    object_id: int | None = None,
    points: Sequence[tuple[int, int]] = (),
    config: InferenceConfig | None = None,
    compare: Mapping[str, VOSMethod] | None = None,
) -> Any:
    """Segment a video up to a frame and show how the network came to its result there.

    Args:
        video: a folder of frames, a pattern, or a video file
            (:func:`~ranet.datasets.video_io.open_frames`).
        mask: the objects in the first frame: a file, or H×W labels.
        frame: number of the frame to explain, from 1 on; 0 is the marked one.
        out: folder for the figures; None: none are drawn.
        model: None: ``ranet-small``.
        name: what figures with other networks call it.
        object_id: the object to explain; None: that with the smallest id.
        points: (row, column) of pixels in the first frame whose similarity maps to show; none:
            well ranked ones that lie apart, on the object and beside it.
        config: how to segment; None: as ``segment.py`` does.
        compare: further networks by name, which may be ablations: they follow the video, too, and
            their results are shown below, as in the supplement's Figure 3.

    Returns:
        What the figures show.

    Raises:
        CheckpointError: the network is one that its method does not explain, as RANet's ablations,
            which rank no similarity maps.
        DataError: the video has no such frame, the mask does not fit it or has no such object, or
            a point lies outside of what the network saw.
        OutputError: a figure cannot be written.
        RANetError: the method offers no explanation.
    """
    if out is not None:
        check_matplotlib()
    model = load_pretrained() if model is None else model
    model.check_explains()
    source = open_frames(video)
    labels, ids = first_labels(mask, source.size)
    chosen = ids[0] if object_id is None else object_id
    if chosen not in ids:
        raise DataError(
            f"The first mask has no object {chosen}, but {some_of([str(i) for i in ids])}."
        )
    segmenter = VideoSegmenter(model, config)
    watched, strip = _watch(segmenter, source, labels, frame, name)
    with torch.inference_mode(), exact_float32(segmenter.device):
        explanation = segmenter.method.explain(watched=watched, object_id=chosen, points=points)
    if out is not None:
        strips = [
            _watch(VideoSegmenter(network, config), source, labels, frame, called)[1]
            for called, network in (compare or {}).items()
        ]
        explanation.draw([strip, *strips], out)
    return explanation


def _watch(
    segmenter: VideoSegmenter, source: FrameSource, labels: np.ndarray, last: int, name: str
) -> tuple[Watched, Strip]:
    """Follow the video from its first frame to number ``last``."""
    if last < 1 or (source.count is not None and last >= source.count):
        raise _no_such_frame(last, source.count)
    to_show = set(np.linspace(0, last, _STRIP_FRAMES).round().astype(int).tolist())
    numbers, frames, results, steps = [], [], [], []
    number = -1
    for number, (_, frame) in enumerate(
        tqdm(islice(source, last + 1), total=last + 1, unit="frame", disable=None)
    ):
        if number == 0:
            result = segmenter.start(frame, labels)
            first_image, first_masks = segmenter.video.image, segmenter.video.state.probabilities
        else:
            before = segmenter.video.state
            result = segmenter.step(frame)
            video = segmenter.video
            step = WatchedStep(number, video.image, before, video.state)
        if number in to_show:
            steps += [step] if number > 0 else []
            numbers.append(number)
            frames.append(frame)
            results.append(result)
    if number < last:
        raise _no_such_frame(last, number + 1)
    strip = Strip(name, tuple(numbers), tuple(frames), tuple(results))
    watched = Watched(
        last,
        video.ids,
        video.canvas,
        first_image,
        first_masks,
        video.image,
        before.probabilities,
        video.state,
        tuple(steps),
    )
    return watched, strip


def _no_such_frame(number: int, count: int | None) -> DataError:
    last = "the last" if count is None else f"{count - 1}, the last"
    return DataError(
        f"There is no frame {number} to explain: expected a number from 1, the frame after the "
        f"marked one, to {last}."
    )
