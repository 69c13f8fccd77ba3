"""Look inside the DMN-AOA-style network: what it was offered, remembered, and took, and why.

The parts of the network are called as its own code calls them; nothing is hooked in.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ranet.errors import RANetError
from ranet.methods.base import Watched, WatchedStep
from ranet.methods.dmn_aoa.alignment import LEAST_COVER
from ranet.methods.dmn_aoa.figures import Aligned, Box, Explanation, Proposed, Remembered
from ranet.methods.dmn_aoa.memory import STRIDE
from ranet.methods.dmn_aoa.network import DMNAOA, DMNAOAState, Match
from ranet.methods.dmn_aoa.roi import roi_align
from ranet.methods.layers import no_autocast
from ranet.methods.pictures import array_of, cell_of, labels_of, picture_of, places_apart

_COMPARED = 3
"""Proposals that points of the template are shown in, the cheapest."""

_POINTS = 4
"""Chosen on the object."""


@torch.inference_mode()
def explained(
    model: DMNAOA, watched: Watched, object_id: int, points: Sequence[tuple[int, int]]
) -> Explanation:
    """Take the last step of a video once more, for one object.

    Args:
        model: as it computed the step.
        watched: the video.
        object_id: the object to explain.
        points: (row, column) of pixels in the first frame, on the object; none: chosen here.

    Raises:
        DataError: a point lies outside of the object's box in the first frame.
        RANetError: a point is given, but no proposal is aligned with any.
    """
    k, step = watched.ids.index(object_id), watched.steps[-1]
    before: DMNAOAState = step.before
    encoded = model.encode(watched.image)
    proposals = model.propose(encoded)
    canvas = (watched.image.shape[-2], watched.image.shape[-1])
    scale = np.array(canvas * 2) / np.array(encoded.size * 2)
    with no_autocast(watched.image.device.type):
        match = model.match(before, encoded, proposals)
        _, first_boxes = model.located(before, watched.first_masks)
        first_box = _box(first_boxes[0, k], scale)
        cheapest = [
            number
            for number in match.cost[0, k].argsort().tolist()
            if number < proposals.valid.shape[1] and proposals.valid[0, number]
        ]
        relevance = _relevance(model, before, match, encoded.pyramid.embedding, k)
        compared = cheapest[:_COMPARED]
        aligned = _aligned(model, watched, k, match, compared, first_boxes, first_box, points)
    taken = [n for n, number in enumerate(cheapest) if match.chosen[0, k, number] > 0]
    return Explanation(
        object_id=object_id,
        frame_number=watched.number,
        first=picture_of(watched.first_image),
        first_labels=labels_of(model, watched, watched.first_masks),
        first_box=first_box,
        current=picture_of(watched.image),
        labels_before=labels_of(model, watched, watched.before),
        last_box=_box(before.boxes[0, k], scale),
        looked_at=_box(match.looked_at[0, k], scale),
        proposals=tuple(
            Proposed(
                box=_box(proposals.boxes[0, number], scale),
                mask=array_of(match.masks[0, number]),
                cost=float(match.cost[0, k, number]),
                similarity=float(match.similarity[0, k, number]),
                overlap=float(match.overlap[0, k, number]),
            )
            for number in cheapest
        ),
        nobody=float(match.cost[0, k, proposals.valid.shape[1] + k]),
        taken=taken[0] if taken else None,
        kept_last=bool(match.keeps_last[0, k]),
        remembered=(
            Remembered(0, picture_of(watched.first_image), first_box, relevance[0]),
            *(
                _remembered(model, watched, passed, k, relevance, scale)
                for passed in watched.steps[:-1]
            ),
        ),
        aligned=aligned,
        coarse=array_of(match.coarse[0, k]),
        probability=array_of(watched.state.probabilities[0, k]),
        labels=labels_of(model, watched, watched.state.probabilities),
    )


def _box(box: Tensor, scale: np.ndarray) -> Box:
    """In pixels of the canvas."""
    top, left, bottom, right = (np.array(box.tolist()) * scale).tolist()
    return top, left, bottom, right


def _relevance(
    model: DMNAOA, state: DMNAOAState, match: Match, embedding: Tensor, k: int
) -> np.ndarray:
    """How much of each remembered position entered what of the template is the object: M×R×R."""
    cover = match.template[1][0, k]
    relevance = model.memory.relevance(state.memory, embedding, match.looked_at)[0, k]  # q×M×q
    weights = cover / cover.sum().clamp(min=LEAST_COVER)
    of_object = torch.einsum("q,qmr->mr", weights, relevance)
    return array_of(of_object).reshape(-1, model.memory.side, model.memory.side)


def _remembered(
    model: DMNAOA,
    watched: Watched,
    step: WatchedStep,
    k: int,
    relevance: np.ndarray,
    scale: np.ndarray,
) -> Remembered:
    place = _place(model.memory_limit, step, watched.steps[-1].before, k)
    return Remembered(
        step.number,
        picture_of(step.image),
        _box(step.after.boxes[0, k], scale),
        None if place is None else relevance[place],
    )


def _place(limit: int | None, step: WatchedStep, now: DMNAOAState, k: int) -> int | None:
    """Where a frame is remembered now (:func:`ranet.methods.dmn_aoa.memory.remember`)."""
    before, after, later = (
        int(state.memory.written[0, k]) for state in (step.before, step.after, now)
    )
    if after == before:
        return None
    if limit is None:
        return step.number
    return None if later - after >= limit - 1 else 1 + (before - 1) % (limit - 1)


def _aligned(
    model: DMNAOA,
    watched: Watched,
    k: int,
    match: Match,
    proposals: Sequence[int],
    boxes: Tensor,
    on_canvas: Box,
    points: Sequence[tuple[int, int]],
) -> tuple[Aligned, ...]:
    """Positions of the annotated frame's region in the proposals with these numbers."""
    if model.alignment.projection is None or not proposals:
        if points:
            raise RANetError(
                "Nothing is aligned with points of the template in this frame: leave points out."
            )
        return ()
    side, box = model.memory.side, boxes[:, k : k + 1]
    first = model.encode(watched.first_image).pyramid.embedding
    masks = model.located(watched.steps[-1].before, watched.first_masks)[0]
    entry = model.memory.entry(first, box, masks[:, k : k + 1])
    cover = array_of(entry.cover[0, 0]).reshape(side, side)
    template = roi_align(first, box, side, STRIDE).flatten(3)
    weights = model.alignment.weights(template, match.features[:, proposals])[0, 0]  # p×q×q
    maps = array_of(weights).reshape(-1, side, side, side, side)
    chosen = [
        cell_of(point, watched.canvas, on_canvas, (side, side), "the object's box in frame 0")
        for point in points
    ]
    if not chosen:
        inside = cover >= min(0.5, cover.max())
        chosen = places_apart(inside, int(cover[inside].argmax()), _POINTS)
    return tuple(Aligned(row, column, tuple(maps[:, row, column])) for row, column in chosen)
