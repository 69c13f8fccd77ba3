import json

import pytest

from ranet.errors import BenchmarkError
from ranet.tables.benchmark import FORMAT, new_row, read_results, speed_up, table, tell_partners

MACHINE = {"cpu": "processor", "cores": 2, "instructions": "AVX2", "gpus": []}
SOFTWARE = {"torch": "2.13", "revision": "abc"}
OUT_OF_MEMORY = new_row("network", {"network": "single", "objects": 1}, problem="out of memory")


def row(median, objects=1, **changes):
    entries = {
        "flop": 3_000_000_000,
        "peak_flop_rate": 1e11,
        "share_of_peak": 0.3,
        "parameters": 63_423_000,
        **changes,
    }
    settings = {"network": "single", "objects": objects}
    return new_row("network", settings, [median], unit="frame", units=1, **entries)


def results(*rows):
    return {"format": FORMAT, "machine": MACHINE, "software": SOFTWARE, "rows": list(rows)}


def test_a_row_has_median_quartiles_ends_and_rates():
    of_five = new_row("step", {}, [5, 1, 2, 4, 3], unit="frame", units=6, flop=30)
    assert list(of_five["seconds"].values()) == [5, 1, 2, 3, 4, 5]  # calls, then the others
    assert (of_five["units_per_second"], of_five["flop_rate"]) == (2, 10)
    json.dumps(of_five)
    assert OUT_OF_MEMORY["seconds"] is OUT_OF_MEMORY["flop_rate"] is None


@pytest.mark.parametrize(
    "content",
    [
        *("{", "[]", '{"format": "ranet-1"}', json.dumps({"format": FORMAT})),
        json.dumps({**results(), "rows": [{"part": "step"}]}),
        json.dumps({**results(), "machine": None}),
    ],
)
def test_a_file_that_is_not_ours_is_refused(tmp_path, content):
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(BenchmarkError, match=r"other\.json"):
        read_results(path)
    with pytest.raises(BenchmarkError, match=r"none\.json"):
        read_results(tmp_path / "none.json")


def test_what_is_written_is_read_again(tmp_path):
    path = tmp_path / "results.json"
    written = results(row(0.1), OUT_OF_MEMORY)
    path.write_text(json.dumps(written))
    assert read_results(path)["rows"] == written["rows"]


def test_rows_are_compared_with_those_of_the_same_settings():
    before = [row(0.5, objects=5), row(0.3, objects=1)]
    assert speed_up(row(0.1, objects=1), before) == pytest.approx(3)
    assert speed_up(row(0.1, objects=2), before) is None
    assert speed_up({**row(0.1), "part": "step"}, before) is None


@pytest.mark.parametrize("odd", [OUT_OF_MEMORY, row(0.1, problem="ran without compile")])
def test_what_did_not_run_as_it_says_is_no_partner(odd):
    assert speed_up(row(0.1), [odd]) is None
    assert speed_up(odd, [row(0.1)]) is None
    shown = table(results(row(0.2, objects=2), odd)).splitlines()[-1]
    assert shown.endswith(odd["problem"])
    assert ("100.00" in shown) == (odd["seconds"] is not None)


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


def test_the_table_as_markdown():
    shown = table(results(row(0.1), row(0.2)), markdown=True)
    assert shown.startswith("### processor; 2 usable cores")
    assert "| network | 100.00 |" in shown
    assert "- network single" in shown


def test_rows_without_partner_and_other_machines_are_told(tmp_path):
    now = results(row(0.1), row(0.1, objects=2))
    before = {**results(row(0.5, objects=5), row(0.3)), "machine": {**MACHINE, "cpu": "another"}}
    told = "\n".join(tell_partners(now, before, "old.json"))
    assert "old.json was measured with another machine:\n  - cpu: another then, processor" in told
    assert "settings of:\n  - network (network single, objects 2)" in told
    assert "not measured now:\n  - network (network single, objects 5)" in told
    assert "software" not in told
    assert tell_partners(results(row(0.1)), results(row(0.3)), "old.json") == []
