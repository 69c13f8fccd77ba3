"""YouTube-VOS without public masks: objects begin later, and only some frames are submitted."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from davis_tree import SIZE
from moving_squares import iou, moving

from ranet.datasets.image_io import read_labels, write_image, write_labels

PROJECT = Path(__file__).parents[2]
SMALL = ["input_size=[48,80]", "frame_size=[48,80]", "device=cpu"]
SUBMITTED = [f"{index:05d}" for index in (0, 5, 10)]
VIDEO = moving(SIZE, 11, {1: (6, 6), 2: (20, 50)}, step=(1, 0), side=14)


@pytest.fixture
def root(tmp_path):
    """Two videos of two objects; in the second one, 2 begins in the second frame asked for."""
    root = tmp_path / "YouTubeVOS"
    for name in ("early", "late"):
        for index, (frame, labels) in enumerate(VIDEO):
            write_image(root / f"valid_all_frames/JPEGImages/{name}/{index:05d}.jpg", frame)
            if f"{index:05d}" not in SUBMITTED:
                continue
            write_image(root / f"valid/JPEGImages/{name}/{index:05d}.jpg", frame)
            marked = [1, 2] if name == "early" and index == 0 else [(index + 5) // 5]
            if index == 0 or (name == "late" and index == 5):
                marks = np.where(np.isin(labels, marked), labels, 0).astype(np.uint8)
                write_labels(root / f"valid/Annotations/{name}/{index:05d}.png", marks)
    objects = {name: {"frames": SUBMITTED} for name in ("1", "2")}
    videos = {name: {"objects": objects} for name in ("early", "late")}
    (root / "valid/meta.json").write_text(json.dumps({"videos": videos}))
    return root


@pytest.fixture
def evaluate(run_script, root, checkpoint, tmp_path):
    def run(*more):
        return run_script(
            *("eval_youtube_vos.py", "--youtube-vos", root, "--checkpoint", checkpoint),
            *("--out", tmp_path / "out", *more, *SMALL),
        )

    return run


def test_it_is_segmented_and_packed(evaluate, root, tmp_path):
    outcome = evaluate()
    assert outcome.status == 0, outcome.error
    assert "Nothing can be scored" in outcome.out
    assert "2/2 late: 11 frames" in outcome.error
    with zipfile.ZipFile(tmp_path / "out/submission-valid.zip") as file:
        expected = [f"Annotations/{v}/{n}.png" for v in ("early", "late") for n in SUBMITTED]
        assert sorted(file.namelist()) == expected
    masks = tmp_path / "out/masks/late"
    assert set(np.unique(read_labels(masks / "00000.png"))) == {0, 1}
    begun = read_labels(masks / "00005.png") == 2
    assert iou(begun, VIDEO[5][1] == 2) == 1  # as it is marked
    result = json.loads((tmp_path / "out/result.json").read_text())
    assert result["global"] is None
    assert result["times"]["frames"] == 22  # all of them were followed

    again = evaluate()
    assert "2 of 2 sequences finished already, kept" in again.error
    shutil.rmtree(root / "valid_all_frames")
    refused = evaluate()
    assert refused.status == 1
    assert "frames: 22 there, 6 now" in refused.error
    fewer = evaluate("--overwrite")
    assert fewer.status == 0, fewer.error
    result = json.loads((tmp_path / "out/result.json").read_text())
    assert result["times"]["frames"] == 6


def test_an_object_that_no_mask_marks_is_told(evaluate, root, tmp_path):
    (root / "valid/Annotations/late/00005.png").unlink()
    outcome = evaluate()
    assert outcome.status == 0, outcome.error
    assert "2 of late" in outcome.error


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda root: shutil.rmtree(root / "valid/Annotations/late"), "Annotations/late"),
        (
            lambda root: (root / "valid_all_frames/JPEGImages/late/00010.jpg").unlink(),
            "lacks frames",
        ),
        (
            lambda root: write_labels(
                root / "valid/Annotations/late/00005.png", np.ones((9, 9), np.uint8)
            ),
            "late/00005.png",
        ),
        (lambda root: (root / "valid/meta.json").unlink(), "meta.json"),
    ],
)
def test_a_damaged_tree_is_told_before_the_work(evaluate, root, tmp_path, damage, told):
    damage(root)
    outcome = evaluate()
    assert outcome.status == 1
    assert told in outcome.error
    assert "Traceback" not in outcome.error
    assert not (tmp_path / "out").exists()


def test_results_among_the_data_are_refused(evaluate, root):
    outcome = evaluate("--out", root / "valid")
    assert outcome.status == 1
    assert "is part of the data" in outcome.error
