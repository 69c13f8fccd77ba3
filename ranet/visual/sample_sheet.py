"""A sheet of training samples: what the network is given, and what it should answer."""

from collections.abc import Sequence

import cv2
import numpy as np

from ranet.palette import PALETTE
from ranet.structures import TrainingSample

_GAP = 4
"""Pixels between panels."""
_TITLE = 20
"""Height of the line above a row."""


def sample_sheet(samples: Sequence[TrainingSample]) -> np.ndarray:
    """One row a sample: template, current frame, previous mask, truth; objects as contours.

    Args:
        samples: at least one, all of one size H×W.

    Returns:
        uint8 RGB image, four panels of H×W in each row, the sample's name above them.
    """
    return np.vstack([_row(sample) for sample in samples])


def _row(sample: TrainingSample) -> np.ndarray:
    panels = (
        _outlined(sample.template_image, sample.template_labels),
        sample.current_image,
        _outlined(sample.current_image // 3, sample.previous_labels),
        _outlined(sample.current_image, sample.current_labels),
    )
    height, width = sample.template_labels.shape
    row = np.full((_TITLE + height + _GAP, 4 * width + 3 * _GAP, 3), 255, dtype=np.uint8)
    for i, panel in enumerate(panels):
        left = i * (width + _GAP)
        row[_TITLE : _TITLE + height, left : left + width] = panel
    cv2.putText(row, sample.name, (2, _TITLE - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0))
    return row


def _outlined(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """A copy of the image with a line around each object: its colour between white."""
    drawn = image.copy()
    for label in np.unique(labels[labels > 0]):
        outlines, _ = cv2.findContours(
            (labels == label).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE
        )
        cv2.drawContours(drawn, outlines, -1, (255, 255, 255), 4)
        cv2.drawContours(drawn, outlines, -1, PALETTE[label].tolist(), 2)
    return drawn
