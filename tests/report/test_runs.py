"""What folders of results tell."""

import json

import pytest
from result_folders import FRAMES, ODD, copied_to, frames_of, write_scored

from ranet.errors import ConfigError, DataError
from ranet.report.runs import gain, read_runs, sequences_of


def change_json(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_all_that_an_evaluation_noted_is_read(copied, tree):
    (run,) = read_runs([copied])
    result = json.loads((copied / "result.json").read_text())
    assert run.name == "copied"
    assert run.scores.averages == result["global"]
    assert run.times == result["times"]
    assert len(run.step_ms["plain"]) == FRAMES - 1
    assert run.frames == frames_of(tree)
    assert run.masks == copied / "masks"
    assert run.facts["revision"] == result["revision"]
    assert run.facts["settings"]["config"]["year"] == 2017
    assert run.published is None


def test_frames_of_a_tree_without_resolutions(copied, tree, tmp_path):
    flat = copied_to(copied, tmp_path / "flat")
    annotations = str(tree.resolve() / "Annotations")
    change_json(
        flat / "davis.json", lambda davis: davis["settings"].update(annotations=annotations)
    )
    (run,) = read_runs([flat])
    assert run.frames == tree.resolve() / "JPEGImages"


def test_scores_alone_are_a_run_too(scored):
    (run,) = read_runs([scored])
    assert run.scores.averages == json.loads((scored / "davis.json").read_text())["global"]
    assert run.frames is None
    assert run.times == {}
    assert run.masks == scored.with_name("scored-masks")


def test_masks_that_moved_with_their_folder_are_found(copied, tmp_path):
    (run,) = read_runs([copied_to(copied, tmp_path / "moved")])
    assert run.masks == tmp_path / "moved/masks"


def test_published_numbers_are_those_of_the_results(copied, tmp_path):
    folder = copied_to(copied, tmp_path / "published")
    theirs = {"source": "a paper", "sequences": 3, "measures": {"J-Mean": 0.7}, "ms": None}
    change_json(folder / "result.json", lambda result: result.update(published=theirs))
    (run,) = read_runs([folder])
    assert (run.published.source, run.published.measures) == ("a paper", {"J-Mean": 0.7})


def test_names_are_as_long_as_they_need_to_be(scored, tmp_path):
    folders = [copied_to(scored, tmp_path / f"{name}/results") for name in ("a", "b")]
    assert [run.name for run in read_runs(folders)] == ["a/results", "b/results"]
    assert [run.name for run in read_runs(folders, ["x", "y"])] == ["x", "y"]


def test_sequences_come_best_first_also_those_that_one_run_has(tree, copied, scored, tmp_path):
    runs = read_runs([copied, scored])
    overall = [runs[0].overall(name) for name in sequences_of(runs)]
    assert overall == sorted(overall, reverse=True)
    assert set(sequences_of(runs)) == {"plain", ODD}
    assert gain(*runs, "plain") == runs[1].overall("plain") - runs[0].overall("plain")
    part = write_scored(tree, tmp_path / "part", sequences=["plain"])
    runs = read_runs([part, copied])
    assert gain(*runs, ODD) is None
    assert set(sequences_of(runs)) == {"plain", ODD}


def test_folders_and_names_have_to_be_told_apart(copied, scored):
    for names in (["x"], ["x", "x"]):
        with pytest.raises(ConfigError, match="2 names"):
            read_runs([copied, scored], names)
    with pytest.raises(ConfigError, match=r"1 to 6 .* 7 were given"):
        read_runs([copied] * 7)
    with pytest.raises(ConfigError, match="copied is given twice"):
        read_runs([copied, copied / "../copied"])


def test_a_folder_without_results(tmp_path):
    with pytest.raises(DataError, match=r"No davis\.json in "):
        read_runs([tmp_path])


@pytest.mark.parametrize("name", ["davis.json", "result.json", "timing.json"])
def test_files_of_another_kind_are_named(copied, tmp_path, name):
    folder = copied_to(copied, tmp_path / "broken")
    for content in ("{", '{"a": 1}', "[3]"):
        (folder / name).write_text(content)
        with pytest.raises(DataError, match=f"broken/{name} is not"):
            read_runs([folder])


def shorten(davis):
    davis["frames"]["plain"].pop()


def next_year(davis):
    davis["settings"]["year"] = 2016


def rename_all(davis):
    for part in ("sequences", "frames"):
        davis[part] = {f"other {name}": value for name, value in davis[part].items()}


@pytest.mark.parametrize(
    ("change", "told"),
    [(shorten, "plain"), (next_year, "rules of 2017 and of 2016"), (rename_all, "no sequence")],
)
def test_what_cannot_be_compared_is_refused(scored, copied, tmp_path, change, told):
    folder = copied_to(scored, tmp_path / "other")
    change_json(folder / "davis.json", change)
    with pytest.raises(DataError, match=told):
        read_runs([copied, folder])
