"""What folders of results tell."""

import json

import pytest
from result_folders import FRAMES, ODD, copied_to, frames_of, write_scored

from ranet.errors import ConfigError, DataError
from ranet.report.runs import gain, read_runs, sequences_of
from ranet.tables.published import published_result


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


def test_scores_alone_are_a_run_too(scored):
    (run,) = read_runs([scored])
    assert run.scores.averages == json.loads((scored / "davis.json").read_text())["global"]
    assert run.frames is None
    assert run.times == {}
    assert run.masks == scored.with_name("scored-masks")


def test_masks_that_moved_with_their_folder_are_found(copied, tmp_path):
    (run,) = read_runs([copied_to(copied, tmp_path / "moved")])
    assert run.masks == tmp_path / "moved/masks"


def test_the_papers_numbers_belong_to_its_sequences(scored, tmp_path):
    def rename(davis):
        for part in ("sequences", "frames"):
            davis[part] = {"camel": davis[part]["plain"]}

    folder = copied_to(scored, tmp_path / "camel")
    change_json(folder / "davis.json", rename)
    (run,) = read_runs([folder])
    assert run.published == published_result(2017, "val", online=False)


def test_names_are_as_long_as_they_need_to_be(scored, tmp_path):
    folders = [copied_to(scored, tmp_path / f"{name}/results") for name in ("a", "b")]
    assert [run.name for run in read_runs(folders)] == ["a/results", "b/results"]
    assert [run.name for run in read_runs(folders, ["x", "y"])] == ["x", "y"]


def test_sequences_come_best_first(copied, scored):
    runs = read_runs([copied, scored])
    overall = [runs[0].overall(name) for name in sequences_of(runs)]
    assert overall == sorted(overall, reverse=True)
    assert set(sequences_of(runs)) == {"plain", ODD}
    assert gain(*runs, "plain") == runs[1].overall("plain") - runs[0].overall("plain")


def test_a_sequence_that_only_one_run_has_is_no_gain(tree, copied, tmp_path):
    part = write_scored(tree, tmp_path / "part", sequences=["plain"])
    runs = read_runs([part, copied])
    assert gain(*runs, ODD) is None
    assert set(sequences_of(runs)) == {"plain", ODD}


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["x"], "2 names, one for each folder"),
        (["x", "x"], "all different, but found 'x', 'x'"),
    ],
)
def test_names_that_do_not_tell_runs_apart(copied, scored, names, told):
    with pytest.raises(ConfigError, match=told):
        read_runs([copied, scored], names)


def test_more_runs_than_there_are_colours(copied):
    with pytest.raises(ConfigError, match=r"1 to 6 folders of results.*7 were given"):
        read_runs([copied] * 7)


def test_a_folder_given_twice(copied):
    with pytest.raises(ConfigError, match="copied is given twice"):
        read_runs([copied, copied / "../copied"])


def test_a_folder_without_results(tmp_path):
    with pytest.raises(DataError, match=r"No davis\.json in .*eval_davis\.py or"):
        read_runs([tmp_path])


@pytest.mark.parametrize("name", ["davis.json", "result.json", "timing.json"])
@pytest.mark.parametrize("content", ["{", '{"a": 1}', "[3]"])
def test_files_of_another_kind_are_named(copied, tmp_path, name, content):
    folder = copied_to(copied, tmp_path / "broken")
    (folder / name).write_text(content)
    with pytest.raises(DataError, match=f"broken/{name} is not what this project writes"):
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
    [
        (shorten, "other frames or objects in plain"),
        (next_year, "by the rules of 2017 and .* by those of 2016"),
        (rename_all, "no sequence in common"),
    ],
)
def test_what_cannot_be_compared_is_refused(scored, copied, tmp_path, change, told):
    folder = copied_to(scored, tmp_path / "other")
    change_json(folder / "davis.json", change)
    with pytest.raises(DataError, match=told):
        read_runs([copied, folder])
