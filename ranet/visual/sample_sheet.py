"""A sheet of training samples: what the network is given, and what it should answer."""

from collections.abc import Sequence

import numpy as np

from ranet.structures import TrainingSample
from ranet.visual.contact_sheet import SheetRow, contact_sheet
from ranet.visual.overlay import overlay

_CONTOUR = 2  # pixels


def sample_sheet(samples: Sequence[TrainingSample]) -> np.ndarray:
    """One row a sample: template, current frame, previous mask, truth; objects as contours.

    Of a clip, the truth of each further frame follows.

    Args:
        samples: at least one.

    Returns:
        The page: H×W×3 uint8 RGB.
    """
    return contact_sheet([_row(sample) for sample in samples])


def _row(sample: TrainingSample) -> SheetRow:
    first, *further = sample.current_image
    pictures = {
        "template": _outlined(sample.template_image, sample.template_labels),
        "current frame": first,
        "previous mask": _outlined(first // 3, sample.previous_labels),
        "truth": _outlined(first, sample.current_labels[0]),
    }
    for number, image in enumerate(further, start=1):
        pictures[f"truth, {number} later"] = _outlined(image, sample.current_labels[number])
    return SheetRow(sample.name, tuple(pictures.values()), tuple(pictures))


def _outlined(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return overlay(image, labels, alpha=0, contour=_CONTOUR)
