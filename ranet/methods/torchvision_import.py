"""The one place that imports torchvision and timm, which imports torchvision.

A torch build without CUDA beside a torchvision build with CUDA (what a plain install gives on many
machines) cannot load torchvision's compiled operators, and the import then stops because two
operator names it attaches shape rules to do not exist. This project needs none of the compiled
operators, only the ResNets, so declaring the two names is a complete cure.
"""

import sys
from functools import cache
from types import ModuleType

import torch

# A library object withdraws its declarations when it is collected, so it has to be kept.
_declarations: list[torch.library.Library] = []


def import_torchvision_models() -> ModuleType:
    """Return ``torchvision.models``; works whether or not torchvision's operators load."""
    try:
        import torchvision.models
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
        _forget_partial_import()
        _declare_missing_operators()
        import torchvision.models
    return torchvision.models


@cache
def import_torchvision_operators() -> ModuleType | None:
    """Return ``torchvision.ops``, or None where its compiled operators do not load."""
    import_torchvision_models()
    from torchvision import ops

    nothing = torch.zeros(0, 4)
    try:
        ops.nms(nothing, nothing[:, 0], 0.5)
    except (NotImplementedError, RuntimeError):
        return None
    return ops


def import_timm() -> ModuleType:
    """Return ``timm``; works whether or not torchvision's operators load."""
    import_torchvision_models()
    import timm

    return timm


def _forget_partial_import() -> None:
    for name in [n for n in sys.modules if n == "torchvision" or n.startswith("torchvision.")]:
        del sys.modules[name]


def _declare_missing_operators() -> None:
    library = torch.library.Library("torchvision", "FRAGMENT")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declarations.append(library)
