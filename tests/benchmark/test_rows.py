import gc
import itertools
import weakref
from contextlib import contextmanager

import pytest
import torch

from ranet.benchmark import rows
from ranet.benchmark.rows import OUT_OF_MEMORY, Row, Workload, measured
from ranet.benchmark.timing import Effort, Spread

CPU = torch.device("cpu")
ONCE = Effort(warm_up=0, repeats=1, seconds=0)


@pytest.fixture(autouse=True)
def peak(monkeypatch):
    """The machine multiplies matrices at these rates."""
    rates = itertools.cycle([100.0, 400.0, 200.0])
    monkeypatch.setattr(rows, "matrix_product_rate", lambda device, dtype: next(rates))


def work(call=lambda: None, **changes):
    @contextmanager
    def prepare():
        yield Workload(call, CPU, unit="frame", units=4, **changes)

    return prepare


def seconds(median):
    return Spread(1, median, median, median, median, median)


def test_rates_are_those_of_the_median():
    row = Row("step", {}, "frame", 4, seconds(0.5), flop=50)
    assert row.units_per_second == 8
    assert row.flop_rate == 100


def test_what_is_not_known_has_no_rate():
    assert Row("step", {}, "frame", 4, seconds(0.5)).flop_rate is None
    failed = Row("step", {}, problem=OUT_OF_MEMORY)
    assert failed.units_per_second is failed.flop_rate is None


def test_a_row_of_a_piece_of_work():
    calls = []
    prepare = work(lambda: calls.append(1), dtype="float32", flop=7, parameters=3)
    row = measured("network", {"objects": 1}, prepare, CPU, Effort(1, 3, 0))
    assert len(calls) == 4
    assert row.seconds.calls == 3
    assert (row.part, row.settings, row.units) == ("network", {"objects": 1}, 4)
    assert (row.flop, row.parameters, row.peak_flop_rate) == (7, 3, 200.0)
    assert row.peak_bytes > 0


def test_calls_and_matrix_products_take_turns(monkeypatch):
    rounds = iter([[1.0, 1.0], [0.5], [0.125]])
    monkeypatch.setattr(rows, "time_calls", lambda call, device, effort: next(rounds))
    row = measured("network", {}, work(dtype="float32", flop=50), CPU, Effort(0, 3, 0))
    # 50, 100 and 400 FLOP a second, where the machine could do 100, 400 and 200.
    assert row.share_of_peak == 0.5
    assert row.seconds.calls == 4


def test_the_memory_of_the_matrices_does_not_count(monkeypatch):
    events = []
    for name in ("matrix_product_rate", "reset_peak", "peak_memory"):
        monkeypatch.setattr(rows, name, lambda *_, name=name: events.append(name))
    measured("network", {}, work(lambda: events.append("call"), dtype="float32", flop=1), CPU, ONCE)
    assert events == ["matrix_product_rate", "reset_peak", "call", "peak_memory"]


def test_work_without_counted_flop_needs_no_matrix_products():
    row = measured("loader", {}, work(), CPU, ONCE)
    assert row.peak_flop_rate is None


def test_a_gpu_without_room_is_a_result():
    def too_large():
        raise torch.OutOfMemoryError("CUDA out of memory")

    row = measured("network", {"videos": 99}, work(too_large), CPU, ONCE)
    assert (row.problem, row.seconds) == (OUT_OF_MEMORY, None)


def test_earlier_work_is_gone_before_the_next_takes_memory():
    class Circle:
        def __init__(self):
            self.itself = self

    @contextmanager
    def prepare():
        assert earlier() is None
        yield Workload(lambda: None, CPU, unit="frame", units=1)

    gc.disable()
    try:
        earlier = weakref.ref(Circle())
        assert earlier() is not None
        measured("any", {}, prepare, CPU, ONCE)
    finally:
        gc.enable()


def test_no_other_error_is_hidden():
    def wrong():
        raise RuntimeError("sizes do not fit")

    with pytest.raises(RuntimeError, match="sizes"):
        measured("network", {}, work(wrong), CPU, ONCE)
