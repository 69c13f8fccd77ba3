import numpy as np
import pytest
import torch

from ranet.benchmark import timing
from ranet.benchmark.timing import Effort, Spread, time_calls, time_in_turn

CPU = torch.device("cpu")


class Clock:
    """Tells the time that calls have let pass."""

    def __init__(self):
        self.now = 0.0

    def call(self, seconds):
        steps = iter(seconds)

        def call():
            self.now += next(steps)

        return call


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock.now)
    return clock


def test_a_spread_is_median_quartiles_and_ends():
    spread = Spread.of([5, 1, 2, 4, 3])
    assert spread == Spread(calls=5, fastest=1, lower=2, median=3, upper=4, slowest=5)
    assert Spread.of([2.0]).lower == 2.0
    assert all(type(value) in (int, float) for value in vars(spread).values())  # JSON has no others


def test_the_warm_up_is_not_timed(clock):
    call = clock.call([100, 100, 1, 2, 3])
    seconds = time_calls(call, CPU, Effort(warm_up=2, repeats=3, seconds=0))
    np.testing.assert_allclose(seconds, [1, 2, 3])


def test_short_calls_are_repeated_until_the_time_is_up(clock):
    seconds = time_calls(clock.call([0.25] * 9), CPU, Effort(warm_up=0, repeats=2, seconds=1))
    assert len(seconds) == 4


def test_long_calls_are_repeated_as_often_as_asked_for(clock):
    seconds = time_calls(clock.call([10] * 9), CPU, Effort(warm_up=0, repeats=3, seconds=1))
    assert len(seconds) == 3


def test_effort_in_rounds():
    first, *others = Effort(warm_up=3, repeats=10, seconds=2).in_rounds(4)
    assert first == Effort(warm_up=3, repeats=3, seconds=0.5)
    assert others == [Effort(warm_up=0, repeats=3, seconds=0.5)] * 3
    assert Effort(1, 2, 0).in_rounds(5) == [Effort(1, 1, 0), Effort(0, 1, 0)]


def test_the_device_is_idle_when_the_clock_is_read(monkeypatch):
    seen = []
    monkeypatch.setattr(timing, "synchronise", lambda device: seen.append(f"wait for {device}"))
    time_calls(lambda: seen.append("call"), CPU, Effort(warm_up=1, repeats=2, seconds=0))
    assert seen == ["call", *["wait for cpu", "call", "wait for cpu"] * 2]


def test_contenders_run_in_turn(clock):
    order = []

    def contender(name, seconds):
        call = clock.call(seconds)
        return lambda: (order.append(name), call())

    contenders = {"a": contender("a", [9, 1, 2]), "b": contender("b", [9, 3, 4])}
    seconds = time_in_turn(contenders, warm_up=1, repeats=2)
    assert order == ["a", "b"] * 3
    assert {name: pytest.approx(times) for name, times in seconds.items()} == {
        "a": [1, 2],
        "b": [3, 4],
    }
