import json
import os
from dataclasses import replace
from types import SimpleNamespace

import pytest

from ranet.benchmark.report import collect, table, tell_partners, with_prefix
from ranet.benchmark.results import FORMAT, Results, speed_up, without_partner
from ranet.benchmark.rows import OUT_OF_MEMORY, Row
from ranet.benchmark.timing import Spread
from ranet.errors import BenchmarkError

MACHINE = {"cpu": "processor", "cores": 2, "instructions": "AVX2", "gpus": []}
SOFTWARE = {"torch": "2.13", "revision": "abc"}


def row(median, objects=1, **changes):
    spread = Spread(3, median, median, median, median, median)
    settings = {"network": "single", "objects": objects}
    values = {
        "flop": 3_000_000_000,
        "peak_flop_rate": 1e11,
        "share_of_peak": 0.3,
        "parameters": 63_423_000,
        **changes,
    }
    return Row("network", settings, "frame", 1, spread, **values)


def results(*rows):
    return Results(MACHINE, SOFTWARE, ["benchmark.py"], list(rows))


def test_what_is_written_is_read_again(tmp_path):
    failed = Row("network", {"objects": 9}, problem=OUT_OF_MEMORY)
    written = results(row(0.1), failed)
    written.write(tmp_path / "results.json")
    assert Results.read(tmp_path / "results.json") == written


def test_the_file_tells_the_circumstances_and_the_rates(tmp_path):
    results(row(0.1)).write(tmp_path / "results.json")
    content = json.loads((tmp_path / "results.json").read_text())
    assert (content["machine"], content["software"]) == (MACHINE, SOFTWARE)
    assert content["command"] == ["benchmark.py"]
    assert content["rows"][0]["flop_rate"] == pytest.approx(3e10)
    assert content["rows"][0]["units_per_second"] == pytest.approx(10)


def test_machine_and_versions_are_those_of_this_process():
    here = Results()
    assert here.machine["cpu"]
    assert here.machine["cores"] >= 1
    assert {"python", "torch", "platform", "revision", "numpy"} <= here.software.keys()


def test_what_decides_about_times_on_a_gpu_is_told(monkeypatch, tmp_path):
    gpu = SimpleNamespace(name="GPU", total_memory=150_000_000_000)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda number: gpu)
    monkeypatch.setattr("torch.backends.cudnn.version", lambda: 91002)
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho 580.65.06\necho 580.65.06\n")  # a line for each GPU
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    here = Results()
    assert (here.machine["gpus"], here.machine["gpu_memory"]) == (["GPU"], [150_000_000_000])
    assert (here.software["cudnn"], here.software["driver"]) == (91002, "580.65.06")


def test_what_allocators_and_threads_are_told_is_told(monkeypatch):
    settings = {
        "MALLOC_TRIM_THRESHOLD_": "4294967296",
        "PYTORCH_ALLOC_CONF": "expandable_segments:True",
        "PYTORCH_CUDA_ALLOC_CONF": "backend:cudaMallocAsync",
        "GOMP_SPINCOUNT": "10000",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTORCH_TOKEN", "secret")
    here = Results()
    assert settings.items() <= here.software.items()
    assert "PYTORCH_TOKEN" not in here.software
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_")
    told = "\n".join(tell_partners(Results(), here, "old.json"))
    assert "MALLOC_TRIM_THRESHOLD_: 4294967296 then, None now" in told


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "should hold results of --json"),
        ("[]", "found None"),
        ('{"format": "ranet-1"}', "found 'ranet-1'"),
        (json.dumps({"format": FORMAT}), "cannot be understood"),
        (json.dumps({"format": FORMAT, "rows": [{"part": "step"}]}), "cannot be understood"),
    ],
)
def test_a_file_that_is_not_ours_is_refused(tmp_path, content, told):
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(BenchmarkError, match=told) as refusal:
        Results.read(path)
    assert str(path) in str(refusal.value)


