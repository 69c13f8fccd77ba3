"""Where and with which numbers a network runs, and what memory it takes there."""

import contextlib
import sys
import threading
import warnings
from collections.abc import Iterator

import torch

from ranet.errors import ConfigError
from ranet.wording import count

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
"""By the name in the configuration."""


def resolve_device(name: str) -> torch.device:
    """The device of a name in a configuration.

    Args:
        name: ``"cpu"``, ``"mps"``, ``"cuda"``, ``"cuda:N"``, or ``"auto"``: CUDA if there is any,
            else MPS, else the CPU.

    Raises:
        ConfigError: the machine has no such device.
    """
    device = torch.device(_best_device() if name == "auto" else name)
    if device.type == "cuda" and not torch.cuda.is_available():
        build = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "a CPU build"
        raise ConfigError(
            f"device is {name!r}, but torch {torch.__version__} ({build}) finds no CUDA GPU here."
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device is {name!r}, but this machine's GPUs are cuda:0 to "
            f"cuda:{torch.cuda.device_count() - 1}."
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError(
            f"device is {name!r}, but torch {torch.__version__} finds no Apple GPU here."
        )
    return device


_exact = threading.Lock()
_inside_exact = 0
_before_exact = contextlib.ExitStack()


@contextlib.contextmanager
def exact_float32(device: torch.device) -> Iterator[None]:
    """In here, float32 is computed as float32 on CUDA; afterwards, torch is as it was before.

    Unless told otherwise, torch convolves float32 in TF32 there, with 10 bits of mantissa for 23,
    and its user may have let matrix products do so too. Speed is what the half precisions are for.

    Args:
        device: nothing is changed for another than CUDA's. The setting is the process's, so that
            several threads may be inside: the last to leave restores it.
    """
    global _inside_exact
    if device.type != "cuda":
        yield
        return
    with _exact:
        if _inside_exact == 0:
            _compute_exactly(_before_exact)
        _inside_exact += 1
    try:
        yield
    finally:
        with _exact:
            _inside_exact -= 1
            if _inside_exact == 0:
                _before_exact.close()


def _compute_exactly(before: contextlib.ExitStack) -> None:
    """Switch TF32 off; ``before`` will restore all of torch's names for that, old and new."""
    backends = torch.backends
    for part in (
        backends,
        backends.cudnn.conv,
        backends.cudnn.rnn,
        backends.cuda.matmul,
        backends.mkldnn.matmul,
    ):
        before.callback(setattr, part, "fp32_precision", part.fp32_precision)
    # The old names cannot be read where the user has set the new ones, nor must they be set then.
    with contextlib.suppress(RuntimeError):
        before.callback(setattr, backends.cudnn, "allow_tf32", backends.cudnn.allow_tf32)
    with contextlib.suppress(RuntimeError):
        before.callback(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision())
    # In this order, torch.compile can read all of them.
    backends.fp32_precision = "ieee"
    backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")


def autocast(device: torch.device, dtype: str) -> torch.autocast:
    """Context in which matrix products run in ``dtype``; with float32 it changes nothing."""
    return torch.autocast(device.type, DTYPES[dtype], enabled=dtype != "float32")


def warn_of_slow_dtype(device: torch.device, dtype: str) -> None:
    """Warn of half precision on a CPU that has no instructions for it.

    Args:
        device: where a network will run.
        dtype: a name of :data:`DTYPES`.
    """
    if device.type == "cpu" and dtype != "float32" and not _is_fast_on_this_cpu(dtype):
        warnings.warn(
            f"dtype is {dtype}, for which this CPU has no instructions that torch makes use of: "
            "convolutions may take thirty times as long as in float32. Use dtype=float32 here.",
            UserWarning,
            stacklevel=3,
        )


def _is_fast_on_this_cpu(dtype: str) -> bool:
    """Whether torch leaves convolutions in half precision to oneDNN, by its own answer.

    Without oneDNN, as on a Mac, nothing is known of them, and nothing is said.
    """
    if not torch.backends.mkldnn.is_available():
        return True
    answers = {
        "bfloat16": torch.ops.mkldnn._is_mkldnn_bf16_supported,
        "float16": torch.ops.mkldnn._is_mkldnn_fp16_supported,
    }
    return bool(answers[dtype]())


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all it was given; before a clock is read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def device_name(device: torch.device) -> str:
    """What to call the device in a report."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return {"cpu": f"CPU ({count(torch.get_num_threads(), 'thread')})", "mps": "Apple GPU (MPS)"}[
        device.type
    ]


def reset_peak_memory(device: torch.device) -> None:
    """Let :func:`peak_memory` count from now on, where the device can tell (CUDA)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> tuple[int, str] | None:
    """The most memory used so far: bytes, and what was counted; None where nobody counts."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device), "allocated on the GPU"
    try:
        import resource  # not on Windows
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return peak, "resident, whole process"


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
