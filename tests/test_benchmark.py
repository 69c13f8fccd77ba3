"""scripts/benchmark.py: what is timed, and what is told of it; how fast it is depends on the
machine.
"""

import gc
import importlib.util
import json
import re
import signal
import sys
import weakref
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import torch
import yaml
from fake_method import Fake, FakeState
from torch import Tensor, nn

from ranet import benchmark
from ranet.benchmark import Case, Effort, Round, draw_video, measure, table, time_calls
from ranet.config import InferenceConfig
from ranet.datasets.image_io import write_image, write_labels
from ranet.errors import BenchmarkError
from ranet.methods.checkpoints import save_checkpoint

CPU = torch.device("cpu")
DEBUG = Path(__file__).parents[1] / "configs" / "debug.yaml"
ONCE = Effort(warm_up=0, repeats=1, seconds=0)
ONCE_OPTIONS = ("--warm-up", 0, "--repeats", 1, "--seconds", 0)


@pytest.fixture(autouse=True)
def small_matrices(monkeypatch):
    """The machine's peak is not of interest here."""
    monkeypatch.setattr(benchmark, "_SIDE", {"cpu": 16})


@pytest.fixture
def follow(run_script, tmp_path):
    """Runs parts that follow videos, with a tiny network; gives the outcome and the rows."""
    checkpoint, file = tmp_path / "fake.pt", tmp_path / "results.json"
    save_checkpoint(checkpoint, Fake())
    usual = ("--checkpoint", checkpoint, "--device", "cpu", "--size", "48x80", "--json", file)

    def run(part, *options):
        done = run_script("benchmark.py", part, *usual, *ONCE_OPTIONS, *options)
        return done, json.loads(file.read_text())["rows"]

    return run


def case(part="network", objects=1, network=Fake, **changes):
    size = {"input_size": (48, 80), "frame_size": (48, 80)}
    settings = {"network": "fake", "objects": objects, "videos": 1, "frames": 3}
    config = InferenceConfig(**size, device="cpu", **changes)
    return Case(part, settings, config, network)


# --- What the command measures


def test_every_part_gets_a_row(follow):
    done, rows = follow(
        *("network,frame,step,video", "--objects", 2, "--videos", "1,2", "--frames", 3),
        "objects_at_once=2",
    )
    assert done.status == 0, done.error
    # What is written is one video, whatever --videos says.
    expected = [("network", 1), ("network", 2), ("frame", 1), ("frame", 2), ("step", 1)]
    expected += [("step", 2), ("video", 3)]
    assert [(row["part"], row["units"]) for row in rows] == expected
    assert {row["parameters"] for row in rows} == {37}
    alone, both = rows[:2]
    assert both["flop"] == 2 * alone["flop"] > 0
    assert all(row["flop"] == alone["flop"] * row["units"] for row in rows[:-1])
    assert alone["seconds"]["calls"] == 1
    assert alone["share_of_peak"] > 0
    assert alone["peak_bytes"] > 0
    told = {"network": "fake.pt", "device": "cpu", "size": "48×80", "dtype": "float32"}
    told |= {"objects": 2, "objects_at_once": "2", "threads": 1}
    assert told.items() <= alone["settings"].items()
    assert alone["details"]["config"]["objects_at_once"] == 2
    assert done.error.count("part ") == len(rows)  # each is told when it is there
    assert done.out.startswith("### ")


def test_more_objects_are_more_work():
    (one,), (five,) = (measure(case(objects=k), ONCE) for k in (1, 5))
    assert five["flop"] == 5 * one["flop"] > 0


def test_what_did_not_run_as_asked_is_told(follow):
    done, rows = follow("frame", "--vary", "cuda_graph=false,true")
    assert [row["problem"] for row in rows] == [None, "ran without cuda_graph"]
    assert not rows[1]["details"]["ran"]["cuda_graph"]
    assert rows[0]["flop"] == rows[1]["flop"] > 0
    assert done.out.count("ran without cuda_graph") == 1


