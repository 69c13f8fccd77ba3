"""What measurements depend on besides their settings: the machine and the software."""

import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from ranet.cli import usable_cores
from ranet.provenance import versions

_LIBRARIES = ("numpy", "opencv-python-headless", "pillow", "triton")


def describe_machine() -> dict[str, Any]:
    """The processor, its usable cores and instructions, and the GPUs."""
    return {
        "cpu": _processor_name(),
        "cores": usable_cores(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "gpus": [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())],
    }


def describe_software() -> dict[str, str | None]:
    """Versions of this project and of what it stands on."""
    return {**versions(), "cuda": torch.version.cuda, **dict(_installed(_LIBRARIES))}


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
