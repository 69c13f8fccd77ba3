"""benchmarks/evaluation.py runs and compares; how fast it is depends on the machine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from mask_tree import LEFT, SHIFTED, TWO, still_video, write_tree

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "evaluation.py"


def test_both_evaluations_agree_and_are_timed(tmp_path):
    write_tree(
        tmp_path / "annotations",
        {"ant": still_video(LEFT, 4), "bear": [TWO, LEFT, TWO, TWO], "cat": still_video(LEFT, 2)},
    )
    write_tree(
        tmp_path / "predictions",
        {"ant": still_video(SHIFTED, 4), "bear": still_video(TWO, 4), "cat": still_video(LEFT, 2)},
    )
    done = subprocess.run(
        [
            *(sys.executable, BENCHMARK, "--year", "2017", "--repeats", "2"),
            *("--annotations", tmp_path / "annotations"),
            *("--predictions", tmp_path / "predictions"),
            *("--json", tmp_path / "report.json"),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "times faster, all values equal" in done.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["settings"]["frames"] == 4
    assert report["settings"]["objects"] == 4
    assert {name: len(runs) for name, runs in report["seconds"].items()} == {
        "straightforward": 2,
        "ranet": 2,
    }
    medians = report["median_seconds"]
    assert report["ratio"] == pytest.approx(medians["straightforward"] / medians["ranet"])