def test_an_interruption_leaves_a_table_and_a_file(follow, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setitem(benchmark.PARTS, "frame", interrupted)
    done, rows = follow("network,frame")
    assert done.status == 130
    assert "| network |" in done.out
    assert [row["part"] for row in rows] == ["network"]


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["netwrok"], 2, "netwrok"),
        (["network,loader"], 2, "--config"),
        (["training", "--videos", "2"], 2, "--videos"),
        (["evaluation", "--year", "2016"], 2, "--annotations"),
        (["network", "--size", "480"], 2, "480x864"),
        (["network", "--objects", "0"], 2, "from 1 to 254"),
        (["network", "--against", "python"], 2, "cutie-small"),
        (["network,video", "--against", "cutie-small"], 2, "network and step"),
        (["step", "--videos", "2", "--against", "cutie-small"], 2, "one video"),
        (["onnx", "--dtype", "bfloat16", "--device", "cpu"], 2, "float32"),
        (["loader", "--config", DEBUG, "--workers", "-1"], 2, "--workers"),
        (["network", "--vary", "compile"], 1, "compile"),
        (["training", "--objects", "2"], 1, "model.objects"),
        (["network", "--dtype", "float8"], 1, "dtype"),
        (["network", "--network", "single,huge"], 2, "multi"),
        (["network", "--network", "single-resnet9"], 1, "resnet9"),
        (["network", "crop_size=2"], 1, "crop_scale"),
        (["network", "--device", "cuda:99"], 1, "cuda:99"),
        (["network", "--network", "single", "--checkpoint", "none.pt"], 1, "none.pt"),
        (["network", "--checkpoint", "none.pt", "--checkpoint", DEBUG], 1, "none.pt"),
        (["evaluation", "--year=2016", "--annotations=no-truth", "--predictions=b"], 1, "no-truth"),
    ],
)
def test_mistakes_are_told_before_anything_is_measured(run_script, words, status, told):
    done = run_script("benchmark.py", *words)
    assert done.status == status
    assert told in done.error
    assert done.out == ""


def test_without_part_all_is_measured(run_script, monkeypatch):
    measured = []
    monkeypatch.setattr(benchmark, "measure", lambda case, _: measured.append(case) or [])
    done = run_script("benchmark.py", "--batch", "2", "--dtype", "bfloat16")
    assert done.status == 0, done.error
    assert [case.part for case in measured] == ["network", "frame", "step", "video", "training"]
    assert {case.config.dtype for case in measured} == {"bfloat16"}
    assert measured[0].network.args[0].summary.startswith("single")
    config = measured[-1].config
    assert config.batch_size == 2
    # Time depends on no weight, so that none has to be read.
    assert not config.start_from
    assert not config.imagenet_weights


def test_random_weights_are_always_the_same(run_script, monkeypatch):
    made = []
    monkeypatch.setattr(benchmark, "measure", lambda case, _: made.append(case.network()) or [])
    for _ in range(2):
        before = torch.random.get_rng_state()
        done = run_script("benchmark.py", "network", "--network", "single-tiny")
        assert done.status == 0, done.error
        assert torch.equal(torch.random.get_rng_state(), before)
    first, second = (network.state_dict() for network in made)
    assert all(torch.equal(second[name], first[name]) for name in first)


def test_a_checkpoint_may_be_named(run_script, monkeypatch):
    measured = []
    monkeypatch.setattr(benchmark, "measure", lambda case, _: measured.append(case) or [])
    done = run_script("benchmark.py", "network", "--checkpoint", "ranet-small")
    assert done.status == 0, done.error
    assert measured[0].settings["network"] == "ranet_small.safetensors"


def test_parts_whose_calls_are_slow_are_called_less_often(run_script, monkeypatch, tmp_path):
    efforts = {}
    monkeypatch.setattr(
        benchmark, "measure", lambda case, effort: efforts.update({case.part: effort}) or []
    )
    words = ("training,loader,evaluation", "--config", DEBUG, "--size", "64x96")
    words += ("--year", 2017, "--annotations", tmp_path, "--predictions", tmp_path)
    done = run_script("benchmark.py", *words, "--warm-up", 2)
    assert done.status == 0, done.error
    slow = Effort(2, 5, 0)
    assert efforts == {"training": Effort(2, 10, 1), "loader": slow, "evaluation": slow}


class FirstMasks(NamedTuple):
    first: Tensor
    probabilities: Tensor


class WithFirstMasks(Fake):
    """A step reads the first masks, which stay as they are, and what was found before."""

    def add_objects(self, state, image, masks):
        return FirstMasks(masks.clone(), super().add_objects(state, image, masks).probabilities)

    def step(self, state, image):
        known = FakeState((state.first + state.probabilities) / 2)
        prediction, after = super().step(known, image)
        return prediction, FirstMasks(state.first, after.probabilities)


