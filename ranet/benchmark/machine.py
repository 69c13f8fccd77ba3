"""What measurements depend on besides their settings: the machine and the software."""

import os
import platform
import re
import subprocess
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from ranet.cli import usable_cores
from ranet.provenance import versions

_LIBRARIES = ("numpy", "opencv-python-headless", "pillow", "triton")


_DECISIVE_VARIABLE = re.compile(
    r"MALLOC_\w+|PYTORCH_(\w+_)?ALLOC_CONF|LD_PRELOAD|(OMP|GOMP|KMP)_\w+"
)
"""What tells allocators and threads, the system's and torch's, what to do."""


def describe_machine() -> dict[str, Any]:
    """The processor, its usable cores and instructions, and the GPUs with their bytes."""
    gpus = [torch.cuda.get_device_properties(n) for n in range(torch.cuda.device_count())]
    machine = {
        "cpu": _processor_name(),
        "cores": usable_cores(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "gpus": [gpu.name for gpu in gpus],
    }
    return {**machine, "gpu_memory": [gpu.total_memory for gpu in gpus]} if gpus else machine


def describe_software() -> dict[str, Any]:
    """Versions of this project and of what it stands on, and what steers memory and threads.

    cuDNN's version is a number, 91002 for 9.10.2.
    """
    return {
        **versions(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "driver": _driver_version(),
        **dict(_installed(_LIBRARIES)),
        **decisive_variables(),
    }


def decisive_variables() -> dict[str, str]:
    """Environment variables that decide about times, as far as they are set."""
    names = filter(_DECISIVE_VARIABLE.fullmatch, sorted(os.environ))
    return {name: os.environ[name] for name in names}


def _driver_version() -> str | None:
    """That of the NVIDIA driver; None where there is none."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return next(iter(done.stdout.split()), None)


def _installed(libraries: Iterable[str]) -> Iterable[tuple[str, str]]:
    for library in libraries:
        try:
            yield library, metadata.version(library)
        except metadata.PackageNotFoundError:
            continue


def _processor_name() -> str:
    """The name that is printed on it, where the system tells; otherwise its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def use_threads(number: int) -> None:
    """Let the CPU's part of the work, in this process, have so many threads."""
    torch.set_num_threads(number)
