import errno
import json
import os

import pytest
from mask_tree import LEFT, SHIFTED, TWO, still_video

from ranet.errors import OutputError
from ranet.metrics import DavisResult, Measure, ObjectResult, VideoResult, format_table

HEADER = "J&F-Mean,J-Mean,J-Recall,J-Decay,F-Mean,F-Recall,F-Decay"


def an_object(region: list[float], boundary: list[float]) -> ObjectResult:
    frames = len(region) + 2
    return ObjectResult(Measure.over_video(region, frames), Measure.over_video(boundary, frames))


@pytest.fixture
def result(tmp_path) -> DavisResult:
    videos = {
        "bear": VideoResult(
            frames=("00000", "00001", "00002", "00003"),
            objects={1: an_object([0.9, 0.7], [1.0, 0.4]), 2: an_object([0.1, 0.2], [0.0, 0.0])},
        ),
        "ant": VideoResult(frames=("00000", "00005"), objects={1: an_object([], [])}),
    }
    return DavisResult(2017, tmp_path / "annotations", tmp_path / "predictions", videos)


def test_averages_are_over_scored_objects(result):
    averages = result.averages
    assert ",".join(averages) == HEADER
    assert averages == pytest.approx(
        {
            "J&F-Mean": (0.475 + 0.35) / 2,
            "J-Mean": 0.475,
            "J-Recall": 0.5,
            "J-Decay": (0.2 - 0.1) / 2,
            "F-Mean": 0.35,
            "F-Recall": 0.25,
            "F-Decay": 0.3,
        }
    )


def test_tables_are_those_of_the_official_tool(result, tmp_path):
    result.write(tmp_path / "new" / "scores", "val")
    folder = tmp_path / "new" / "scores"
    assert (folder / "global_results-val.csv").read_text() == (
        f"{HEADER}\n0.412,0.475,0.500,0.050,0.350,0.250,0.300\n"
    )
    assert (folder / "per-sequence_results-val.csv").read_text() == (
        "Sequence,J-Mean,F-Mean\nbear_1,0.800,0.700\nbear_2,0.150,0.000\nant_1,,\n"
    )


def test_json_holds_everything_and_null_where_nothing_is_scored(result, tmp_path):
    result.write(tmp_path, "val")
    values = json.loads((tmp_path / "davis.json").read_text())
    assert values["settings"] == {
        "year": 2017,
        "set": "val",
        "annotations": "annotations",  # as they lie in the folder that is written
        "predictions": "predictions",
        "sequences": 2,
        "objects": 3,
        "scored_frames": 2,
    }
    assert values["global"] == result.averages
    region = values["sequences"]["bear"]["1"]["J"]
    assert region == {
        "mean": result.objects["bear_1"].J.mean,
        "recall": 1.0,
        "decay": result.objects["bear_1"].J.decay,
        "per_frame": [None, 0.9, 0.7, None],
    }
    assert values["sequences"]["ant"]["1"]["F"] == {
        "mean": None,
        "recall": None,
        "decay": None,
        "per_frame": [None, None],
    }
    assert values["frames"]["ant"] == ["00000", "00005"]


def test_older_results_are_replaced(result, tmp_path):
    (tmp_path / "global_results-val.csv").write_text("old")
    result.write(tmp_path, "val")
    assert (tmp_path / "global_results-val.csv").read_text().startswith(HEADER)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "davis.json",
        "global_results-val.csv",
        "per-sequence_results-val.csv",
    ]


def test_folder_that_cannot_be_made_is_named(result, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"Cannot write .*file/scores"):
        result.write(tmp_path / "file" / "scores", "val")


def test_text_has_a_row_per_object(result):
    assert format_table(result).splitlines() == [
        "DAVIS 2017: 2 sequences, 3 objects, 2 scored frames",
        "",
        "               J&F-Mean  J-Mean  J-Recall  J-Decay  F-Mean  F-Recall  F-Decay",
        "all objects       0.412   0.475     0.500    0.050   0.350     0.250    0.300",
        "bear_1            0.750   0.800     1.000    0.200   0.700     0.500    0.600",
        "bear_2            0.075   0.150     0.000   -0.100   0.000     0.000    0.000",
        "ant_1        not scored",
    ]


def test_results_of_masks_name_objects_by_sequence_and_id(trees):
    videos = {"bear": still_video(TWO, 3), "ant": still_video(LEFT, 3)}
    scored = trees(videos, {"bear": still_video(SHIFTED, 3), "ant": still_video(LEFT, 3)})
    assert list(scored.objects) == ["ant_1", "bear_1", "bear_2"]
    assert scored.objects["bear_1"].J.mean == pytest.approx(1 / 3)


def test_full_disk_leaves_older_results_as_they_were(result, tmp_path, monkeypatch):
    result.write(tmp_path, "val")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        result.write(tmp_path, "val")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
