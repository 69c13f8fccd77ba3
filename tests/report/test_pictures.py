"""The pictures of a report, and which are the worst."""

import base64
import io
import shutil
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from result_folders import FRAMES, ODD, annotations_of, copied_to, frames_of

from ranet.datasets.image_io import read_labels, write_labels
from ranet.errors import DataError
from ranet.metrics import Measure, ObjectResult, VideoResult
from ranet.report import Pictures
from ranet.report.pictures import APART, BadFrame, find_files, pictures_of, worst_frames
from ranet.report.runs import read_runs


def decoded(text):
    return Image.open(io.BytesIO(base64.b64decode(text)))


@pytest.fixture
def files(copied, scored):
    runs = read_runs([copied, scored])
    return find_files(runs, ["plain"], Pictures())["plain"]


def test_a_frame_is_reduced_and_its_masks_lie_on_it(files):
    picture = files.picture(3, Pictures(width=80), contours=True)
    assert decoded(picture.image).format == "JPEG"
    assert len(picture.layers) == len(picture.contours) == 3  # two runs, and the truth
    for layer in (*picture.layers, *picture.contours):
        assert decoded(layer).mode == "RGBA"
        assert decoded(layer).size == decoded(picture.image).size == (80, 48)


def test_small_frames_are_not_enlarged(files):
    picture = files.picture(3, Pictures(width=4000), contours=False)
    assert decoded(picture.image).size == (160, 96)
    assert picture.contours == []


def test_layers_are_clear_where_there_is_no_object(files, tree):
    truth = read_labels(annotations_of(tree) / "plain/00003.png")
    picture = files.picture(3, Pictures(), contours=True)
    alpha = np.array(decoded(picture.layers[-1]))[..., 3]
    assert ((alpha > 0) == (truth > 0)).all()
    line = np.array(decoded(picture.contours[-1]))
    assert (line[..., 3] > 0).sum() < (truth > 0).sum()
    assert line[truth > 0].max() == 255  # bright colours


def test_void_pixels_are_no_object(files, tree, tmp_path):
    labels = read_labels(annotations_of(tree) / "plain/00003.png")
    labels[labels > 0] = 255
    write_labels(tmp_path / "void.png", labels)
    files.masks[-1]["00003"] = tmp_path / "void.png"
    layer = files.picture(3, Pictures(), contours=False).layers[-1]
    assert np.array(decoded(layer)).max() == 0


@pytest.mark.parametrize(
    ("every", "expected"), [(1, range(FRAMES)), (4, [0, 4, 6]), (3, [0, 3, 6]), (99, [0, 2, 6])]
)
def test_each_nth_frame_the_last_and_the_worst_are_kept(copied, every, expected):
    worst = [BadFrame(0.5, "plain", 2)] if every == 99 else []
    kept = pictures_of(read_runs([copied]), ["plain"], worst, Pictures(every=every))["plain"]
    assert [picture.frame for picture in kept] == list(expected)
    assert [bool(picture.contours) for picture in kept] == [
        picture.frame == 2 and every == 99 for picture in kept
    ]


def test_all_that_is_missing_is_told_at_once(copied, tree, tmp_path):
    results = copied_to(copied, tmp_path / "results")
    frames = tmp_path / "frames"
    shutil.copytree(frames_of(tree), frames)
    (frames / "plain/00002.jpg").unlink()
    (results / "masks/plain/00004.png").unlink()
    shutil.rmtree(frames / ODD)
    with pytest.raises(DataError) as error:
        find_files(read_runs([results]), ["plain", ODD], Pictures(frames=frames))
    message = str(error.value)
    assert f"{frames / 'plain'} lacks 1 image: 00002" in message
    assert f"{results / 'masks/plain'} lacks 1 image: 00004" in message
    assert f"there is no folder {frames / ODD}" in message
    assert "--without-pictures" in message


def test_masks_of_frames_that_do_not_count_may_be_missing(copied, tmp_path):
    results = copied_to(copied, tmp_path / "results")
    (results / "masks/plain/00000.png").unlink()
    files = find_files(read_runs([results]), ["plain"], Pictures())["plain"]
    assert files.picture(0, Pictures(), contours=False).layers[0] is None


def test_scores_alone_do_not_tell_where_the_frames_are(scored, tree):
    with pytest.raises(DataError, match="--frames"):
        find_files(read_runs([scored]), ["plain"], Pictures())
    files = find_files(read_runs([scored]), ["plain"], Pictures(frames=frames_of(tree)))
    assert len(files["plain"].images) == FRAMES


# --- the worst frames


def run(**videos):
    """A run of which J and F of each scored frame are given."""

    def video(values):
        measure = Measure.over_video(values, frames=len(values) + 2)
        frames = tuple(map(str, range(len(values) + 2)))
        return VideoResult(frames, {1: ObjectResult(J=measure, F=measure)})

    results = {name: video(values) for name, values in videos.items()}
    return SimpleNamespace(scores=SimpleNamespace(videos=results))


def found(runs, at_most=9):
    return [(bad.sequence, bad.frame, bad.score) for bad in worst_frames(runs, at_most)]


def test_the_worst_comes_first_and_frames_that_do_not_count_never():
    assert found([run(a=[0.9, 0.8], b=[0.1, 0.4])]) == [("b", 1, 0.1), ("a", 2, 0.8)]
    assert found([run(a=[0.3], b=[0.2], c=[0.1])], at_most=2) == [("c", 1, 0.1), ("b", 1, 0.2)]
    assert found([run(a=[0.3])], at_most=0) == []
    assert found([run(a=[0.9]), run(a=[0.3])]) == [("a", 1, 0.3)]  # of several runs, the worst one


def test_neighbours_of_a_worse_frame_are_left_out():
    values = [0.5] * (2 * APART + 1)
    values[3] = 0.2
    frames = sorted(frame for _, frame, _ in found([run(a=values)]))
    assert 4 in frames
    assert all(b - a >= APART for a, b in pairwise(frames))
    assert len(frames) > 1
