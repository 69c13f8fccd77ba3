"""The scripts that write a report, from the outside."""

from pathlib import Path

import pytest
from result_folders import annotations_of, copied_to, frames_of

PROJECT = Path(__file__).resolve().parents[2]


def assert_error(outcome, *parts):
    assert outcome.status == 1, outcome.error
    assert outcome.error.count("error: ") == 1
    assert "Traceback" not in outcome.error
    for part in parts:
        assert part in outcome.error


def test_a_comparison_with_names(run_script, copied, scored, tmp_path):
    names = ["--name", "copying", "--name", "growing"]
    outcome = run_script("report.py", copied, scored, *names, "--out", tmp_path / "out")
    assert outcome.status == 0, outcome.error
    page = tmp_path / "out/report.html"
    assert outcome.out.startswith(f"{page}: ")
    assert "copying against growing</h1>" in page.read_text()


def test_what_is_missing_is_told_and_what_remains_is_offered(run_script, scored, tmp_path):
    given = ["report.py", scored, "--out", tmp_path / "out"]
    assert_error(run_script(*given), "does not tell where the frames", "--without-pictures")
    assert not (tmp_path / "out").exists()
    outcome = run_script(*given, "--without-pictures")
    assert outcome.status == 0, outcome.error
    assert "pictures of 0 of 14 frames" in outcome.out


def test_annotations_that_moved_may_be_named(run_script, copied, tree, tmp_path):
    results = copied_to(copied, tmp_path / "results")
    davis = results / "davis.json"
    davis.write_text(davis.read_text().replace(str(annotations_of(tree)), "/nowhere/480p"))
    given = ["report.py", results, "--out", tmp_path / "out", "--frames", frames_of(tree)]
    assert_error(run_script(*given), "there is no folder /nowhere/480p/plain", "--annotations")
    outcome = run_script(*given, "--annotations", annotations_of(tree))
    assert outcome.status == 0, outcome.error


def test_a_folder_that_cannot_be_written(run_script, copied, tmp_path):
    (tmp_path / "file").write_text("")
    assert_error(run_script("report.py", copied, "--out", tmp_path / "file"), "not a folder")


def test_an_evaluation_ends_with_a_report(plots, run_script, tree, tmp_path):
    outcome = run_script(
        "eval_davis.py",
        *("--config", PROJECT / "configs/eval_davis17.yaml", "--davis", tree),
        *("--copy-first-mask", "--out", tmp_path / "out", "--report", tmp_path / "out"),
        *("--width", 64, "--frames-every", 6),
    )
    assert outcome.status == 0, outcome.error
    assert "DAVIS-2017 val: 2 sequences" in outcome.out
    assert f"{tmp_path / 'out/report.html'}: " in outcome.out
    assert (tmp_path / "out/plots/measures.png").is_file()


@pytest.fixture
def scoring(scored, tree, tmp_path):
    return [
        *("evaluate.py", "--annotations", annotations_of(tree), "--year", 2017),
        *("--predictions", scored.with_name("scored-masks"), "--workers", 1),
        *("--set", tree / "ImageSets/2017/val.txt", "--report", tmp_path / "report"),
    ]


def test_scores_may_be_shown_at_once(run_script, scoring, tree, tmp_path):
    outcome = run_script(*scoring, "--out", tmp_path / "out", "--frames", frames_of(tree))
    assert outcome.status == 0, outcome.error
    assert (tmp_path / "report/report.html").is_file()


def test_a_report_of_scores_needs_their_files(run_script, scoring):
    outcome = run_script(*scoring)
    assert outcome.status == 2
    assert "--report shows the files of --out" in outcome.error
