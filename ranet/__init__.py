"""RANet: Ranking Attention Network for video object segmentation.

The few names most users need; they are loaded when first used, so that importing one room of the
library (the measures, say) does not load all the others.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "OnlineLearning": "ranet.config",
    "RANet": "ranet.model.ranet",
    "VideoSegmenter": "ranet.inference.segmenter",
    "build_model": "ranet.model.weights",
    "evaluate_davis": "ranet.metrics.davis",
    "load_checkpoint": "ranet.model.weights",
    "load_config": "ranet.config",
    "load_pretrained": "ranet.model.pretrained",
    "load_released_checkpoint": "ranet.model.weights",
    "save_checkpoint": "ranet.model.weights",
}

__all__ = sorted(_HOMES)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ranet' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
