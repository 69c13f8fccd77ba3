"""Look inside: every step of one frame, as the paper's figures show them.

The parts of the network are called one after the other, as its own code does; nothing is hooked in.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ranet.config import InferenceConfig
from ranet.datasets.video_io import FrameSource, open_frames
from ranet.device import autocast, exact_float32
from ranet.errors import CheckpointError, DataError
from ranet.inference.annotation_files import first_labels
from ranet.inference.canvas import Canvas
from ranet.inference.objects import to_labels
from ranet.inference.segmenter import VideoSegmenter
from ranet.inference.tracker import FollowedVideo
from ranet.methods.crops import crop_resize, crop_resize_nearest
from ranet.methods.ranet.correlation import correlate
from ranet.methods.ranet.network import RANet
from ranet.methods.ranet.ranking_attention import RankingAttentionModule
from ranet.methods.registry import load_pretrained
from ranet.structures import EncodedFrame, Template
from ranet.visual.explanation import (
    Box,
    Explanation,
    Pixel,
    Region,
    Strip,
    View,
    draw_explanation,
)
from ranet.visual.plots import check_matplotlib
from ranet.wording import some_of

_STRIP_FRAMES = 5
"""Shown of the video, as in the paper's Figure 7."""

_PIXELS = 4
"""Chosen on the object, and as many beside it, as in the paper's Figure 4."""


