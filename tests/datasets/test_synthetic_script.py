"""The command line of the generator; the videos are tested in test_synthetic.py."""

from pathlib import Path

import pytest
from scripts_in_process import ScriptRunner

SMALL = ("--train", 1, "--val", 1, "--frames", 2, "--size", 48, 64, "--workers", 1)


def test_an_output_that_cannot_be_written(run_script: ScriptRunner, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run_script("make_synthetic.py", "--out", tmp_path / "file" / "tree", *SMALL)
    assert (done.status, done.error.count("error: ")) == (1, 1)
    assert f"Cannot write {tmp_path / 'file' / 'tree'}" in done.error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--max-objects", 21],
            "--max-objects: expected a whole number from 1 to 20, but found '21'",
        ),
        (["--val", -1], "--val: expected a whole number from 0 on, but found '-1'"),
        (["--clutter", "nan"], "--clutter: expected a number from 0 to 1, but found 'nan'"),
        (["--train", 0, "--val", 0], "set --train or --val above 0"),
    ],
)
def test_mistakes_name_the_option(
    run_script: ScriptRunner, tmp_path: Path, options: list[object], message: str
) -> None:
    done = run_script("make_synthetic.py", "--out", tmp_path / "tree", *SMALL, *options)
    assert done.status == 2
    assert message in done.error
    assert not (tmp_path / "tree").exists()
