"""Look inside the DMVOS-style network: what one frame is like, what it votes for, what comes of it.

The parts of the network are called as its own code calls them; nothing is hooked in.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from ranet.errors import RANetError
from ranet.methods.base import Watched
from ranet.methods.crops import crop_resize, crop_resize_nearest
from ranet.methods.dmvos.figures import Explanation
from ranet.methods.dmvos.method import DMVOS, DMVOSState, Look
from ranet.methods.objects import FUSIONS, to_labels
from ranet.methods.pictures import array_of, labels_of, view_of
from ranet.structures import one_hot_masks


@torch.inference_mode()
def explained(
    model: DMVOS, watched: Watched, object_id: int, points: Sequence[tuple[int, int]]
) -> Explanation:
    """Take the last step of a video once more, for one object.

    Args:
        model: as it computed the step; with isometric correlation and votes.
        watched: the video.
        object_id: the object to explain.
        points: none.

    Raises:
        RANetError: a point is given, but no map is of one pixel of the template.
    """
    if points:
        raise RANetError(
            "The maps of this method are the best of all pixels of the template: leave points out."
        )
    k = watched.ids.index(object_id)
    state: DMVOSState = watched.state
    first = model.around(watched.first_masks)
    look = _last_look(model, watched.before, state)
    seen = model.see_objects(state, watched.image, look, slice(k, k + 1))
    assert seen.offset is not None
    assert seen.margin_logit is not None  # both by check_explains
    maps = array_of(seen.maps[0])
    view, size = partial(view_of, model, watched), model.size_seen(watched.image.shape[-2:])
    boxes, masks = first.boxes[:, k], watched.first_masks
    marked = crop_resize_nearest(masks[:, k, None], boxes, size)[0, 0]
    previous = crop_resize(state.last_masks[:, k, None], look.boxes[:, k], size)[0, 0]
    return Explanation(
        object_id=object_id,
        frame_number=watched.number,
        template=view(watched.first_image, masks, boxes, marked),
        current=view(watched.image, state.last_masks, look.boxes[:, k], previous),
        foreground=maps[: model.architecture["k"]],
        background=maps[model.architecture["k"] :],
        margin=array_of(seen.margin_logit[0].sigmoid()),
        offset=array_of(seen.offset[0]),
        centre=array_of(look.centre_in_crop[0, k]),
        found=bool(look.found[0, k]),
        nearness=array_of(seen.centre[0]),
        probability=array_of(seen.logits[0, 0].sigmoid()),
        labels=labels_of(model, watched, state.probabilities),
    )


def _last_look(model: DMVOS, before: Tensor, state: DMVOSState) -> Look:
    """Where they were looked for in the last frame: the state after it has sides and centres."""
    labels = to_labels(FUSIONS[model.options.fusion], [before])
    found = one_hot_masks(labels, before.shape[1]).flatten(2).any(dim=2)
    size = (before.shape[-2], before.shape[-1])
    return model.look_at(state.sides, state.centre, found, size)