@pytest.mark.slow
def test_the_exported_step_is_timed_beside_ours():
    pytest.importorskip("onnxruntime", reason="the extra export is not installed")
    (ours,), (exported,) = (
        measure(case(part, objects=2, network=WithFirstMasks), ONCE) for part in ("step", "onnx")
    )
    for name in ("unit", "units", "parameters", "flop"):
        assert exported[name] == ours[name], name
    assert exported["seconds"]["calls"] == 1
    assert exported["details"]["onnxruntime"]


@pytest.mark.parametrize("name", ["fake.pt", "folder.json"])
def test_no_other_file_is_replaced_by_the_results(run_script, tmp_path, name):
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "fake.pt").write_text("weights")
    done = run_script("benchmark.py", "network", "--json", tmp_path / name)
    assert done.status == 2
    assert "*.json" in done.error
    assert (tmp_path / "fake.pt").read_text() == "weights"


@pytest.mark.slow
def test_training_steps_are_timed_and_are_real(run_script, tmp_path, monkeypatch):
    losses = []

    def watched(call, *others):
        return time_calls(lambda: losses.append(call()), *others)

    monkeypatch.setattr(benchmark, "time_calls", watched)
    file = tmp_path / "results.json"
    done = run_script(
        *("benchmark.py", "training", "--config", DEBUG, "--size", "64x96", "--batch", "1,2"),
        *("--objects", 2, "--warm-up", 0, "--repeats", 4, "--seconds", 0, "--json", file),
        "optimizer.learning_rate=0.01",
    )
    assert done.status == 0, done.error
    one, two = json.loads(file.read_text())["rows"]
    assert (one["units"], two["units"], two["unit"]) == (1, 2, "pair")
    assert two["flop"] == 2 * one["flop"]
    assert two["settings"]["network"] == "multi-tiny"
    assert (two["settings"]["batch"], two["settings"]["objects"]) == (2, 2)
    assert two["details"]["config"]["data"]["size"] == [64, 96]
    totals = [told["total"] for told in losses if isinstance(told, dict)]
    assert totals[-1] < totals[-4]


def test_samples_are_counted_and_told_by_core(run_script, tmp_path, monkeypatch):
    frames, labels = draw_video((48, 80), objects=1, frames=3)
    for number, (frame, each) in enumerate(zip(frames, labels, strict=True)):
        write_image(tmp_path / "pairs" / "images" / f"{number}.jpg", frame)
        write_labels(tmp_path / "pairs" / "masks" / f"{number}.png", each)
    data = {"sources": [{"kind": "pairs", "root": str(tmp_path / "pairs")}], "size": [48, 80]}
    values = {"name": "test", "output": str(tmp_path / "run"), "batch_size": 2, "data": data}
    (tmp_path / "run.yaml").write_text(yaml.dump(values))
    file = tmp_path / "loader.json"
    done = run_script(
        *("benchmark.py", "loader", "--config", tmp_path / "run.yaml", "--json", file),
        *("--workers", "0,1", *ONCE_OPTIONS, "--batches", 2, "batch_size=3"),
    )
    assert done.status == 0, done.error
    rows = json.loads(file.read_text())["rows"]
    assert [(row["settings"]["workers"], row["units"]) for row in rows] == [(0, 6), (1, 6)]
    assert (rows[0]["flop"], rows[0]["share_of_peak"]) == (None, None)
    assert "a second and core" in done.out
    monkeypatch.setattr(benchmark, "usable_cores", lambda: 2)  # which more workers share
    for workers, rate in ((0, "40.0"), (1, "40.0"), (2, "20.0"), (8, "20.0")):
        row = rows[0] | {"settings": {"workers": workers}, "units_per_second": 40.0}
        assert benchmark.figures(row)["a second and core"] == rate


def test_the_evaluation_is_timed(run_script, tmp_path):
    labels = np.zeros((40, 60), np.uint8)
    labels[8:24, 4:20], labels[8:24, 30:50] = 1, 2
    for tree in ("annotations", "predictions"):
        for frame in range(4):
            write_labels(tmp_path / tree / "ant" / f"{frame:05d}.png", labels)
    trees = [word for n in ("annotations", "predictions") for word in (f"--{n}", tmp_path / n)]
    file = tmp_path / "evaluation.json"
    done = run_script(
        *("benchmark.py", "evaluation", *trees, "--year", 2017, *ONCE_OPTIONS, "--json", file)
    )
    assert done.status == 0, done.error
    (row,) = json.loads(file.read_text())["rows"]
    assert (row["units"], row["details"]["objects"], row["seconds"]["calls"]) == (2, 2, 1)


