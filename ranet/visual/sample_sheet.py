"""A sheet of training samples: what the network is given, and what it should answer."""

from collections.abc import Sequence

import numpy as np

from ranet.structures import TrainingSample
from ranet.visual.contact_sheet import SheetRow, contact_sheet
from ranet.visual.overlay import overlay

_CAPTIONS = ("template", "current frame", "previous mask", "truth")
_CONTOUR = 2  # pixels


def sample_sheet(samples: Sequence[TrainingSample]) -> np.ndarray:
    """One row a sample: template, current frame, previous mask, truth; objects as contours.

    Args:
        samples: at least one.

    Returns:
        The page: H×W×3 uint8 RGB.
    """
    return contact_sheet([_row(sample) for sample in samples])


def _row(sample: TrainingSample) -> SheetRow:
    panels = (
        _outlined(sample.template_image, sample.template_labels),
        sample.current_image,
        _outlined(sample.current_image // 3, sample.previous_labels),
        _outlined(sample.current_image, sample.current_labels),
    )
    return SheetRow(sample.name, panels, _CAPTIONS)


def _outlined(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return overlay(image, labels, alpha=0, contour=_CONTOUR)