def explain(
    video: str | Path,
    mask: str | Path | np.ndarray,
    frame: int,
    out: str | Path | None = None,
    *,
    model: RANet | None = None,
    name: str = "the network that is explained",
    object_id: int | None = None,
    points: Sequence[tuple[int, int]] = (),
    config: InferenceConfig | None = None,
    compare: Mapping[str, RANet] | None = None,
) -> Explanation:
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
        CheckpointError: ``model`` ranks no similarity maps: it is an ablation.
        DataError: the video has no such frame, the mask does not fit it or has no such object, or
            a point lies outside of what the network saw.
        OutputError: a figure cannot be written.
    """
    if out is not None:
        check_matplotlib()
    model = load_pretrained() if model is None else model
    _ranking_of(model)
    source = open_frames(video)
    labels, ids = first_labels(mask, source.size)
    chosen = ids[0] if object_id is None else object_id
    if chosen not in ids:
        raise DataError(
            f"The first mask has no object {chosen}, but {some_of([str(i) for i in ids])}. "
            "Choose one of these."
        )
    networks = [(name, model), *(compare or {}).items()]
    watched = [
        _watch(VideoSegmenter(network, config), source, labels, frame, called)
        for called, network in networks
    ]
    explanation = _explained(watched[0], chosen, points)
    if out is not None:
        draw_explanation(explanation, [one.strip for one in watched], out)
    return explanation


def _ranking_of(model: RANet) -> RankingAttentionModule:
    if not isinstance(model.ranking, RankingAttentionModule):
        raise CheckpointError(
            f"This network was built with matching {model.architecture['matching']!r}, an ablation "
            "that ranks no similarity maps, so there is no ranking to explain. Explain a network "
            "with matching 'ranking'; this one can be compared with it."
        )
    return model.ranking


class _Watched(NamedTuple):
    """A video followed up to the frame to explain, and what was known on the way."""

    video: FollowedVideo  # after that frame
    number: int  # of the frame
    first_image: Tensor  # 1×3×H×W in [0, 1]
    first_masks: Tensor  # 1×K×H×W
    before: Tensor  # 1×K×H×W: probabilities of the frame before
    strip: Strip


def _watch(
    segmenter: VideoSegmenter, source: FrameSource, labels: np.ndarray, last: int, name: str
) -> _Watched:
    """Follow the video from its first frame to number ``last``."""
    if last < 1 or (source.count is not None and last >= source.count):
        raise _no_such_frame(last, source.count)
    to_show = set(np.linspace(0, last, _STRIP_FRAMES).round().astype(int).tolist())
    numbers, frames, results = [], [], []
    number = -1
    for number, (_, frame) in enumerate(
        tqdm(islice(source, last + 1), total=last + 1, unit="frame", disable=None)
    ):
        if number == 0:
            result = segmenter.start(frame, labels)
            first_image, before = segmenter.video.image, segmenter.video.probabilities
            first_masks = before
        else:
            before = segmenter.video.probabilities
            result = segmenter.step(frame)
        if number in to_show:
            numbers.append(number)
            frames.append(frame)
            results.append(result)
    if number < last:
        raise _no_such_frame(last, number + 1)
    strip = Strip(name, tuple(numbers), tuple(frames), tuple(results))
    return _Watched(segmenter.video, last, first_image, first_masks, before, strip)


def _no_such_frame(number: int, count: int | None) -> DataError:
    last = "the last" if count is None else f"{count - 1}, the last"
    return DataError(
        f"There is no frame {number} to explain: expected a number from 1, the frame after the "
        f"marked one, to {last}."
    )


@torch.inference_mode()
def _explained(watched: _Watched, object_id: int, points: Sequence[tuple[int, int]]) -> Explanation:
    """Take the last step of the video once more, part by part."""
    video = watched.video
    step, template, k = video.frame_step.plain, video.templates[0], video.ids.index(object_id)
    size = step.input_size(video.canvas.size)

    # As the step does.
    first_box = step.box_around_objects(watched.first_masks)
    first_masks = crop_resize_nearest(watched.first_masks, first_box, size)
    box = step.box_around_objects(watched.before)
    previous = step.to_previous_masks(step.fusion, crop_resize(watched.before, box, size))
    with exact_float32(previous.device), autocast(previous.device, step.config.dtype):
        frame = step.network.encode_frame(crop_resize(video.image, box, size))
        logits = step.network.segment(template, frame, previous, step.config.objects_at_once)
        similarity, foreground, background = _ranked(step.network, template, frame, k)

    chosen = tuple(_pixel_at(point, video.canvas, first_box, foreground) for point in points)
    return Explanation(
        object_id=object_id,
        frame_number=watched.number,
        template=_view(video, watched.first_image, watched.first_masks, first_box, first_masks, k),
        current=_view(video, video.image, watched.before, box, previous, k),
        similarity=similarity,
        pixels=chosen or (*_well_ranked(foreground, True), *_well_ranked(background, False)),
        foreground=foreground,
        background=background,
        probability=_array(step.fusion.to_probabilities(logits.float())[0, k]),
        labels=_labels(video, video.probabilities),
    )


def _ranked(
    model: RANet, template: Template, frame: EncodedFrame, k: int
) -> tuple[np.ndarray, Region, Region]:
    """Similarity maps gh×gw×h/16×w/16, and both regions of object ``k``, as RANet.segment has them.

    The maps of the network's own :meth:`~RankingAttentionModule.rank` are those shown.
    """
    ranking = _ranking_of(model)
    similarity = correlate(template.embedding, frame.embedding)  # 1×N×h/16×w/16
    regions = ranking.make_regions(template.masks.flatten(2))
    scores = ranking.score(similarity, regions)  # 1×M×N
    streams = ranking.rank(similarity, template.masks)  # each 1×K×R×h/16×w/16
    foreground, background = (
        Region(
            weights=_array(regions.weights[0, members[k]].amax(dim=0)).reshape(model.template_grid),
            scores=_array(scores[0, members[k]].amax(dim=0)).reshape(model.template_grid),
            maps=_array(maps[0, k]),
            merged=_array(model.merge(maps[:, k], frame.skips.f8.shape[-2:])[0]),
        )
        for maps, members in zip(streams, (regions.foreground, regions.background), strict=True)
    )
    maps = _array(similarity[0])
    return maps.reshape(*model.template_grid, *maps.shape[1:]), foreground, background


def _view(
    video: FollowedVideo, image: Tensor, probabilities: Tensor, box: Tensor, masks: Tensor, k: int
) -> View:
    """``masks`` are those the network was given, in the box."""
    return View(
        frame=_picture(image),
        labels=_labels(video, probabilities),
        box=Box(*box[0].tolist()),
        crop=_picture(crop_resize(image, box, (masks.shape[-2], masks.shape[-1]))),
        mask=_array(masks[0, k]),
    )


def _labels(video: FollowedVideo, probabilities: Tensor) -> np.ndarray:
    """Ids of the objects on the canvas: H×W uint8."""
    channels = to_labels(video.frame_step.fusion, [probabilities])[0]
    return np.take(np.array((0, *video.ids), np.uint8), channels.cpu().numpy())


def _picture(image: Tensor) -> np.ndarray:
    """1×3×H×W in [0, 1] → H×W×3 uint8."""
    return np.asarray((image[0] * 255).round().byte().permute(1, 2, 0).cpu())


def _array(tensor: Tensor) -> np.ndarray:
    return np.asarray(tensor.float().cpu())


def _pixel_at(point: tuple[int, int], canvas: Canvas, box: Tensor, foreground: Region) -> Pixel:
    """The template position that a pixel of the first frame belongs to."""
    grid = foreground.weights.shape
    top, left, bottom, right = box[0].tolist()
    sides = (
        _Side(point[0], canvas.top, canvas.fitted[0] / canvas.frame[0], top, bottom, grid[0]),
        _Side(point[1], canvas.left, canvas.fitted[1] / canvas.frame[1], left, right, grid[1]),
    )
    if not all(0 <= side.cell < side.cells for side in sides):
        rows, columns = (f"{side.least} to {side.most}" for side in sides)
        raise DataError(
            f"The point {point} (row, column) lies outside of what the network saw of the first "
            f"frame: rows {rows}, columns {columns}. Choose one nearer to the objects."
        )
    row, column = (side.cell for side in sides)
    return Pixel(row, column, of_object=bool(foreground.weights[row, column] >= 0.5))


class _Side(NamedTuple):
    """The rows of a frame, or its columns: on the canvas, and in a crop's template grid."""

    at: int  # a pixel of the frame
    offset: int  # of the frame on the canvas
    scale: float  # of the frame on the canvas
    first: int  # of the crop, on the canvas
    last: int  # beyond the crop, on the canvas
    cells: int  # of the template grid

    @property
    def cell(self) -> int:
        """The one that the pixel's centre lies in."""
        on_canvas = self.offset + (self.at + 0.5) * self.scale
        return math.floor((on_canvas - self.first) * self.cells / (self.last - self.first))

    @property
    def least(self) -> int:
        """The first pixel of the frame in the crop."""
        return max(0, math.ceil((self.first - self.offset) / self.scale - 0.5))

    @property
    def most(self) -> int:
        """The last one."""
        return math.ceil((self.last - self.offset) / self.scale - 0.5) - 1


def _well_ranked(region: Region, of_object: bool) -> list[Pixel]:
    """Positions of the region, well ranked and far from each other, the best ranked one first."""
    inside = (region.weights > 0) & (region.weights >= min(0.5, region.weights.max()))
    if not inside.any():
        return []
    if not of_object and (within := inside & _off_the_border(inside.shape)).any():
        inside = within  # features at the border are made of padding, too
    good = inside & (region.scores >= np.median(region.scores[inside]))
    rest = np.argwhere(good)  # ?×2
    chosen = [rest[region.scores[good].argmax()]]
    while len(chosen) < min(_PIXELS, len(rest)):
        distances = np.linalg.norm(rest[:, None] - np.array(chosen)[None], axis=2).min(axis=1)
        chosen.append(rest[distances.argmax()])
    return [Pixel(int(row), int(column), of_object) for row, column in chosen]


def _off_the_border(shape: tuple[int, ...]) -> np.ndarray:
    """The positions of a grid that have eight neighbours: bool."""
    within = np.zeros(shape, bool)
    within[1:-1, 1:-1] = True
    return within
