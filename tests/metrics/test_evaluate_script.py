"""scripts/evaluate.py from the outside: what it prints, writes, and how it ends."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from mask_tree import EMPTY, LEFT, SHIFTED, TWO, still_video, write_tree
from scripts_in_process import SCRIPTS, Outcome

SCRIPT = SCRIPTS / "evaluate.py"


@pytest.fixture
def run(run_script):
    """Run the script with these arguments."""
    return partial(run_script, SCRIPT.name)


@pytest.fixture
def options(tmp_path) -> list:
    """Arguments that work: two sequences, one of them listed in a set file."""
    write_tree(tmp_path / "annotations", {"ant": still_video(LEFT, 4), "bear": still_video(TWO, 3)})
    write_tree(
        tmp_path / "predictions", {"ant": still_video(SHIFTED, 4), "bear": still_video(TWO, 3)}
    )
    (tmp_path / "tiny.txt").write_text("ant\n")
    return [
        *("--annotations", tmp_path / "annotations", "--predictions", tmp_path / "predictions"),
        *("--year", 2017, "--workers", 2),
    ]


def test_scores_a_set_and_writes_all_files(run, options, tmp_path):
    done = run(*options, "--set", tmp_path / "tiny.txt", "--out", tmp_path / "out")
    assert done.status == 0, done.error
    assert done.error == ""
    assert "1 sequence, 1 object, 2 scored frames" in done.out
    assert "ant_1" in done.out
    assert "bear" not in done.out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "davis.json",
        "global_results-tiny.csv",
        "per-sequence_results-tiny.csv",
    ]
    values = json.loads((tmp_path / "out" / "davis.json").read_text())
    assert values["global"]["J-Mean"] == pytest.approx(1 / 3)
    assert values["settings"]["set"] == "tiny"


def test_results_of_eval_davis_keep_their_scores(run, options, tmp_path):
    (tmp_path / "settings.json").write_text("{}")
    (tmp_path / "davis.json").write_text("scores")
    done = run(*options, "--out", tmp_path)
    assert done.status == 1
    assert "eval-davis" in done.error
    assert (tmp_path / "davis.json").read_text() == "scores"


def test_without_a_set_all_annotated_sequences_count(run, options, tmp_path):
    done = run(*options, "--out", tmp_path / "out")
    assert done.status == 0, done.error
    rows = (tmp_path / "out" / "per-sequence_results-all.csv").read_text().splitlines()
    assert [row.split(",")[:2] for row in rows[1:]] == [
        ["ant_1", "0.333"],
        ["bear_1", "1.000"],
        ["bear_2", "1.000"],
    ]


def test_short_video_is_a_warning(run, options, tmp_path):
    write_tree(tmp_path / "annotations", {"cat": still_video(LEFT, 2)})
    write_tree(tmp_path / "predictions", {"cat": still_video(LEFT, 2)})
    done = run(*options)
    assert done.status == 0
    assert done.error.startswith("warning: Not scored, and left out of the averages: cat.")
    assert "not scored" in done.out


def _remove_a_sequence(root: Path) -> None:
    (root / "predictions" / "bear").rename(root / "elsewhere")


def _remove_a_frame(root: Path) -> None:
    (root / "predictions" / "bear" / "00001.png").unlink()


def _shrink_a_frame(root: Path) -> None:
    write_tree(root / "predictions", {"bear": [TWO[::2], TWO[::2]]})


def _add_an_id(root: Path) -> None:
    write_tree(root / "predictions", {"ant": [LEFT, TWO]})


def _cut_a_file(root: Path) -> None:
    path = root / "predictions" / "bear" / "00001.png"
    path.write_bytes(path.read_bytes()[:80])


def _cut_an_annotation(root: Path) -> None:
    path = root / "annotations" / "bear" / "00001.png"
    path.write_bytes(path.read_bytes()[:80])


def _empty_the_first_annotation(root: Path) -> None:
    write_tree(root / "annotations", {"bear": [EMPTY]})


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (_remove_a_sequence, "predictions/bear: "),
        (_remove_a_frame, "predictions/bear lacks 1 of the 1 scored frames: 00001.png"),
        (_shrink_a_frame, "predictions/bear/00001.png has 20×60 pixels"),
        (_add_an_id, "predictions/ant/00001.png holds the id 2"),
        (_cut_a_file, "predictions/bear/00001.png: the image is truncated or corrupt"),
        (_cut_an_annotation, "annotations/bear/00001.png: the image is truncated or corrupt"),
        (_empty_the_first_annotation, "annotations/bear/00000.png holds no object"),
    ],
)
def test_broken_data_ends_with_one_message_and_no_files(run, damage, told, options, tmp_path):
    damage(tmp_path)
    require_clean_error(run(*options, "--out", tmp_path / "out"), told)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (["--annotations", "nowhere"], "No folder nowhere: expected the annotations"),
        (["--predictions", "nowhere"], "No folder nowhere: expected the predictions"),
        (["--set", "nowhere.txt"], "Cannot read the list nowhere.txt"),
    ],
)
def test_missing_inputs_end_with_one_message_and_no_files(run, changed, told, options, tmp_path):
    require_clean_error(run(*options, *changed, "--out", tmp_path / "out"), told)
    assert not (tmp_path / "out").exists()


def test_set_that_names_an_unknown_sequence(run, options, tmp_path):
    (tmp_path / "tiny.txt").write_text("ant\nzebra\n")
    done = run(*options, "--set", tmp_path / "tiny.txt")
    require_clean_error(done, "annotations/zebra: ")


def test_results_among_the_annotations_are_refused(run, options, tmp_path):
    annotations = tmp_path / "annotations"
    before = sorted(annotations.rglob("*"))
    for out in (annotations, annotations / "ant" / "scores"):
        require_clean_error(run(*options, "--out", out), f"is part of the data in {annotations}")
    assert sorted(annotations.rglob("*")) == before


def test_output_that_cannot_be_written_is_told_before_anything_is_read(run, options, tmp_path):
    (tmp_path / "file").write_text("in the way")
    _cut_a_file(tmp_path)
    done = run(*options, "--out", tmp_path / "file" / "out")
    require_clean_error(done, f"Cannot write {tmp_path / 'file' / 'out'}")
    assert (tmp_path / "file").read_text() == "in the way"


def require_clean_error(done: Outcome, told: str) -> None:
    assert done.status == 1
    assert done.error.startswith("error: ")
    assert told in done.error
    assert "Traceback" not in done.error
    assert done.out == ""


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (["--year", "2018"], "invalid choice: 2018"),
        (["--workers", "0"], "expected a whole number from 1 on"),
    ],
)
def test_wrong_command_line_has_status_2(run, changed, told, options):
    done = run(*options, *changed)
    assert done.status == 2
    assert told in done.error


def test_help_tells_the_files(run, options):
    done = run("--help")
    assert done.status == 0
    assert "davis.json" in done.out
    assert "--annotations DIR" in done.out


LIST_HEAVY_MODULES = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    heavy = {"torch", "torchvision", "matplotlib", "scipy", "pydantic", "yaml"}
    print(*sorted(heavy & set(sys.modules)), sep="\\n", end="", file=sys.stderr)
"""


def test_loads_neither_torch_nor_other_heavy_libraries(options):
    done = subprocess.run(
        [sys.executable, "-c", LIST_HEAVY_MODULES, SCRIPT, *map(str, options)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "scored frames" in done.stdout
    assert done.stderr.split() == []
