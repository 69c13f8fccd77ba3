"""Floating point operations: those of a piece of work, and those that the machine can do.

FLOP are counted as torch counts them: of convolutions, matrix products and their gradients, a
multiplication and an addition being two. Norms, resizing and everything else count nothing. A frame
of RANet with ResNet-101 at 480×864 has 263 GFLOP.
"""

import statistics
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from ranet.benchmark.timing import Effort, time_calls
from ranet.device import DTYPES

_PRODUCT = Effort(warm_up=1, repeats=3, seconds=0)

_SIDE = {"cuda": 8192, "mps": 4096, "cpu": 2048}
"""Of the matrices by device: large enough that no larger ones have a higher rate worth telling."""


def count_flop(call: Callable[[], object]) -> int:
    """FLOP of a call, which must not be compiled or captured: nothing could be seen then."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def matrix_product_rate(device: torch.device, dtype: str) -> float:
    """FLOP a second of a product of two large square matrices: the machine's peak just now.

    Args:
        device: where.
        dtype: name of the matrices' numbers, as in the configuration.
    """
    side = _SIDE[device.type]
    left, right = torch.rand(2, side, side, device=device).to(DTYPES[dtype])
    product = torch.empty_like(left)
    seconds = time_calls(lambda: torch.mm(left, right, out=product), device, _PRODUCT)
    return 2 * side**3 / statistics.median(seconds)
