"""The pictures of a report."""

import base64
import io
import shutil

import numpy as np
import pytest
from PIL import Image
from result_folders import FRAMES, ODD, annotations_of, copied_to, frames_of

from ranet.datasets.image_io import read_labels, write_labels
from ranet.errors import DataError
from ranet.report.pictures import Pictures, find_files
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
    ("every", "expected"), [(1, range(FRAMES)), (4, [0, 4, 6]), (3, [0, 3, 6]), (99, [0, 6])]
)
def test_each_nth_frame_and_the_last_are_kept(files, every, expected):
    assert files.chosen(every) == list(expected)


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
    with pytest.raises(DataError, match=r"does not tell where the frames .* with --frames"):
        find_files(read_runs([scored]), ["plain"], Pictures())
    files = find_files(read_runs([scored]), ["plain"], Pictures(frames=frames_of(tree)))
    assert len(files["plain"].images) == FRAMES
