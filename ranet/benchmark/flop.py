"""Floating point operations: those of a piece of work, and those that the machine can do.

FLOP are counted as torch counts them: of convolutions, matrix products and their gradients, a
multiplication and an addition being two. Norms, resizing and everything else count nothing. A frame
of RANet with ResNet-101 at 480×864 has 263 GFLOP.
"""

import statistics
from collections.abc import Callable

import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from ranet.benchmark.timing import Effort, time_calls
from ranet.device import DTYPES

_PRODUCT = Effort(warm_up=1, repeats=3, seconds=0)

_SIDE = {"cuda": 8192, "mps": 4096, "cpu": 2048}
"""Of the matrices by device: large enough that no larger ones have a higher rate worth telling."""

_SIDE_OF_SLOW = 512
"""In float16 on a CPU, few of which have instructions for it: larger ones would take seconds."""


def count_flop(call: Callable[[], object]) -> int:
    """FLOP of a call, which must not be compiled or captured: nothing could be seen then."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def matrix_product_rate(device: torch.device, dtype: str) -> float:
    """FLOP a second of a product of two large square matrices: the machine's peak just now.

    On a CPU, torch has two libraries: its own matrix products are MKL's in float32, its
    convolutions are oneDNN's, whose products are more than twice as fast on some processors (AMD's
    with AVX512). The faster one is the peak.

    Args:
        device: where.
        dtype: name of the matrices' numbers, as in the configuration.
    """
    on_cpu = device.type == "cpu"
    side = _SIDE_OF_SLOW if on_cpu and dtype == "float16" else _SIDE[device.type]
    left, right = torch.rand(2, side, side, device=device).to(DTYPES[dtype])
    product = torch.empty_like(left)
    multiply = [lambda: torch.mm(left, right, out=product)]
    if on_cpu and dtype == "float32" and torch.backends.mkldnn.is_available():
        theirs = left.to_mkldnn(), right.to_mkldnn()
        multiply.append(lambda: functional.linear(*theirs))
    medians = [statistics.median(time_calls(call, device, _PRODUCT)) for call in multiply]
    return 2 * side**3 / min(medians)
