"""scripts/benchmark.py; how fast anything is depends on the machine."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
import yaml
from fake_method import Fake, FakeState
from torch import Tensor

from ranet import benchmark
from ranet.benchmark import Effort, build_network, count_flop, draw_video, measure
from ranet.commands import benchmark as command
from ranet.datasets.image_io import write_image, write_labels
from ranet.tables.benchmark import new_row

ONCE = ("--warm-up", 0, "--repeats", 1, "--seconds", 0)
SMALL = ("--size", "64x96", "--frames", 3, *ONCE)
DEBUG = Path(__file__).parents[2] / "configs" / "debug.yaml"


def rows_in(file):
    return json.loads(file.read_text())["rows"]


@pytest.mark.slow
def test_every_part_gets_a_row(run_script, checkpoint, tmp_path):
    file = tmp_path / "results.json"
    done = run_script(
        *("benchmark.py", "network,frame,step,video", "--checkpoint", checkpoint, *SMALL),
        *("--device", "cpu", "--objects", 2, "--videos", "1,2", "--json", file),
    )
    assert done.status == 0, done.error
    rows = rows_in(file)
    # What is written is one video, whatever --videos says.
    expected = [("network", 1), ("network", 2), ("frame", 1), ("frame", 2), ("step", 1)]
    expected += [("step", 2), ("video", 3)]
    assert [(row["part"], row["units"]) for row in rows] == expected
    for row in rows:
        assert row["seconds"]["calls"] == 1
        assert row["flop"]
        assert row["parameters"]
    told = {"network": "tiny.pt", "size": "64×96", "dtype": "float32", "objects": 2}
    assert told.items() <= rows[0]["settings"].items()
    assert rows[0]["details"]["config"]["input_size"] == [64, 96]
    assert "device cpu" in done.out
    assert done.error.count(" ms\n") == len(rows)  # each is told when it is there


def test_more_objects_and_videos_are_more_work(case, monkeypatch):
    counted = []

    def count_and_time(calls, *others):
        counted.extend(map(count_flop, calls))
        return [[1.0]]

    monkeypatch.setattr(benchmark, "matrix_product_rate", lambda *_: 1.0)
    monkeypatch.setattr(benchmark, "time_in_turn", count_and_time)

    def flop(**changes):
        rows = [measure(case(p, **changes), Effort(0, 1, 0)) for p in ("network", "frame")]
        assert rows[0][0]["flop"] == rows[1][0]["flop"] == counted.pop() == counted.pop()
        return rows[0][0]["flop"]

    plain = flop()
    assert plain < flop(objects=2) < 2 * plain
    assert flop(videos=2) == 2 * plain


@pytest.mark.slow
def test_fields_of_the_configuration_vary_and_files_are_compared(run_script, checkpoint, tmp_path):
    file = tmp_path / "results.json"
    options = ("benchmark.py", "frame", "--checkpoint", checkpoint, *SMALL, "crop_scale=2")
    vary = ("--vary", "crop=whole_frame,around_objects", "--vary", "cuda_graph=false,true")
    done = run_script(*options, *vary, "--device", "cpu", "--json", file)
    assert done.status == 0, done.error
    rows = rows_in(file)
    assert [row["details"]["config"]["crop"] for row in rows] == [
        *["whole_frame"] * 2,
        *["around_objects"] * 2,
    ]
    assert [row["settings"]["crop_scale"] for row in rows] == ["2"] * 4
    assert [row["problem"] for row in rows] == [None, "ran without cuda_graph"] * 2
    assert not rows[1]["details"]["ran"]["cuda_graph"]
    assert done.out.count("ran without cuda_graph") == 2

    fixed = ("crop=whole_frame", "cuda_graph=false", "--device", "cpu", "--markdown")
    done = run_script(*options, *fixed, "--baseline", file)
    assert done.status == 0, done.error
    assert "| frame |" in done.out
    assert done.out.count(" ×") == 1
    assert "crop around_objects" in done.out.split("not measured now:")[1]


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
def test_the_exported_step_is_timed_beside_ours(case, monkeypatch):
    """Of a method of one convolution: others take the exporter long."""
    pytest.importorskip("onnxruntime", reason="the extra export is not installed")
    monkeypatch.setattr(benchmark, "build_network", lambda _: WithFirstMasks().eval())
    once = Effort(warm_up=0, repeats=2, seconds=0)
    (ours,), (exported,) = (measure(case(part, objects=2), once) for part in ("step", "onnx"))
    for name in ("unit", "units", "parameters", "flop"):
        assert exported[name] == ours[name], name
    assert exported["seconds"]["calls"] == 2
    assert exported["details"]["onnxruntime"]


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["netwrok"], 2, "netwrok"),
        (["network,loader"], 2, "--config"),
        (["training", "--videos", "2"], 2, "--videos"),
        (["evaluation", "--year", "2016"], 2, "--annotations"),
        (["network", "--size", "480"], 2, "480x864"),
        (["network", "--objects", "0"], 2, "from 1 to 254"),
        (["network", "--vary", "compile"], 2, "compile=false,true"),
        (["video", "--against", "cutie-small"], 2, "network and step"),
        (["step", "--videos", "2", "--against", "cutie-small"], 2, "one video"),
        (["onnx", "--dtype", "bfloat16", "--device", "cpu"], 2, "float32"),
        (["loader", "--config", DEBUG, "--workers", "-1"], 2, "--workers"),
        (["training", "--objects", "2"], 1, "model.objects"),
        (["network", "--dtype", "float8"], 1, "dtype"),
        (["network", "--network", "single,huge"], 1, "huge"),
        (["network", "--network", "single-resnet9"], 1, "resnet9"),
        (["network", "--network", DEBUG], 1, "use --checkpoint"),
        (["network", "crop_size=2"], 1, "crop_scale"),
        (["network", "--device", "cuda:99"], 1, "cuda:99"),
        (["network", "--baseline", "none.json"], 1, "none.json"),
        (["network", "--baseline", "a.json", "--json", "./a.json"], 2, "a.json is read"),
        (["video", "--objects", "1,2", "--against", "true"], 2, "2 combinations"),
        (["network", "--checkpoint", "none.pt"], 1, "none.pt"),
        (["evaluation", "--year", "2016", "--annotations", "a", "--predictions", "b"], 1, "a"),
    ],
)
def test_mistakes_are_told_before_anything_is_measured(run_script, words, status, told):
    done = run_script("benchmark.py", *words)
    assert done.status == status
    assert told in done.error
    assert done.out == ""


def test_without_part_all_is_measured(run_script, monkeypatch, tmp_path):
    measured = []
    monkeypatch.setattr(
        benchmark, "measure", lambda case, *_: measured.append(case) or [new_row(case.part, {})]
    )
    done = run_script("benchmark.py", "--batch", "2", "--dtype", "bfloat16")
    assert done.status == 0, done.error
    assert [case.part for case in measured] == ["network", "frame", "step", "video", "training"]
    assert {case.config.dtype for case in measured} == {"bfloat16"}
    config = measured[-1].config
    assert config.batch_size == 2
    # Time depends on no weight, so that none has to be read.
    assert not config.start_from
    assert not config.imagenet_weights


def test_an_interruption_leaves_a_table_and_a_file(run_script, monkeypatch, checkpoint, tmp_path):
    def interrupted(case):
        raise KeyboardInterrupt

    monkeypatch.setitem(benchmark.PARTS, "frame", interrupted)
    file = tmp_path / "results.json"
    done = run_script(
        *("benchmark.py", "network,frame", "--checkpoint", checkpoint, *SMALL, "--json", file)
    )
    assert done.status == 130
    assert "network" in done.out
    assert [row["part"] for row in rows_in(file)] == ["network"]


def test_random_networks_are_always_the_same_and_leave_the_global_generator_alone():
    before = torch.random.get_rng_state()
    one, other = (build_network("multi-resnet18") for _ in range(2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert (one.architecture["objects"], one.architecture["backbone"]) == ("multi", "resnet18")
    assert not one.training
    for name, weights in one.state_dict().items():
        assert torch.equal(weights, other.state_dict()[name]), name


# --- Training, its samples


@pytest.mark.slow
def test_training_steps_are_timed_and_are_real(run_script, tmp_path, monkeypatch):
    time_in_turn, losses = benchmark.time_in_turn, []

    def watched(calls, *others):
        # Those of the matrix products return tensors.
        return time_in_turn([lambda c=c: losses.append(c()) for c in calls], *others)

    monkeypatch.setattr(benchmark, "time_in_turn", watched)
    file = tmp_path / "results.json"
    done = run_script(
        *("benchmark.py", "training", "--config", DEBUG, "--size", "64x96", "--batch", "1,2"),
        *("--objects", 2, "--warm-up", 0, "--repeats", 4, "--seconds", 0, "--json", file),
        "optimizer.learning_rate=0.01",
    )
    assert done.status == 0, done.error
    one, two = rows_in(file)
    assert (one["units"], two["units"], two["unit"]) == (1, 2, "pair")
    assert two["flop"] == 2 * one["flop"]
    assert two["settings"]["network"] == "multi-tiny"
    assert (two["settings"]["batch"], two["settings"]["objects"]) == (2, 2)
    assert two["details"]["config"]["data"]["size"] == [64, 96]
    totals = [told["total"] for told in losses if isinstance(told, dict)]
    assert totals[-1] < totals[-4]


def test_samples_are_counted_and_cores_told(run_script, tmp_path):
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
        *("--workers", "0,1", "--repeats", 2, "--batches", 2, "--step-ms", 100, "batch_size=3"),
    )
    assert done.status == 0, done.error
    rows = rows_in(file)
    assert [(row["settings"]["workers"], row["units"]) for row in rows] == [(0, 6), (1, 6)]
    best = max(row["units_per_second"] for row in rows)
    assert f"data.workers={int(np.ceil(3 / 0.1 / best))}\n" in done.out


def test_workers_beyond_the_cores_share_them(monkeypatch):
    monkeypatch.setattr(command, "usable_cores", lambda: 2)

    def told(workers, step_ms=None):
        settings = {"workers": workers, "batch": 4}
        row = new_row("loader", settings, [0.5], unit="sample", units=20)
        return " ".join(command._tell_cores([row], step_ms))

    for workers, rate in ((0, "40.0"), (1, "40.0"), (2, "20.0"), (8, "20.0")):
        assert told(workers).startswith(rate)
    assert told(1, step_ms=50).endswith("data.workers=2")
    assert told(1, step_ms=100).endswith("data.workers=1")
