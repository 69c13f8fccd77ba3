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
from ranet.report.pictures import APART, BadFrame, pictures_of, worst_frames
from ranet.report.runs import read_runs


def decoded(text):
    return Image.open(io.BytesIO(base64.b64decode(text)))


def pictures(*folders, worst=(), **asked):
    """Of the sequence ``plain``, by frame."""
    bad = [BadFrame(0.5, "plain", frame) for frame in worst]
    kept = pictures_of(read_runs(folders), ["plain"], bad, Pictures(**asked))["plain"]
    return {picture.frame: picture for picture in kept}


def test_a_frame_is_reduced_and_its_masks_lie_on_it(copied, scored):
    picture = pictures(copied, scored, worst=[3], width=80)[3]
    assert decoded(picture.image).format == "JPEG"
    assert len(picture.layers) == len(picture.contours) == 3  # two runs, and the truth
    for layer in (*picture.layers, *picture.contours):
        assert decoded(layer).mode == "RGBA"
        assert decoded(layer).size == decoded(picture.image).size == (80, 48)


def test_small_frames_are_not_enlarged(copied):
    picture = pictures(copied, every=3, width=4000)[3]
    assert decoded(picture.image).size == (160, 96)
    assert picture.contours == []


def test_layers_are_clear_where_there_is_no_object(copied, tree):
    truth = read_labels(annotations_of(tree) / "plain/00003.png")
    picture = pictures(copied, worst=[3])[3]
    alpha = np.array(decoded(picture.layers[-1]))[..., 3]
    assert ((alpha > 0) == (truth > 0)).all()
    line = np.array(decoded(picture.contours[-1]))
    assert (line[..., 3] > 0).sum() < (truth > 0).sum()
    assert line[truth > 0].max() == 255  # bright colours


def test_void_pixels_are_no_object(copied, tree, tmp_path):
    shutil.copytree(annotations_of(tree) / "plain", tmp_path / "plain")
    labels = read_labels(tmp_path / "plain/00003.png")
    labels[labels > 0] = 255
    write_labels(tmp_path / "plain/00003.png", labels)
    layer = pictures(copied, every=3, annotations=tmp_path)[3].layers[-1]
    assert np.array(decoded(layer)).max() == 0


@pytest.mark.parametrize(
    ("every", "worst", "expected"),
    [(1, [], range(FRAMES)), (4, [], [0, 4, 6]), (3, [], [0, 3, 6]), (99, [2], [0, 2, 6])],
)
def test_each_nth_frame_the_last_and_the_worst_are_kept(copied, every, worst, expected):
    kept = pictures(copied, every=every, worst=worst)
    assert list(kept) == list(expected)
    assert [frame for frame in kept if kept[frame].contours] == worst


def test_all_that_is_missing_is_told_at_once(copied, tree, tmp_path):
    results = copied_to(copied, tmp_path / "results")
    frames = tmp_path / "frames"
    shutil.copytree(frames_of(tree), frames)
    (frames / "plain/00002.jpg").unlink()
    (results / "masks/plain/00004.png").unlink()
    shutil.rmtree(frames / ODD)
    with pytest.raises(DataError) as error:
        pictures_of(read_runs([results]), ["plain", ODD], [], Pictures(frames=frames))
    message = str(error.value)
    assert f"{frames / 'plain'} lacks 1 image: 00002" in message
    assert f"{results / 'masks/plain'} lacks 1 image: 00004" in message
    assert f"there is no folder {frames / ODD}" in message
    assert "--without-pictures" in message


def test_masks_of_frames_that_do_not_count_may_be_missing(copied, tmp_path):
    results = copied_to(copied, tmp_path / "results")
    (results / "masks/plain/00000.png").unlink()
    assert pictures(results)[0].layers[0] is None


def test_scores_alone_do_not_tell_where_the_frames_are(scored, tree):
    with pytest.raises(DataError, match="--frames"):
        pictures(scored)
    assert pictures(scored, frames=frames_of(tree))


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