def test_a_missing_baseline(tmp_path):
    with pytest.raises(BenchmarkError, match=r"none\.json"):
        Results.read(tmp_path / "none.json")


def test_rows_are_compared_with_those_of_the_same_settings():
    before = results(row(0.5, objects=5), row(0.3, objects=1))
    assert speed_up(row(0.1, objects=1), before) == pytest.approx(3)
    assert speed_up(row(0.1, objects=2), before) is None
    assert speed_up(replace(row(0.1), part="step"), before) is None
    assert without_partner([row(0.1), row(0.1, objects=2)], before) == [row(0.1, objects=2)]


def test_what_was_out_of_memory_is_no_partner():
    before = results(replace(row(0.5), seconds=None, problem=OUT_OF_MEMORY))
    assert speed_up(row(0.1), before) is None
    assert speed_up(before.rows[0], results(row(0.1))) is None


def test_what_ran_in_another_way_than_it_says_is_no_partner():
    otherwise = replace(row(0.1), problem="ran without compile")
    assert speed_up(row(0.1), results(otherwise)) is None
    assert speed_up(otherwise, results(row(0.1))) is None
    last = table(results(row(0.2, objects=2), otherwise)).splitlines()[-1]
    assert "100.00" in last
    assert last.endswith("ran without compile")


def test_the_table_tells_what_differs_and_above_it_what_does_not():
    shown = table(results(row(0.1), row(0.25, objects=5, share_of_peak=0.12)), results(row(0.3)))
    title, common, _, header, first, second = shown.strip().splitlines()
    assert title == "processor; 2 usable cores; torch 2.13; revision abc"
    assert common == "network single, parameters 63.4 M, work 3 GFLOP, matrix product 100 GFLOP/s"
    assert " ".join(header.split()) == "part objects ms quartiles a second rate share speed-up"
    assert "network        1  100.00" in first
    assert "10 frames" in first
    assert "30 GFLOP/s   30 %    3.00 ×" in first
    assert second.endswith("12 %         –")


def test_the_table_of_a_row_that_has_no_figures():
    failed = Row("network", {"network": "single", "objects": 9}, problem=OUT_OF_MEMORY)
    shown = table(results(row(0.1), failed))
    assert shown.splitlines()[-1].split()[:3] == ["network", "9", "–"]
    assert shown.rstrip().endswith("out of memory")


def test_the_table_as_markdown():
    shown = table(results(row(0.1), row(0.2)), markdown=True)
    assert shown.startswith("### processor; 2 usable cores")
    assert "| network | 100.00 |" in shown
    assert "- network single" in shown


def test_rows_without_partner_and_other_machines_are_told(tmp_path):
    before = results(row(0.5, objects=5), row(0.3))
    before.machine = {**MACHINE, "cpu": "another"}
    told = "\n".join(tell_partners(results(row(0.1), row(0.1, objects=2)), before, "old.json"))
    assert "old.json was measured with another machine:\n  - cpu: another then, processor" in told
    assert "settings of:\n  - network (network single, objects 2)" in told
    assert "not measured now:\n  - network (network single, objects 5)" in told
    assert "software" not in told


def test_nothing_is_told_where_all_rows_are_compared():
    assert tell_partners(results(row(0.1)), results(row(0.3)), "old.json") == []


def test_an_interrupted_run_leaves_the_rows_it_has_measured(tmp_path):
    def measure():
        yield row(0.1)
        raise KeyboardInterrupt

    path, so_far = tmp_path / "results.json", results()
    with pytest.raises(KeyboardInterrupt):
        collect(measure(), so_far, path)
    assert Results.read(path).rows == so_far.rows == [row(0.1)]


@pytest.mark.parametrize(
    ("value", "text"),
    [(263.4e9, "263 GFLOP"), (1.28e12, "1.28 TFLOP"), (950, "950 FLOP"), (4e6, "4 MFLOP")],
)
def test_numbers_with_prefixes(value, text):
    assert with_prefix(value, "FLOP") == text
