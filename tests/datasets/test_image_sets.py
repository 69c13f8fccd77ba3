import shutil
from typing import get_args

import numpy as np
import pytest
from image_set_trees import NAMES, PLACES, SALIENT, squares, write_image_set

from ranet.config import ImageSource
from ranet.datasets.image_sets import (
    IMAGE_SETS,
    ImageMaskPair,
    choose_pairs,
    index_image_set,
    recognise_image_set,
)
from ranet.errors import DataError

KINDS = pytest.mark.parametrize("kind", PLACES)


def index(root, kind):
    return index_image_set(root, IMAGE_SETS[kind])


def test_every_set_is_a_kind_of_source_and_has_a_test():
    assert IMAGE_SETS.keys() == set(get_args(ImageSource.model_fields["kind"].annotation))
    assert IMAGE_SETS.keys() == PLACES.keys()


@KINDS
def test_pairs_in_the_layout_of_the_archive(tmp_path, kind):
    root = write_image_set(tmp_path / "set", kind)
    image, mask = PLACES[kind]
    assert [(pair.name, pair.image, pair.mask) for pair in index(root, kind)] == [
        (name, root / image.format(name), root / mask.format(name)) for name in NAMES
    ]


@KINDS
def test_objects_are_told_apart_where_the_set_does(tmp_path, kind):
    for pair in index(write_image_set(tmp_path, kind), kind):
        labels = pair.read_mask(pair.mask)
        labels[labels == 255] = 0
        expected = squares() > 0 if kind in SALIENT else squares()
        if kind == "soc":  # numbered by colour: green is 0x00FF00, red 0xFF0000
            expected = np.array([0, 2, 1], np.uint8)[squares()]
        np.testing.assert_array_equal(labels, expected)


@KINDS
def test_sets_are_recognised_by_their_folders(tmp_path, kind):
    root = write_image_set(tmp_path, kind)
    assert recognise_image_set(root) is IMAGE_SETS[kind]


def test_what_is_no_set_is_not_recognised(tmp_path):
    assert recognise_image_set(tmp_path) is None
    assert recognise_image_set(tmp_path / "nowhere") is None
    (tmp_path / "masks").mkdir()
    assert recognise_image_set(tmp_path) is IMAGE_SETS["pairs"]


@KINDS
def test_a_root_that_is_too_high_or_empty(tmp_path, kind):
    root = write_image_set(tmp_path / "deeper", kind)
    title, place = IMAGE_SETS[kind].title, PLACES[kind][0].format("<name>")
    with pytest.raises(DataError) as caught:
        index(tmp_path, kind)
    message = str(caught.value)
    assert f"expected {title} as {tmp_path / place} and" in message
    assert f"Did you mean {root}?" in message
    assert "data/README.md" in message
    for folder in root.iterdir():
        shutil.rmtree(folder)
        folder.mkdir()
    with pytest.raises(DataError, match=r"No pairs in .*it is empty"):
        index(root, kind)


@KINDS
def test_a_mask_without_its_image(tmp_path, kind):
    root = write_image_set(tmp_path, kind)
    (root / PLACES[kind][0].format("a2")).unlink()
    with pytest.raises(DataError, match=r"1 masks without an image \(a2\)"):
        index(root, kind)


@KINDS
def test_an_image_without_its_mask(tmp_path, kind):
    root = write_image_set(tmp_path, kind)
    (root / PLACES[kind][1].format("a2")).unlink()
    if kind == "soc":  # as all its images without salient objects
        assert [pair.name for pair in index(root, kind)] == ["a10"]
    else:
        with pytest.raises(DataError, match=r"1 images without a mask \(a2\)"):
            index(root, kind)


def test_soc_with_its_masks_a_folder_deeper(tmp_path):
    root = write_image_set(tmp_path, "soc")
    (root / "Instance gt").rename(root / "moved")
    (root / "Instance gt" / "Instance name").mkdir(parents=True)
    (root / "moved").rename(root / "Instance gt" / "gt")
    pairs = index(root, "soc")
    assert [pair.mask for pair in pairs] == [root / f"Instance gt/gt/{n}.png" for n in NAMES]


# --- a choice of the pairs ------------------------------------------------------------------------


@pytest.fixture
def three(tmp_path):
    return [ImageMaskPair(n, tmp_path / f"{n}.jpg", tmp_path / f"{n}.png") for n in ("a", "b", "c")]


def names(pairs):
    return [pair.name for pair in pairs]


def test_pairs_by_pattern_and_list(three, tmp_path):
    listed = tmp_path / "train.txt"
    listed.write_text("c\nb\n")
    assert names(choose_pairs(three, names="*", set_file=None)) == ["a", "b", "c"]
    assert names(choose_pairs(three, names="[ab]", set_file=None)) == ["a", "b"]
    assert names(choose_pairs(three, names="*", set_file=listed)) == ["b", "c"]
    assert names(choose_pairs(three, names="[ab]", set_file=listed)) == ["b"]


def test_a_list_of_other_pairs(three, tmp_path):
    listed = tmp_path / "train.txt"
    listed.write_text("a\nd\ne\n")
    with pytest.raises(DataError, match=r"train\.txt.* 2 that no pair .*: d, e\."):
        choose_pairs(three, names="*", set_file=listed)


def test_nothing_is_left(three):
    with pytest.raises(DataError, match=r"named like 'x\*'.* `names`"):
        choose_pairs(three, names="x*", set_file=None)


def test_real_pairs(shared_data):
    pairs = index(shared_data / "static", "pairs")
    assert len(pairs) == len(list((shared_data / "static/images").iterdir()))
    assert all(pair.image.stem == pair.mask.stem == pair.name for pair in pairs)