# --- Timing


@pytest.fixture
def row_of(monkeypatch):
    """The row of a call, perhaps with known entries: ``row_of(call, effort, flop=50)``."""

    def measured(call=lambda: None, effort=ONCE, **entries):
        def part(case, row, stack):
            row.update(units=4, **entries)
            return call

        monkeypatch.setitem(benchmark.PARTS, "any", part)
        (row,) = measure(case("any"), effort)
        return row

    return measured


@pytest.mark.parametrize(("lasts", "repeats", "timed"), [(0.25, 2, 4), (10, 3, 3)])
def test_calls_are_repeated_until_there_are_enough_and_time_is_up(
    monkeypatch, lasts, repeats, timed
):
    now, events = [0.0], []

    def call():
        now[0] += lasts
        events.append("call")

    monkeypatch.setattr(benchmark.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(benchmark, "synchronise", lambda device: events.append("wait"))
    assert time_calls(call, Effort(1, repeats, 1)) == [lasts] * timed
    # The device is idle when the clock is read.
    assert events == ["call", *["wait", "call", "wait"] * timed]


def test_effort_in_rounds():
    first, *others = Effort(3, 11, 2).in_rounds()
    assert first == Effort(3, 3, 0.4)
    assert others == [Effort(0, 3, 0.4)] * 4
    assert Effort(1, 2, 0).in_rounds() == [Effort(1, 1, 0), Effort(0, 1, 0)]


def test_a_convolution_is_two_flop_for_a_multiplication_with_addition():
    convolution = nn.Conv2d(3, 8, kernel_size=5, padding=2, bias=False)
    with torch.inference_mode():
        counted = benchmark.count_flop(lambda: convolution(torch.zeros(2, 3, 10, 12)))
    assert counted == 2 * (2 * 10 * 12) * 8 * (3 * 5 * 5)


@pytest.mark.parametrize(("dtype", "seconds"), [("float32", 2.0), ("bfloat16", 4.0)])
def test_the_rate_is_that_of_the_fastest_matrix_product(monkeypatch, dtype, seconds):
    times = iter([[9.0, 4.0, 1.0], [2.0, 2.0, 2.0]])  # oneDNN's is the second

    def timed(call, effort, device):
        assert call().to_dense().shape == (16, 16)
        return next(times)

    monkeypatch.setattr(benchmark, "time_calls", timed)
    assert benchmark.matrix_product_rate(CPU, dtype) == 2 * 16**3 / seconds


def test_calls_and_matrix_products_take_turns(monkeypatch, row_of):
    """50, 100 and 400 FLOP a second, where the machine could do 100, 400 and 200."""
    rounds, rates = iter([[1.0, 1.0], [0.5], [0.125]]), iter([100.0, 400.0, 200.0])
    events = []

    def noted(event, values):
        return lambda *_: events.append(event) or next(values)

    monkeypatch.setattr(
        benchmark, "_count_memory_from_now_on", lambda device: events.append("memory")
    )
    monkeypatch.setattr(benchmark, "matrix_product_rate", noted("product", rates))
    monkeypatch.setattr(benchmark, "time_calls", noted("calls", rounds))
    row = row_of(effort=Effort(0, 3, 0), flop=50)
    assert events == ["product", "memory", "calls"] * 3  # the matrices' memory does not count
    assert (row["share_of_peak"], row["peak_flop_rate"]) == (0.5, 200.0)
    assert list(row["seconds"].values()) == [4, 0.125, 0.40625, 0.75, 1.0, 1.0]
    assert (row["units_per_second"], row["flop_rate"]) == (4 / 0.75, 50 / 0.75)


@pytest.mark.parametrize(("flop", "asked"), [(None, []), (0, ["cpu"])])
def test_work_is_timed_on_its_device_even_where_none_of_it_counts(monkeypatch, row_of, flop, asked):
    devices = []
    monkeypatch.setattr(benchmark, "resolve_device", lambda name: devices.append(name) or CPU)
    monkeypatch.setattr(benchmark, "matrix_product_rate", lambda *_: pytest.fail("none needed"))
    assert row_of(flop=flop)["peak_flop_rate"] is None
    assert devices == asked


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

    def part(*_):
        assert earlier() is None
        return lambda: None

    monkeypatch.setitem(benchmark.PARTS, "any", part)
    gc.disable()
    try:
        earlier = weakref.ref(Circle())
        assert earlier() is not None
        measure(case("any"), ONCE)
    finally:
        gc.enable()


def test_flop_are_those_of_the_call_as_it_is_written(monkeypatch):
    prepared = []

    def part(case, row, stack):
        compiles = case.config.compile
        prepared.append(compiles)
        row["parameters"] = 1
        return lambda: None if compiles else torch.mm(torch.ones(2, 3), torch.ones(3, 5))

    monkeypatch.setitem(benchmark.PARTS, "any", part)
    (row,) = measure(case("any", compile=True), ONCE)
    assert row["flop"] == 2 * (2 * 3 * 5)
    assert row["details"]["config"]["compile"]
    assert prepared == [False, True]


@pytest.fixture
def one_at_a_time():
    """Makes networks, each of which has to be gone before the next is made; tells how many."""
    made = []

    def network():
        assert all(earlier() is None for earlier in made)
        fake = Fake()
        made.append(weakref.ref(fake))
        return fake

    return network, made


@pytest.mark.filterwarnings("ignore:cuda_graph")
def test_the_network_that_counts_flop_is_gone_before_another_is_timed(one_at_a_time):
    network, made = one_at_a_time
    (row,) = measure(case("step", network=network, cuda_graph=True), ONCE)
    assert row["flop"] > 0
    assert len(made) == 2


def test_the_network_that_counts_flop_is_gone_before_it_is_exported(monkeypatch, one_at_a_time):
    def export(*_, **__):
        raise BenchmarkError("exports")

    network, made = one_at_a_time
    monkeypatch.setitem(sys.modules, "onnxruntime", SimpleNamespace(__version__="1"))
    monkeypatch.setattr("ranet.export.programs.export_programs", export)
    with pytest.raises(BenchmarkError, match="exports"):
        measure(case("onnx", network=network), ONCE)
    assert len(made) == 2


def test_what_a_call_has_taken_stays_taken_until_the_last(monkeypatch, row_of):
    """On a GPU, memory that is given back has to be asked for again, which takes long."""
    events = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: events.append("free"))
    row_of(lambda: events.append("call"), Effort(1, 2, 0))
    assert events[-4:] == ["free", "call", "call", "call"]


