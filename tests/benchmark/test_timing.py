"""How calls are timed, and what a row says of them, with work whose answers are known."""

import gc
import itertools
import weakref
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from ranet import benchmark
from ranet.benchmark import (
    Case,
    Effort,
    count_flop,
    describe_machine,
    describe_software,
    draw_video,
    matrix_product_rate,
    measure,
    time_in_turn,
)
from ranet.config import InferenceConfig

CPU = torch.device("cpu")
ONCE = Effort(warm_up=0, repeats=1, seconds=0)
CASE = Case("any", {"objects": 1}, InferenceConfig(device="cpu"))


@pytest.fixture
def clock(monkeypatch):
    """A clock that calls move: ``clock([1, 2])`` makes one that takes 1 and then 2 seconds."""
    now = [0.0]
    monkeypatch.setattr(benchmark.time, "perf_counter", lambda: now[0])

    def call(seconds):
        steps = iter(seconds)

        def let_pass():
            now[0] += next(steps)

        return let_pass

    return call


@pytest.fixture
def row_of(monkeypatch):
    """The row of a call, perhaps of a model: ``row_of(call, effort, model, flop=50)``."""

    def measured(call=lambda: None, effort=ONCE, model=None, **entries):
        def part(case):
            if model is None:
                yield [benchmark._work(call, 4, **entries)]
            else:
                yield from benchmark._of_network(case, model, call, 4, **entries)

        monkeypatch.setitem(benchmark.PARTS, "any", part)
        (row,) = measure(CASE, effort)
        return row

    return measured


def test_calls_are_timed_in_turn_after_the_warm_up(clock):
    order, calls = [], (clock([100, 1, 2]), clock([100, 3, 4]))
    named = [lambda i=i: (order.append(i), calls[i]()) for i in range(2)]
    assert time_in_turn(named, Effort(1, 2, 0)) == [[1, 2], [3, 4]]
    assert order == [0, 1] * 3


@pytest.mark.parametrize(("lasts", "repeats", "timed"), [(0.25, 2, 4), (10, 3, 3)])
def test_calls_are_repeated_until_there_are_enough_and_time_is_up(clock, lasts, repeats, timed):
    (seconds,) = time_in_turn([clock([lasts] * 9)], Effort(0, repeats, 1))
    assert len(seconds) == timed


def test_the_device_is_idle_when_the_clock_is_read(monkeypatch):
    seen = []
    monkeypatch.setattr(benchmark, "synchronise", lambda device: seen.append("wait"))
    time_in_turn([lambda: seen.append("call")], Effort(1, 2, 0))
    assert seen == ["call", *["wait", "call", "wait"] * 2]


def test_effort_in_rounds():
    first, *others = Effort(3, 11, 2).in_rounds()
    assert first == Effort(3, 3, 0.4)
    assert others == [Effort(0, 3, 0.4)] * 4
    assert Effort(1, 2, 0).in_rounds() == [Effort(1, 1, 0), Effort(0, 1, 0)]


def test_a_convolution_is_two_flop_for_a_multiplication_with_addition():
    convolution = nn.Conv2d(3, 8, kernel_size=5, padding=2, bias=False)
    with torch.inference_mode():
        counted = count_flop(lambda: convolution(torch.zeros(2, 3, 10, 12)))
    assert counted == 2 * (2 * 10 * 12) * 8 * (3 * 5 * 5)


@pytest.mark.parametrize(
    ("dtype", "rate"), [("float32", 32**3), ("bfloat16", 32**3 / 2), ("float16", 32**3 / 2)]
)
def test_the_rate_is_that_of_the_fastest_matrix_product(monkeypatch, dtype, rate):
    def timed(calls, effort, device):
        assert {tuple(call().to_dense().shape) for call in calls} == {(32, 32)}
        return [[9.0, 4.0, 1.0], [2.0, 2.0, 2.0]][: len(calls)]  # oneDNN's is the second

    monkeypatch.setattr(benchmark, "_SIDE_OF_SLOW", 32)
    monkeypatch.setattr(benchmark, "_SIDE", {"cpu": 32})
    monkeypatch.setattr(benchmark, "time_in_turn", timed)
    assert matrix_product_rate(CPU, dtype) == rate


