"""Results in their places in the paper's tables."""

import csv
import json
import logging
import sys

import pytest
from PIL import Image
from result_files import STATIC, VIDEO, write_result

from ranet.errors import DataError, RANetError
from ranet.tables.grid import NOT_MEASURED, Grid
from ranet.tables.published import published
from ranet.tables.reproduce import TABLES, reproduce

ONLINE = {"steps": 100, "parameters": "all", "lr": 1e-6}


@pytest.fixture
def outputs(tmp_path):
    folder = tmp_path / "outputs"
    folder.mkdir()
    return folder


def table(number, *folders):
    (grid,) = reproduce([number], folders)
    return grid


def ours(grid):
    """Cells of our rows by their labels."""
    return {row[0]: list(row[1:]) for row in grid.rows if "ours" in row[0]}


def only(grid):
    (row,) = ours(grid).items()
    return row


# --- nothing measured


@pytest.mark.parametrize("number", TABLES)
def test_without_results_every_cell_of_ours_says_so(number):
    for label, cells in ours(table(number)).items():
        assert label.endswith(", ours")
        assert {cell for cell in cells if cell not in ("✓", "✗")} == {NOT_MEASURED}
    assert ours(table(number))


def test_the_published_rows_are_all_there():
    grid = table(1)
    assert list(grid.header[:4]) == ["Method", "OL", "ms a frame", "J&F-Mean"]
    names = [row[0] for row in grid.rows if "ours" not in row[0]]
    assert names == [method.name for method in published().tables[1].methods]
    rows = {row[0]: row for row in grid.rows}
    assert " ".join(rows["OSVOS"]) == "OSVOS ✓ 5000 80.2 79.8 93.6 14.9 80.6 92.6 15.0"
    assert list(rows["VideoMatch"])[2:6] == ["320", "–", "81.0", "–"]


# --- tables 1 to 3


def test_table_1_has_our_row_below_the_papers(outputs):
    write_result(outputs / "a", score=0.7)
    grid = table(1, outputs)
    names = [row[0] for row in grid.rows]
    label = "RANet, ours: a, resnet18, 480×864"
    assert names.index(label) == names.index("RANet") + 1
    assert " ".join(ours(grid)[label]) == "✗ 40 70.0 70.1 70.2 70.3 70.4 70.5 70.6"
    assert set(ours(grid)["RANet+, ours"]) == {"✓", NOT_MEASURED}


def test_online_learning_has_the_other_row_and_its_time(outputs):
    times = {"step_ms": 40.0, "online_ms": 2000.0, "frame_ms": 2040.0}
    write_result(outputs / "a", online=ONLINE, times=times)
    grid = table(1, outputs)
    label = "RANet+, ours: a, resnet18, 480×864, 100 steps"
    assert ours(grid)[label][:3] == ["✓", "2040", "50.0"]
    assert NOT_MEASURED in ours(grid)["RANet, ours"]
    assert "online learning of 100 steps" in grid.markdown()


def test_times_of_several_videos_at_once_are_not_passed_off_as_those_of_one(outputs):
    times = {"step_ms": 4.0, "online_ms": 0.0, "frame_ms": 4.0, "videos_at_once": 7.5}
    write_result(outputs / "a", times=times)
    assert "times are throughput, of 7.5 videos at once" in table(1, outputs).markdown()
    write_result(outputs / "a", times={**times, "videos_at_once": 1.0})
    assert "throughput" not in table(1, outputs).markdown()


def test_a_subset_is_marked(outputs):
    write_result(outputs / "a", sequences=["blackswan", "cows"])
    grid = table(1, outputs)
    assert "RANet, ours: a, resnet18, 480×864 (2 of 20 sequences)" in ours(grid)
    assert "2 of 20 sequences only: not to be compared" in grid.markdown()
    write_result(outputs / "a", online=ONLINE, sequences=["dog"])
    assert list(ours(table(6, outputs))) == ["RANet, ours: a.pt (1 of 20 sequences)"]


def test_several_results_have_a_row_each(outputs):
    write_result(outputs / "1", score=0.6)
    write_result(outputs / "2", score=0.7, checkpoint="b")
    write_result(outputs / "3", score=0.8, inference={"input_size": [240, 432]})
    grid = table(1, outputs)
    rows = ours(grid)
    assert rows["RANet, ours: a, resnet18, 480×864"][2] == "60.0"
    assert rows["RANet, ours: b, resnet18, 480×864"][2] == "70.0"
    assert rows["RANet, ours: a, resnet18, 240×432"][2] == "80.0"
    assert [note.split(":")[0] for note in grid.notes[:3]] == [str(outputs / n) for n in "123"]


