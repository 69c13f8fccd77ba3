"""Both evaluations are run and compared; how fast they are depends on the machine."""

import json

import numpy as np
import pytest

from ranet.benchmark.evaluation import require_equal
from ranet.datasets.image_io import write_labels


@pytest.fixture
def trees(tmp_path):
    """Masks and predictions of three videos; in two of them, a frame is scored, in one two."""
    for video, frames, objects in (("ant", 4, 1), ("bear", 3, 2), ("cat", 3, 1)):
        for frame in range(frames):
            for tree, shift in (("annotations", 0), ("predictions", 3 if frame else 0)):
                labels = np.zeros((40, 60), np.uint8)
                for label in range(1, objects + 1):
                    labels[8:24, 4 + 24 * label - 20 + shift : 24 * label + shift] = label
                write_labels(tmp_path / tree / video / f"{frame:05d}.png", labels)
    return (
        *("--annotations", tmp_path / "annotations"),
        *("--predictions", tmp_path / "predictions", "--year", 2017),
    )


def test_both_evaluations_agree_and_are_timed(run_script, trees, tmp_path):
    file = tmp_path / "report.json"
    done = run_script(
        *("benchmark.py", "evaluation", *trees, "--repeats", 2, "--warm-up", 0, "--workers", 2),
        *("--json", file),
    )
    assert done.status == 0, done.error
    ours, plain = json.loads(file.read_text())["rows"]
    for row, name, workers in ((ours, "ranet", 2), (plain, "straightforward", 1)):
        assert row["settings"]["implementation"] == name
        assert row["settings"]["scored frames"] == row["units"] == 4
        assert row["settings"]["workers"] == workers
        assert row["details"]["objects"] == 4
        assert row["seconds"]["calls"] == 2
    ratio = plain["seconds"]["median"] / ours["seconds"]["median"]
    assert f"{ratio:.1f} times faster, all values equal" in done.out


def test_another_value_is_a_mistake_of_this_project():
    values = {"ant": np.zeros((2, 1, 2))}
    require_equal(values, {"ant": np.zeros((2, 1, 2))})
    with pytest.raises(AssertionError, match="ant"):
        require_equal(values, {"ant": np.full((2, 1, 2), 1e-16)})


def test_masks_that_are_not_there(run_script, tmp_path):
    done = run_script(
        *("benchmark.py", "evaluation", "--year", 2016, "--annotations", tmp_path / "nowhere"),
        *("--predictions", tmp_path),
    )
    assert done.status == 1
    assert "nowhere" in done.error