@pytest.mark.parametrize("objects", [1, 5, 254])
def test_all_objects_are_in_sight_and_move(objects):
    frames, labels = draw_video((480, 864), objects=objects, frames=2)
    assert [frame.shape for frame in frames] == [(480, 864, 3)] * 2
    assert all(sorted(set(each.ravel())) == list(range(objects + 1)) for each in labels)
    assert (labels[0] != labels[1]).any()


def test_many_objects_are_in_sight_in_the_smallest_frames():
    _, labels = draw_video((33, 33), objects=254, frames=9)
    assert all(len(np.unique(each)) == 255 for each in labels)


# --- What is told


def test_the_machine_and_the_software_are_described(monkeypatch):
    gpu = SimpleNamespace(name="GPU", total_memory=150_000_000_000)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda number: gpu)
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "4294967296")
    monkeypatch.setenv("PYTORCH_TOKEN", "secret")
    machine, software = benchmark.describe().values()
    assert machine["cpu"]
    assert (machine["gpus"], machine["gpu_memory"]) == (["GPU"], [150_000_000_000])
    assert {"python", "torch", "platform", "revision", "numpy", "driver"} <= software.keys()
    assert software["MALLOC_TRIM_THRESHOLD_"] == "4294967296"
    assert "PYTORCH_TOKEN" not in software


