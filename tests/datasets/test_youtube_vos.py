import shutil

import pytest
from youtube_vos_tree import write_youtube_vos

from ranet.datasets.youtube_vos import index_youtube_vos
from ranet.errors import DataError

VIDEOS = {"b": {1: 0, 2: 2}, "a": {1: 1}}


@pytest.fixture
def root(tmp_path):
    return write_youtube_vos(tmp_path / "YouTubeVOS", VIDEOS)


def test_videos_in_the_order_of_the_list(root):
    second, first = index_youtube_vos(root)
    assert (second.name, first.name) == ("b", "a")
    assert [path.name for path in first.frames] == [
        "00000.jpg",
        "00005.jpg",
        "00010.jpg",
        "00015.jpg",
    ]
    assert first.annotations[1] == root / "train/Annotations/a/00005.png"
    assert first.numbers == (0, 5, 10, 15)


def test_a_first_frame_without_mask(root):
    (root / "train/Annotations/a/00000.png").unlink()
    video = index_youtube_vos(root)[1]
    assert [mask is None for mask in video.annotations] == [True, False, False, False]


def test_another_folder(root):
    (root / "train").rename(root / "train_2018")
    assert len(index_youtube_vos(root, split="train_2018")) == 2
    with pytest.raises(DataError, match=r"(?s)train/meta\.json, train/JPEGImages, train/Annot"):
        index_youtube_vos(root)


def test_a_root_that_is_too_deep_or_incomplete(root):
    with pytest.raises(DataError, match=rf"expected.*meta\.json.*Did you mean {root}\?"):
        index_youtube_vos(root / "train")
    shutil.rmtree(root / "train/Annotations")
    with pytest.raises(DataError, match=r"train/Annotations is missing: it holds JPEG"):
        index_youtube_vos(root)


def test_all_unusable_videos_are_named(root):
    shutil.rmtree(root / "train/JPEGImages/a")
    for mask in (root / "train/Annotations/b").iterdir():
        mask.unlink()
    with pytest.raises(DataError) as caught:
        index_youtube_vos(root)
    message = str(caught.value)
    assert message.startswith("2 of the 2 sequences in")
    assert f"No folder {root / 'train/JPEGImages/a'}" in message
    assert "No frame of b is annotated" in message
    assert f"ranet check-data {root}" in message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"videos": 3}',
        '{"videos": {"a": {}}}',
        '{"videos": {"a": {"objects": {"x": 1}}}}',
    ],
)
def test_a_list_that_is_none(root, text):
    (root / "train/meta.json").write_text(text)
    with pytest.raises(DataError, match=r"Cannot read .*meta\.json: expected JSON"):
        index_youtube_vos(root)


def test_an_empty_list(root):
    (root / "train/meta.json").write_text('{"videos": {}}')
    with pytest.raises(DataError, match="lists no videos"):
        index_youtube_vos(root)
