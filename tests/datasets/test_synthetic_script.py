"""The command line of the generator; the videos are tested in test_synthetic.py."""

from pathlib import Path

from scripts_in_process import ScriptRunner

SMALL = ("--train", 1, "--val", 1, "--frames", 2, "--size", 48, 64, "--workers", 1)


def test_an_output_that_cannot_be_written(run_script: ScriptRunner, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run_script("make_synthetic.py", "--out", tmp_path / "file" / "tree", *SMALL)
    assert (done.status, done.error.count("error: ")) == (1, 1)
    assert f"Cannot write {tmp_path / 'file' / 'tree'}" in done.error
