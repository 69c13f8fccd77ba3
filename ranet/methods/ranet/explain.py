"""Look inside RANet: every step of one frame, as the paper's figures show them.

The parts of the network are called one after the other, as its own code does; nothing is hooked in.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ranet.errors import CheckpointError
from ranet.methods.base import Fitted, Watched
from ranet.methods.crops import crop_resize_nearest
from ranet.methods.objects import FUSIONS
from ranet.methods.pictures import array_of, cell_of, labels_of, places_apart, view_of
from ranet.methods.ranet.correlation import correlate
from ranet.methods.ranet.encoder import EncodedFrame, Template
from ranet.methods.ranet.figures import Explanation, Pixel, Region
from ranet.methods.ranet.network import RANet, RANetState
from ranet.methods.ranet.ranking_attention import RankingAttentionModule

_PIXELS = 4
"""Chosen on the object, and as many beside it, as in the paper's Figure 4."""


@torch.inference_mode()
def explained(
    model: RANet, watched: Watched, object_id: int, points: Sequence[tuple[int, int]]
) -> Explanation:
    """Take the last step of a video once more, part by part.

    Args:
        model: as it computed the step.
        watched: the video.
        object_id: the object to explain.
        points: (row, column) of pixels in the first frame; none: chosen here.

    Raises:
        DataError: a point lies outside of what the network saw.
    """
    state: RANetState = watched.state
    template, k = state.templates[0], watched.ids.index(object_id)
    size = model.size_seen(watched.image.shape[-2:])

    # As the step does.
    first_box = model.box_around_objects(model.foreground(watched.first_masks))
    first_masks = crop_resize_nearest(watched.first_masks, first_box, size)
    box = model.box_around_objects(model.foreground(watched.before), state.sides)
    crop, previous = model.view(watched.before, watched.image, box)
    with model.in_half(crop.device):
        frame = model.encode_frame(crop)
        logits = model.segment(template, frame, previous, model.options.objects_at_once)
        similarity, foreground, background = _ranked(model, template, frame, k)

    fusion, view = FUSIONS[model.options.fusion], partial(view_of, model, watched)
    chosen = tuple(_pixel_at(point, watched.canvas, first_box, foreground) for point in points)
    return Explanation(
        object_id=object_id,
        frame_number=watched.number,
        template=view(watched.first_image, watched.first_masks, first_box, first_masks[0, k]),
        current=view(watched.image, watched.before, box, previous[0, k]),
        similarity=similarity,
        pixels=chosen or (*_well_ranked(foreground, True), *_well_ranked(background, False)),
        foreground=foreground,
        background=background,
        probability=array_of(fusion.to_probabilities(logits.float())[0, k]),
        labels=labels_of(model, watched, state.probabilities),
    )


def _ranked(
    model: RANet, template: Template, frame: EncodedFrame, k: int
) -> tuple[np.ndarray, Region, Region]:
    """Similarity maps gh×gw×h/16×w/16, and both regions of object ``k``, as RANet.segment has them.

    The maps of the network's own :meth:`~RankingAttentionModule.rank` are those shown.
    """
    ranking = ranking_of(model)
    similarity = correlate(template.embedding, frame.embedding)  # 1×N×h/16×w/16
    regions = ranking.make_regions(template.masks.flatten(2))
    scores = ranking.score(similarity, regions)  # 1×M×N
    streams = ranking.rank(similarity, template.masks)  # each 1×K×R×h/16×w/16
    foreground, background = (
        Region(
            weights=array_of(regions.weights[0, members[k]].amax(dim=0)).reshape(
                model.template_grid
            ),
            scores=array_of(scores[0, members[k]].amax(dim=0)).reshape(model.template_grid),
            maps=array_of(maps[0, k]),
            merged=array_of(model.merge(maps[:, k], frame.skips.f8.shape[-2:])[0]),
        )
        for maps, members in zip(streams, (regions.foreground, regions.background), strict=True)
    )
    maps = array_of(similarity[0])
    return maps.reshape(*model.template_grid, *maps.shape[1:]), foreground, background


def _pixel_at(point: tuple[int, int], canvas: Fitted, box: Tensor, foreground: Region) -> Pixel:
    """The template position that a pixel of the first frame belongs to."""
    what = "what the network saw of the first frame"
    row, column = cell_of(point, canvas, box[0].tolist(), foreground.weights.shape, what)
    return Pixel(row, column, of_object=bool(foreground.weights[row, column] >= 0.5))


def _well_ranked(region: Region, of_object: bool) -> list[Pixel]:
    """Positions of the region, well ranked and far from each other, the best ranked one first."""
    inside = (region.weights > 0) & (region.weights >= min(0.5, region.weights.max()))
    if not inside.any():
        return []
    if not of_object and (within := inside & _off_the_border(inside.shape)).any():
        inside = within  # features at the border are made of padding, too
    good = inside & (region.scores >= np.median(region.scores[inside]))
    best = int(region.scores[good].argmax())
    return [Pixel(*place, of_object) for place in places_apart(good, best, _PIXELS)]


def _off_the_border(shape: tuple[int, ...]) -> np.ndarray:
    """The positions of a grid that have eight neighbours: bool."""
    within = np.zeros(shape, bool)
    within[1:-1, 1:-1] = True
    return within


def ranking_of(model: RANet) -> RankingAttentionModule:
    """What is explained; an ablation has none, which is a CheckpointError."""
    if not isinstance(model.ranking, RankingAttentionModule):
        raise CheckpointError(
            f"This network was built with matching {model.architecture['matching']!r}, an ablation "
            "that ranks no similarity maps, so there is no ranking to explain. Explain a network "
            "with matching 'ranking'; this one can be compared with it."
        )
    return model.ranking