def test_table_2_is_for_networks_that_have_seen_no_videos(outputs):
    write_result(outputs / "static", benchmark="2016 trainval", stages=[STATIC], checkpoint="s")
    write_result(outputs / "both", benchmark="2016 trainval")
    write_result(outputs / "online", benchmark="2016 trainval", stages=[STATIC], online=ONLINE)
    assert ours(table(2, outputs)) == {
        "RANet, ours: s, resnet18, 480×864": ["50.1", "50.2", "50.3"],
        "RANet+OL, ours: a, resnet18, 480×864, 100 steps": ["50.1", "50.2", "50.3"],
    }


def test_table_3_joins_the_splits_of_one_network(outputs):
    write_result(outputs / "val", benchmark="2017 val", score=0.5)
    write_result(outputs / "test", benchmark="2017 test-dev", score=0.4)
    write_result(outputs / "other", benchmark="2017 val", score=0.3, checkpoint="b")
    rows = ours(table(3, outputs))
    both = rows["RANet, ours: a, resnet18, 480×864"]
    assert both == ["✗", "50.0", "50.1", "40.0", "40.1"]
    other = rows["RANet, ours: b, resnet18, 480×864"]
    assert other == ["✗", "30.0", "30.1", NOT_MEASURED, NOT_MEASURED]


def test_networks_trained_otherwise_are_not_the_papers(outputs):
    write_result(outputs / "static", stages=[STATIC])
    write_result(outputs / "video", stages=[VIDEO])
    write_result(outputs / "maximum", matching="maximum")
    write_result(outputs / "blind", previous_mask=False)
    write_result(outputs / "told nothing", inference={"previous_mask": "none"})
    assert set(ours(table(1, outputs))) == {"RANet, ours", "RANet+, ours"}


def test_a_network_that_does_not_tell_its_training_is_taken_for_the_papers(outputs):
    content = write_result(outputs / "old")
    del content["stages"], content["times"]["frame_ms"], content["times"]["online_ms"]
    for name in ("matching", "previous_mask"):
        del content["settings"]["architecture"][name]
    del content["settings"]["config"]["inference"]["online"]
    (outputs / "old/result.json").write_text(json.dumps(content))
    assert ours(table(1, outputs))["RANet, ours: a, resnet18, 480×864"][1] == "40"


# --- tables 4 and 5


def test_table_4_compares_networks_that_differ_in_the_matching_alone(outputs):
    for number, matching in enumerate(["ranking", "unranked", "maximum"]):
        write_result(outputs / matching, score=0.5 + number / 10, matching=matching)
    assert only(table(4, outputs)) == (
        "RANet, ours: resnet18, 480×864",
        ["50.1", "60.1", "70.1"],
    )


def test_table_4_keeps_recipes_apart(outputs):
    write_result(outputs / "ranking", stages=[STATIC])
    write_result(outputs / "maximum", stages=[STATIC], matching="maximum", score=0.4)
    write_result(outputs / "half", matching="maximum", width=0.5)
    write_result(outputs / "small", inference={"input_size": [192, 352]})
    assert ours(table(4, outputs)) == {
        "RANet, ours: resnet18, 480×864, static data only": ["50.1", NOT_MEASURED, "40.1"],
        "RANet, ours: resnet18, 480×864, width 0.5": [NOT_MEASURED, NOT_MEASURED, "50.1"],
        "RANet, ours: resnet18, 192×352": ["50.1", NOT_MEASURED, NOT_MEASURED],
    }


def test_table_5_knows_what_was_left_out(outputs):
    write_result(outputs / "origin", score=0.5)
    write_result(outputs / "cl", score=0.4, matching="concatenation")
    write_result(outputs / "pm", score=0.3, previous_mask=False)
    write_result(outputs / "ip", score=0.2, stages=[VIDEO])
    write_result(outputs / "vf", score=0.1, stages=[STATIC])
    write_result(outputs / "twice", matching="concatenation", previous_mask=False)
    write_result(outputs / "online", online=ONLINE)
    write_result(outputs / "elsewhere", benchmark="2016 trainval")
    assert only(table(5, outputs)) == (
        "RANet, ours: resnet18, 480×864",
        ["50.1", "40.1", "30.1", "20.1", "10.1"],
    )


def test_seeds_and_subsets_share_a_cell(outputs):
    write_result(outputs / "a", score=0.5)
    write_result(outputs / "b", score=0.6, sequences=["dog"])
    _, cells = only(table(5, outputs))
    assert cells[0] == "50.1 / 60.1 (1 of 20 sequences)"


