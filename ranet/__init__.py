"""RANet: Ranking Attention Network for video object segmentation.

The few names most users need; they are loaded when first used, so that importing one room of the
library (the measures, say) does not load all the others.

>>> import ranet
>>> network = ranet.load_pretrained("ranet-small")
>>> network.architecture["backbone"], network.input_size
('timm:mobilenetv2_100', (288, 528))
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names as below, for those who read types
    from ranet import visual
    from ranet.api import SegmentedFrame, segment_video
    from ranet.config import InferenceConfig, OnlineLearning, load_config
    from ranet.errors import RANetError
    from ranet.inference.segmenter import VideoSegmenter
    from ranet.methods.checkpoints import (
        build_model,
        load_checkpoint,
        load_pretrained,
        save_checkpoint,
    )
    from ranet.methods.ranet.network import RANet
    from ranet.methods.ranet.released import load_released_checkpoint
    from ranet.metrics.davis import evaluate_davis

_HOMES = {
    "InferenceConfig": "ranet.config",
    "OnlineLearning": "ranet.config",
    "RANet": "ranet.methods.ranet.network",
    "RANetError": "ranet.errors",
    "SegmentedFrame": "ranet.api",
    "VideoSegmenter": "ranet.inference.segmenter",
    "build_model": "ranet.methods.checkpoints",
    "evaluate_davis": "ranet.metrics.davis",
    "load_checkpoint": "ranet.methods.checkpoints",
    "load_config": "ranet.config",
    "load_pretrained": "ranet.methods.checkpoints",
    "load_released_checkpoint": "ranet.methods.ranet.released",
    "save_checkpoint": "ranet.methods.checkpoints",
    "segment_video": "ranet.api",
}

__all__ = [  # a list that type checkers can read; the tests hold it against the two above
    "InferenceConfig",
    "OnlineLearning",
    "RANet",
    "RANetError",
    "SegmentedFrame",
    "VideoSegmenter",
    "build_model",
    "evaluate_davis",
    "load_checkpoint",
    "load_config",
    "load_pretrained",
    "load_released_checkpoint",
    "save_checkpoint",
    "segment_video",
    "visual",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "visual":
        return import_module("ranet.visual")
    if name not in _HOMES:
        raise AttributeError(f"module 'ranet' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
