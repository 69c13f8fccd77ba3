"""The most memory that one piece of work takes, among others in the same process."""

import contextlib
import gc
from pathlib import Path

import torch

from ranet.device import reset_peak_memory

_RESET_PEAK = "5"  # what Linux is told, see proc_pid_clear_refs(5)


def forget_earlier_work(device: torch.device) -> None:
    """Let go of what earlier work has left in memory."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def reset_peak(device: torch.device) -> None:
    """Count the most memory from now on.

    That of the process, which counts for the CPU, is reset where the system can do that (Linux);
    elsewhere it stays that of all work so far.
    """
    reset_peak_memory(device)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text(_RESET_PEAK)