def test_without_ranking_gradient_is_a_row_of_its_own(outputs):
    write_result(outputs / "a")
    write_result(outputs / "b", ranking_gradient="none", score=0.4)
    rows = ours(table(4, outputs))
    assert rows["RANet, ours: resnet18, 480×864, ranking_gradient none"][0] == "40.1"
    assert rows["RANet, ours: resnet18, 480×864"][0] == "50.1"


# --- table 6


def test_table_6_is_a_curve(outputs):
    for steps in (100, 10):
        times = {"step_ms": 40.0, "online_ms": 10.0 * steps, "frame_ms": 40 + 10.0 * steps}
        online = ONLINE | {"steps": steps}
        write_result(outputs / f"{steps}", online=online, times=times, score=0.5 + steps / 1000)
    write_result(outputs / "0")
    write_result(outputs / "another", checkpoint="b")  # never with online learning
    rows = [list(row) for row in table(6, outputs).rows]
    assert rows[0] == ["RANet", "0", "", "0.033", "85.5"]
    assert rows[4] == ["RANet", "not published", "", "4", "87.1"]
    name = "RANet, ours: a.pt"
    assert rows[5:] == [
        [name, "0", "", "0.04", "50.0"],
        [name, "10", "all", "0.14", "51.0"],
        [name, "100", "all", "1.04", "60.0"],
    ]


# --- files


def test_files_are_written(outputs, tmp_path):
    write_result(outputs / "a")
    out = tmp_path / "tables"
    reproduce(TABLES, [outputs], out)
    expected = {f"table{n}.{ending}" for n in TABLES for ending in ("md", "csv")}
    assert {path.name for path in out.iterdir()} == expected | {"figure6.png"}
    with open(out / "table1.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0][:4] == ["Method", "OL", "ms a frame", "J&F-Mean"]
    assert ["RANet, ours: a, resnet18, 480×864", "✗", "40", "50.0"] in [row[:4] for row in rows]
    text = (out / "table1.md").read_text()
    assert "### Table 1" in text
    assert "a.pt (resnet18); trained in static_small → video_small" in text
    with Image.open(out / "figure6.png") as image:
        colours = image.convert("RGB").getcolors(2**20)
    assert sum(n for n, (r, g, b) in colours if r > 180 and max(g, b) < 80) > 50  # our point


def test_figure_6_needs_matplotlib_and_says_so_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(RANetError, match=r"\[plots\]"):
        reproduce([1], [], tmp_path / "tables")
    assert not (tmp_path / "tables").exists()
    reproduce([2], [], tmp_path / "tables")
    assert (tmp_path / "tables/table2.md").is_file()


def test_markdown_has_a_column_for_every_cell():
    grid = Grid("x", "A title", ["Method", "b"], [["one", "2"], ["three", "44"]], ["a note"])
    assert grid.markdown().splitlines() == [
        "### A title",
        "",
        "| Method |  b |",
        "| ------ | -: |",
        "| one    |  2 |",
        "| three  | 44 |",
        "",
        "- a note",
    ]


def test_overlapping_folders_count_once(outputs):
    write_result(outputs / "a")
    assert len(ours(table(1, outputs, outputs / "a"))) == 2  # RANet+ and RANet


# --- what does not fit


def test_results_of_no_table_are_told(outputs, caplog):
    content = write_result(outputs / "copying")
    content["settings"] |= {"method": "copy of the first mask"}
    del content["settings"]["architecture"]
    (outputs / "copying/result.json").write_text(json.dumps(content))
    write_result(outputs / "synthetic", benchmark="2017 val", sequences=["dog", "synthetic-000"])
    write_result(outputs / "train", benchmark="2017 train")
    write_result(outputs / "trainval", benchmark="2016 trainval")
    with caplog.at_level(logging.INFO):
        reproduce([1, 3], [outputs])
    told = {message.split(": ", 1)[1] for message in caplog.messages}
    assert told == {
        f"{outputs / 'copying'}: it is of the copy of the first mask",
        f"{outputs / 'synthetic'}: DAVIS-2017 val has no sequence synthetic-000",
        f"{outputs / 'train'}: the paper has nothing on DAVIS-2017 train",
        f"{outputs / 'trainval'}: it belongs to no row of these tables",
    }


def test_a_folder_without_results(outputs, tmp_path):
    for folder in (outputs, tmp_path / "nowhere"):
        with pytest.raises(DataError, match=rf"No result\.json in or below .*{folder.name}"):
            reproduce([1], [folder])


def test_a_file_that_is_no_result(outputs):
    for content in ("", "[]", "{}", '{"settings": {"method": "RANet"}}'):
        (outputs / "result.json").write_text(content)
        with pytest.raises(DataError, match=r"result\.json is not a result"):
            reproduce([1], [outputs])
