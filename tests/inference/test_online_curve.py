"""Table 6 on a miniature: several numbers of steps, each an evaluation that can be gone on with."""

import csv
import json
from pathlib import Path

import pytest
from davis_tree import write_tree

from ranet.inference.tracker import Tracker

PROJECT = Path(__file__).parents[2]
SMALL = ["inference.input_size=[48, 80]", "inference.frame_size=null", "inference.device=cpu"]


@pytest.fixture
def tree(tmp_path):
    return write_tree(tmp_path / "DAVIS", frames=5, names=["one"])


@pytest.fixture
def curve(run_script, tree, checkpoint, tmp_path):
    def run(*more, steps="0,2", out=tmp_path / "out"):
        return run_script(
            PROJECT / "scripts/online_curve.py",
            *("--config", PROJECT / "configs/eval_davis17.yaml", "--davis", tree),
            *("--checkpoint", checkpoint, "--out", out, "--steps", steps),
            *(*more, *SMALL),
        )

    return run


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


@pytest.mark.slow
def test_a_curve_is_measured_drawn_and_continued(curve, tmp_path):
    outcome = curve()
    assert outcome.status == 0, outcome.error
    out = tmp_path / "out"
    header, *rows = rows_of(out / "curve.csv")
    assert header == ["source", "steps", "seconds a frame", "J&F-Mean (%)"]
    papers = [row[2:] for row in rows if row[0] == "paper, Table 6"]
    assert papers == [
        ["0.033", "85.5"],
        ["0.3", "86.2"],
        ["1.0", "86.8"],
        ["1.5", "86.9"],
        ["4.0", "87.1"],
    ]
    measured = [row for row in rows if row[0] == "measured"]
    assert [row[1] for row in measured] == ["0", "2"]
    assert float(measured[1][2]) > float(measured[0][2])  # learning takes time
    assert (out / "curve.png").stat().st_size > 10_000
    result = json.loads((out / "steps-00002/result.json").read_text())
    assert result["settings"]["config"]["inference"]["online"]["steps"] == 2
    assert result["times"]["online_ms"] > 0
    assert float(measured[1][3]) == pytest.approx(100 * result["global"]["J&F-Mean"])
    offline = json.loads((out / "steps-00000/result.json").read_text())
    assert offline["settings"]["config"]["inference"]["online"] is None

    again = curve(steps="2,0,1,2")  # in any order, and twice
    assert again.status == 0, again.error
    assert again.error.count("1 of 1 sequence finished already, kept") == 2
    assert [line.split()[0] for line in again.out.splitlines()[-4:-1]] == ["0", "1", "2"]
    assert [row[1] for row in rows_of(out / "curve.csv")[6:]] == ["0", "1", "2"]
    assert rows_of(out / "curve.csv")[6] == measured[0]


def test_an_interrupted_curve_tells_how_it_goes_on(curve, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Tracker, "step", interrupt)
    outcome = curve(steps="0")
    assert outcome.status == 130
    assert "the same command goes on" in outcome.error


def test_other_fields_of_online_learning_may_be_set(curve, tmp_path):
    outcome = curve("inference.online.parameters=decoder_and_ranking", steps="1")
    assert outcome.status == 0, outcome.error
    result = json.loads((tmp_path / "out/steps-00001/result.json").read_text())
    online = result["settings"]["config"]["inference"]["online"]
    assert (online["steps"], online["parameters"]) == (1, "decoder")
    refused = curve("inference.online.lr=1e-3", steps="1")  # results are not mixed
    assert refused.status == 1
    assert "config.inference.online.lr" in refused.error


@pytest.mark.parametrize("steps", ["1,", "-1", "many"])
def test_steps_that_are_no_numbers(curve, steps):
    outcome = curve(steps=steps)
    assert outcome.status == 2
    assert "whole number from 0 on" in outcome.error
