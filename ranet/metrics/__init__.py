"""The DAVIS measures J, F, recall and decay; numpy and OpenCV, no torch."""

from ranet.metrics.davis import evaluate_davis
from ranet.metrics.measures import (
    boundary_map,
    boundary_radius,
    decay,
    f_measure,
    jaccard,
    mean,
    recall,
)
from ranet.metrics.result import (
    DavisResult,
    Measure,
    ObjectResult,
    VideoResult,
    format_table,
    score_files,
)

__all__ = [
    "DavisResult",
    "Measure",
    "ObjectResult",
    "VideoResult",
    "boundary_map",
    "boundary_radius",
    "decay",
    "evaluate_davis",
    "f_measure",
    "format_table",
    "jaccard",
    "mean",
    "recall",
    "score_files",
]
