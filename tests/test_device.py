import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from ranet import device as devices
from ranet.device import (
    autocast,
    device_name,
    exact_float32,
    resolve_device,
    warn_of_slow_dtype,
)
from ranet.errors import ConfigError


@pytest.fixture
def machine(monkeypatch):
    """Pretend to be a machine with so many CUDA GPUs, and an Apple one or not."""

    def pretend(cuda: int = 0, mps: bool = False) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(0, False, "cpu"), (0, True, "mps"), (2, True, "cuda")]
)
def test_auto_takes_the_fastest_there_is(machine, cuda, mps, expected):
    machine(cuda, mps)
    assert resolve_device("auto") == torch.device(expected)


def test_a_named_device_is_taken(machine):
    machine(cuda=2, mps=True)
    for name in ("cpu", "mps", "cuda", "cuda:1"):
        assert resolve_device(name) == torch.device(name)


@pytest.mark.parametrize(
    ("name", "cuda", "message"),
    [
        ("cuda", 0, "finds no CUDA GPU"),
        ("cuda:0", 0, "finds no CUDA GPU"),
        ("cuda:2", 2, r"GPUs are cuda:0 to cuda:1"),
        ("mps", 1, "finds no Apple GPU"),
    ],
)
def test_a_device_that_is_not_there_is_an_error(machine, name, cuda, message):
    machine(cuda)
    with pytest.raises(ConfigError, match=message):
        resolve_device(name)


def settings_of_float32():
    """All that torch says of them; some cannot be read in some states."""
    backends = torch.backends
    parts = {
        "all": backends,
        "convolutions": backends.cudnn.conv,
        "recurrent": backends.cudnn.rnn,
        "products": backends.cuda.matmul,
        "on the CPU": backends.mkldnn.matmul,
    }
    said = {name: part.fp32_precision for name, part in parts.items()}
    for name, read in {
        "cudnn.allow_tf32": lambda: backends.cudnn.allow_tf32,
        "matmul.allow_tf32": lambda: backends.cuda.matmul.allow_tf32,
        "matmul_precision": torch.get_float32_matmul_precision,
    }.items():
        try:
            said[name] = read()
        except RuntimeError:
            said[name] = "unreadable"
    return said


CHOICES = {
    "nothing": "",
    "old names": "backends.cudnn.allow_tf32 = False",
    "products in TF32": "torch.set_float32_matmul_precision('high')",
    "by the GPU's name": "backends.cuda.matmul.allow_tf32 = True",
    "new names": "backends.cuda.matmul.fp32_precision = 'tf32'",
    "convolutions": "backends.cudnn.conv.fp32_precision = 'ieee'",
    "everything": "backends.fp32_precision = 'tf32'",
}

EXACTLY = {
    "cudnn.allow_tf32": False,
    "matmul.allow_tf32": False,
    "matmul_precision": "highest",  # these can be read, as torch.compile does
}


def require_exact_inside_and_as_before_outside(choice):
    exec(CHOICES[choice], {"torch": torch, "backends": torch.backends})
    before = settings_of_float32()
    device = resolve_device("cuda:1")
    assert settings_of_float32() == before, "by resolving"
    with exact_float32(torch.device("cpu")):
        assert settings_of_float32() == before, "for a CPU"
    first, second = exact_float32(device), exact_float32(device)
    for context in (first, second):
        context.__enter__()
        inside = settings_of_float32()
        assert inside.items() >= EXACTLY.items(), inside
        assert "tf32" not in inside.values(), inside
    first.__exit__(None, None, None)  # as two threads do
    assert settings_of_float32() == inside, "one is still inside"
    second.__exit__(None, None, None)
    assert settings_of_float32() == before, (before, settings_of_float32())


IN_CHILDREN = f"""
import os, sys, torch
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_device import CHOICES, require_exact_inside_and_as_before_outside
torch.cuda.is_available, torch.cuda.device_count = lambda: True, lambda: 2
for choice in CHOICES:
    if os.fork() == 0:
        require_exact_inside_and_as_before_outside(choice)
        os._exit(0)
    assert os.wait()[1] == 0, choice
"""


@pytest.mark.slow
def test_float32_is_exact_inside_and_as_the_user_chose_outside():
    # torch has no way back from some of these, so each is made in a process of its own.
    subprocess.run([sys.executable, "-c", IN_CHILDREN], check=True)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_autocast_computes_in_half_precision_on_the_cpu_too(dtype):
    convolution = torch.nn.Conv2d(3, 4, 3)
    with torch.inference_mode(), autocast(torch.device("cpu"), dtype):
        assert convolution(torch.rand(1, 3, 8, 8)).dtype == devices.DTYPES[dtype]


def test_autocast_leaves_float32_alone():
    convolution = torch.nn.Conv2d(3, 4, 3)
    with torch.inference_mode(), autocast(torch.device("cpu"), "float32"):
        assert convolution(torch.rand(1, 3, 8, 8)).dtype == torch.float32


@pytest.fixture
def cpu(monkeypatch):
    """Pretend to have a CPU for which torch has convolutions in these half precisions."""

    def pretend(*dtypes: str, onednn: bool = True) -> None:
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: onednn)
        answers = {
            f"_is_mkldnn_{short}_supported": lambda fast=dtype in dtypes: fast
            for short, dtype in (("bf16", "bfloat16"), ("fp16", "float16"))
        }
        monkeypatch.setattr(torch.ops, "mkldnn", SimpleNamespace(**answers))

    return pretend


@pytest.mark.parametrize(
    ("fast", "dtype"),
    [((), "bfloat16"), ((), "float16"), (("bfloat16",), "float16"), (("float16",), "bfloat16")],
)
def test_half_precision_without_instructions_for_it_is_told(cpu, fast, dtype):
    cpu(*fast)
    message = f"dtype is {dtype}, .* no instructions .* Use dtype=float32 here"
    with pytest.warns(UserWarning, match=message) as told:
        warn_of_slow_dtype(torch.device("cpu"), dtype)
    assert len(told) == 1


@pytest.mark.parametrize(
    ("device", "dtype", "fast", "onednn"),
    [
        ("cpu", "float32", (), True),
        ("cpu", "bfloat16", ("bfloat16",), True),
        ("cpu", "float16", ("float16",), True),
        ("cpu", "bfloat16", (), False),  # a Mac
        ("cuda", "bfloat16", (), True),
    ],
)
def test_nothing_is_told_where_the_numbers_are_fast_or_not_known_to_be_slow(
    cpu, recwarn, device, dtype, fast, onednn
):
    cpu(*fast, onednn=onednn)
    warn_of_slow_dtype(torch.device(device), dtype)
    assert not recwarn


def test_torch_answers_for_this_cpu():
    with warnings.catch_warnings(action="ignore"):
        for dtype in ("bfloat16", "float16"):
            warn_of_slow_dtype(torch.device("cpu"), dtype)


@pytest.mark.parametrize(("threads", "name"), [(1, "CPU (1 thread)"), (4, "CPU (4 threads)")])
def test_the_cpu_is_named_with_its_threads(threads, name, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert device_name(torch.device("cpu")) == name
