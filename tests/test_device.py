import warnings
from types import SimpleNamespace

import pytest
import torch

from ranet import device as devices
from ranet.device import autocast, device_name, resolve_device, warn_of_slow_dtype
from ranet.errors import ConfigError


@pytest.fixture(autouse=True)
def tf32():
    """The fast settings of torch, and at the end of a test those that were there before it."""
    convolutions, products = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    torch.backends.cudnn.allow_tf32 = True
    torch.set_float32_matmul_precision("high")
    yield
    torch.backends.cudnn.allow_tf32 = convolutions
    torch.set_float32_matmul_precision(products)


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
        ("cuda", 0, r"device is 'cuda', .* finds no CUDA GPU here\. Use device: auto or cpu"),
        ("cuda:0", 0, "finds no CUDA GPU"),
        ("cuda:2", 2, r"GPUs are cuda:0 to cuda:1"),
        ("mps", 1, "finds no Apple GPU"),
    ],
)
def test_a_device_that_is_not_there_is_an_error(machine, name, cuda, message):
    machine(cuda)
    with pytest.raises(ConfigError, match=message):
        resolve_device(name)


@pytest.mark.parametrize("name", ["auto", "cuda", "cuda:1"])
def test_cuda_computes_float32_as_such(machine, name):
    machine(cuda=2)
    resolve_device(name)
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
    assert torch.get_float32_matmul_precision() == "highest"  # and can be read
    assert torch.backends.cudnn.conv.fp32_precision != "tf32"
    assert torch.backends.cuda.matmul.fp32_precision != "tf32"


def test_only_who_computes_on_cuda_changes_how_it_computes(machine):
    machine(cuda=2, mps=True)
    for name in ("cpu", "mps"):
        resolve_device(name)
    assert torch.backends.cudnn.allow_tf32
    assert torch.backends.cuda.matmul.allow_tf32


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