def test_the_table_tells_what_differs_and_below_it_what_does_not():
    def row(objects, median, **entries):
        settings = {"network": "single", "objects": objects}
        known = {"parameters": 63_423_000, "flop": 3_000_000_000, **entries}
        seconds = [Round([median], 1e11, (5_000_000, "bytes"))] if median else []
        return benchmark._summary(
            benchmark._new_row(case()) | {"settings": settings} | known, seconds
        )

    machine = {"cpu": "processor", "cores": 2, "gpus": []}
    results = {"machine": machine, "software": {"torch": "2.13", "revision": "abc"}}
    rows = [row(1, 0.1), row(5, 0.25, problem="ran without compile")]
    rows.append(row(9, None, problem="out of memory"))
    title, _, header, _, *lines, note, _ = table({**results, "rows": rows}).split("\n")
    assert title.endswith("processor; 2 usable cores; torch 2.13; revision abc")
    assert note == "- network single"
    cells = [re.split(r" *\| *", each)[1:-1] for each in (header, *lines[:3])]
    first, second, third = (dict(zip(cells[0], each, strict=True)) for each in cells[1:])
    assert "network" not in first
    told = {"objects": "1", "ms": "100.00", "a second": "10 frames", "M parameters": "63.4"}
    told |= {"GFLOP": "3", "GFLOP/s": "30", "matrix product, GFLOP/s": "100", "share, %": "30"}
    told |= {"peak MB": "5"}
    assert told.items() <= first.items()
    assert (second["ms"], second["problem"]) == ("250.00", "ran without compile")
    assert (third["ms"], third["problem"]) == ("–", "out of memory")


# --- Other networks


def test_a_peer_and_ours_take_turns_in_processes_of_their_own(monkeypatch):
    seconds, turns = iter([1.0, 4.0, 3.0, 11.0]), []

    def in_own_process(function, part, timed, efforts):
        turns.append((timed.settings["network"], *efforts))
        row = benchmark._new_row(timed) | {"flop": 300}
        return row, [Round([next(seconds)], 1.0, (len(turns), "bytes"))]

    monkeypatch.setattr(benchmark, "_in_own_process", in_own_process)
    timed = replace(case("step"), against="cutie-base")
    rows = measure(timed, Effort(warm_up=2, repeats=2, seconds=0))
    each = Effort(warm_up=2, repeats=1, seconds=0)
    assert turns == [("fake", each), ("cutie-base", each)] * 2
    assert [row["settings"]["network"] for row in rows] == ["fake", "cutie-base"]
    assert [row["seconds"]["median"] for row in rows] == [2.0, 7.5]
    assert [row["peak_bytes"] for row in rows] == [3, 4]
    assert [benchmark.figures(row).get("times ours") for row in rows] == [None, "3.75"]


@pytest.mark.parametrize("turn", [0, 1])
def test_a_turn_without_room_is_the_result_of_all(monkeypatch, turn):
    ours = []

    def in_own_process(function, part, timed, efforts):
        row = benchmark._new_row(timed)
        if timed.settings["network"] == "fake":
            ours.append(row)
            if len(ours) == turn + 1:
                return row | {"problem": "out of memory"}, []
        return row, [Round([1.0], None, None)]

    monkeypatch.setattr(benchmark, "_in_own_process", in_own_process)
    row, other = measure(replace(case("step"), against="cutie-base"), Effort(0, 2, 0))
    assert (row["problem"], row["seconds"]) == ("out of memory", None)
    assert (other["problem"], other["seconds"]["calls"]) == (None, 2)
    assert "times ours" not in benchmark.figures(other)


@pytest.mark.slow
def test_a_process_of_its_own_that_is_killed_is_told():
    with pytest.raises(BenchmarkError, match="memory"):
        benchmark._in_own_process(signal.raise_signal, signal.SIGKILL)


def test_a_peer_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    timed = replace(case(), against="cutie-small")
    with pytest.raises(BenchmarkError, match="pip install rf-cutie"):
        measure(timed, ONCE)


@pytest.mark.slow
def test_cutie_runs_with_random_weights(monkeypatch):
    """A call is five frames; what is told is of one."""
    pytest.importorskip("cutie", reason="rf-cutie is not installed: pip install '.[peers]'")
    monkeypatch.setattr(benchmark, "time_calls", lambda *_: [5.0])
    theirs = replace(case(), against="cutie-small")
    with pytest.raises(BenchmarkError, match="16×16"):
        benchmark._measure_rounds(benchmark._prepare_cutie, theirs, [ONCE])
    config = theirs.config.model_copy(update={"input_size": (96, 96)})
    theirs = replace(theirs, config=config)
    row, (only,) = benchmark._measure_rounds(benchmark._prepare_cutie, theirs, [ONCE])
    assert (row["units"], row["timed_as_one"], only.seconds) == (1, 5, [1.0])
    assert row["flop"] > 1e9
