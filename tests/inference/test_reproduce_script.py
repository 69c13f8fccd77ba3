"""From a checkpoint to its row in the paper's tables, through the real scripts."""

from pathlib import Path

import pytest
from davis_tree import write_tree

PROJECT = Path(__file__).parents[2]
SMALL = ["inference.input_size=[48, 80]", "inference.frame_size=null", "inference.device=cpu"]


@pytest.fixture
def evaluated(run_script, checkpoint, tmp_path):
    """Results of two sequences that DAVIS-2017 val has, and of one that it has not."""
    for folder, names in (("known", ["cows", "dog"]), ("unknown", ["square"])):
        tree = write_tree(tmp_path / folder / "DAVIS", frames=5, names=names)
        outcome = run_script(
            "eval_davis.py",
            *("--config", PROJECT / "configs/eval_davis17.yaml", "--davis", tree),
            *("--checkpoint", checkpoint, "--out", tmp_path / "outputs" / folder, *SMALL),
        )
        assert outcome.status == 0, outcome.error
    return tmp_path / "outputs"


def test_an_evaluation_finds_its_row(run_script, evaluated, tmp_path):
    out = tmp_path / "tables"
    outcome = run_script("reproduce.py", "--table", 3, "--results", evaluated, "--out", out)
    assert outcome.status == 0, outcome.error
    (row,) = [line for line in outcome.out.splitlines() if "RANet, ours" in line]
    assert "small, tiny, 48×80 (2 of 30 sequences)" in row
    assert row.count("not measured") == 2  # test-dev
    assert "small.pt (tiny); trained in not told; input 48×80; CPU" in outcome.out
    assert f"not used: {evaluated / 'unknown'}: DAVIS-2017 val has no sequence square" in (
        outcome.error
    )
    assert sorted(path.name for path in out.iterdir()) == ["table3.csv", "table3.md"]


def test_all_tables_without_any_result(run_script):
    outcome = run_script("reproduce.py")
    assert outcome.status == 0, outcome.error
    assert outcome.out.count("### Table") == 6
    assert "not measured" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--table", "7"], 2, "invalid choice: 7"),
        (["--results", "nowhere"], 1, "No result.json in or below nowhere"),
        (["--out", "file/tables"], 1, "Cannot write file/tables"),
    ],
)
def test_mistakes_are_told(run_script, tmp_path, monkeypatch, arguments, status, message):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    outcome = run_script("reproduce.py", *arguments)
    assert outcome.status == status
    assert message in outcome.error
