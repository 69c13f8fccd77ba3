"""From tensors of a video that is explained to arrays for figures, the same for every method."""

import numpy as np
from torch import Tensor

from ranet.methods.base import VOSMethod, Watched
from ranet.methods.objects import FUSIONS, to_labels


def labels_of(method: VOSMethod, watched: Watched, probabilities: Tensor) -> np.ndarray:
    """Ids of the objects on the canvas, H×W uint8, from 1×K×H×W."""
    channels = to_labels(FUSIONS[method.options.fusion], [probabilities])[0]
    return np.take(np.array((0, *watched.ids), np.uint8), channels.cpu().numpy())


def picture_of(image: Tensor) -> np.ndarray:
    """1×3×H×W in [0, 1] → H×W×3 uint8."""
    return np.asarray((image[0] * 255).round().byte().permute(1, 2, 0).cpu())


def array_of(tensor: Tensor) -> np.ndarray:
    """As float32, of the same shape."""
    return np.asarray(tensor.float().cpu())