def test_calls_and_matrix_products_take_turns(monkeypatch, row_of):
    """50, 100 and 400 FLOP a second, where the machine could do 100, 400 and 200."""
    rounds, rates = iter([[1.0, 1.0], [0.5], [0.125]]), iter([100.0, 400.0, 200.0])
    events = []
    monkeypatch.setattr(benchmark, "_reset_peak", lambda device: events.append("reset"))
    monkeypatch.setattr(
        benchmark, "matrix_product_rate", lambda *_: events.append("product") or next(rates)
    )
    monkeypatch.setattr(
        benchmark, "time_in_turn", lambda *_: events.append("calls") or [next(rounds)]
    )
    row = row_of(effort=Effort(0, 3, 0), flop=50, model=nn.Linear(2, 1))
    assert events == ["product", "reset", "calls"] * 3  # the matrices' memory does not count
    assert (row["share_of_peak"], row["peak_flop_rate"]) == (0.5, 200.0)
    assert (row["seconds"]["calls"], row["seconds"]["median"]) == (4, 0.75)
    assert (row["units_per_second"], row["flop_rate"]) == (4 / 0.75, 50 / 0.75)
    assert (row["part"], row["settings"], row["parameters"]) == ("any", {"objects": 1}, 3)
    assert row["peak_bytes"] > 0


def test_work_without_flop_needs_no_matrix_products(monkeypatch, row_of):
    monkeypatch.setattr(benchmark, "matrix_product_rate", lambda *_: pytest.fail("none needed"))
    assert row_of()["peak_flop_rate"] is None


@pytest.mark.parametrize(("flop", "device"), [(None, "cpu"), (0, "cuda:7"), (50, "cuda:7")])
def test_work_is_timed_on_its_device_even_where_none_of_it_counts(
    monkeypatch, row_of, flop, device
):
    asked = []
    case = replace(CASE, config=InferenceConfig(device="cuda:7"))
    monkeypatch.setitem(globals(), "CASE", case)
    monkeypatch.setattr(benchmark, "resolve_device", lambda name: asked.append(name) or CPU)
    monkeypatch.setattr(benchmark, "matrix_product_rate", lambda *_: 100.0)
    assert row_of(flop=flop)["flop"] == flop
    assert asked == [device]


def test_a_gpu_without_room_is_a_result_and_no_other_error_is(row_of):
    def too_large():
        raise torch.OutOfMemoryError("CUDA out of memory")

    row = row_of(too_large)
    assert (row["problem"], row["seconds"]) == ("out of memory", None)
    with pytest.raises(ZeroDivisionError):
        row_of(lambda: 1 / 0)


def test_earlier_work_is_gone_before_the_next_takes_memory(monkeypatch):
    class Circle:
        def __init__(self):
            self.itself = self

    def part(case):
        assert earlier() is None
        yield [benchmark._work(lambda: None, 4)]

    monkeypatch.setitem(benchmark.PARTS, "any", part)
    gc.disable()
    try:
        earlier = weakref.ref(Circle())
        assert earlier() is not None
        measure(CASE, ONCE)
    finally:
        gc.enable()


@pytest.mark.parametrize("objects", [1, 5, 254])
def test_all_objects_are_in_sight_and_move(objects):
    frames, labels = draw_video((480, 864), objects=objects, frames=3)
    assert [frame.shape for frame in frames] == [(480, 864, 3)] * 3
    for each, later in itertools.pairwise(labels):
        assert sorted(set(each.ravel())) == list(range(objects + 1))
        assert (each != later).any()


def test_the_machine_and_the_software_are_described(monkeypatch):
    gpu = SimpleNamespace(name="GPU", total_memory=150_000_000_000)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda number: gpu)
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "4294967296")
    monkeypatch.setenv("GOMP_SPINCOUNT", "10000")
    monkeypatch.setenv("PYTORCH_TOKEN", "secret")
    machine, software = describe_machine(), describe_software()
    assert machine["cpu"]
    assert (machine["gpus"], machine["gpu_memory"]) == (["GPU"], [150_000_000_000])
    assert {"python", "torch", "platform", "revision", "numpy", "driver"} <= software.keys()
    assert software["GOMP_SPINCOUNT"] == "10000"
    assert software["MALLOC_TRIM_THRESHOLD_"] == "4294967296"
    assert "PYTORCH_TOKEN" not in software
