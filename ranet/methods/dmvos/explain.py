"""Look inside the DMVOS-style network: what one frame is like, what it votes for, what comes of it.

The parts of the network are called as its own code calls them; nothing is hooked in.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ranet.errors import RANetError
from ranet.methods.base import Watched
from ranet.methods.crops import crop_resize, crop_resize_nearest
from ranet.methods.dmvos.figures import Explanation
from ranet.methods.dmvos.method import DMVOS, DMVOSState, Look
from ranet.methods.objects import FUSIONS, to_labels
from ranet.structures import one_hot_masks
from ranet.visual.panels import CropBox, View


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
    first = _first_look(model, watched.first_masks)
    look = _last_look(model, watched.before, state)
    before = state._replace(probabilities=watched.before)
    seen = model.see_objects(before, watched.image, look, slice(k, k + 1))
    assert seen.offset is not None
    assert seen.margin_logit is not None  # both by check_explains
    maps = _array(seen.maps[0])
    return Explanation(
        object_id=object_id,
        frame_number=watched.number,
        template=_view(model, watched, k, watched.first_image, watched.first_masks, first),
        current=_view(model, watched, k, watched.image, watched.before, look),
        foreground=maps[: model.architecture["k"]],
        background=maps[model.architecture["k"] :],
        margin=_array(seen.margin_logit[0].sigmoid()),
        offset=_array(seen.offset[0]),
        centre=_array(look.centre_in_crop[0, k]),
        found=bool(look.found[0, k]),
        nearness=_array(seen.centre[0]),
        probability=_array(seen.logits[0, 0].sigmoid()),
        labels=_labels(model, watched, state.probabilities),
    )


def _first_look(model: DMVOS, masks: Tensor) -> Look:
    """Where the objects were cropped as they were marked."""
    nowhere = masks.new_zeros(*masks.shape[:2], 2)
    return model.look(DMVOSState(nowhere, nowhere, masks, nowhere, nowhere), smoothing=0)


def _last_look(model: DMVOS, before: Tensor, state: DMVOSState) -> Look:
    """Where they were looked for in the last frame: the state after it has sides and centres."""
    labels = to_labels(FUSIONS[model.options.fusion], [before])
    found = one_hot_masks(labels, before.shape[1]).flatten(2).any(dim=2)
    size = (before.shape[-2], before.shape[-1])
    return model.look_at(state.sides, state.centre, found, size)


def _view(
    model: DMVOS, watched: Watched, k: int, image: Tensor, probabilities: Tensor, look: Look
) -> View:
    box = look.boxes[:, k]
    size = model.size_seen(image.shape[-2:])
    masks = probabilities[:, k, None]
    marked = probabilities is watched.first_masks
    cut = crop_resize_nearest(masks, box, size) if marked else crop_resize(masks, box, size)
    return View(
        frame=_picture(image),
        labels=_labels(model, watched, probabilities),
        box=CropBox(*box[0].tolist()),
        crop=_picture(crop_resize(image, box, size)),
        mask=_array(cut[0, 0]),
    )


def _labels(model: DMVOS, watched: Watched, probabilities: Tensor) -> np.ndarray:
    """Ids of the objects on the canvas: H×W uint8."""
    channels = to_labels(FUSIONS[model.options.fusion], [probabilities])[0]
    return np.take(np.array((0, *watched.ids), np.uint8), channels.cpu().numpy())


def _picture(image: Tensor) -> np.ndarray:
    """1×3×H×W in [0, 1] → H×W×3 uint8."""
    return np.asarray((image[0] * 255).round().byte().permute(1, 2, 0).cpu())


def _array(tensor: Tensor) -> np.ndarray:
    return np.asarray(tensor.float().cpu())
