import shutil
from pathlib import Path

import pytest

from ranet.datasets.index import (
    VideoSequence,
    choose_resolution,
    find_set_file,
    index_davis,
    index_frames,
    index_sequence,
    read_set_file,
)
from ranet.errors import DataError


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def davis_tree(
    root: Path, names: list[str], frames: int = 3, resolution: str = "480p", lists: str = "2016"
) -> Path:
    for name in names:
        for number in range(frames):
            touch(root / "JPEGImages" / resolution / name / f"{number:05d}.jpg")
            touch(root / "Annotations" / resolution / name / f"{number:05d}.png")
    touch(root / "ImageSets" / lists / "val.txt")
    (root / "ImageSets" / lists / "val.txt").write_text("\n".join(names) + "\n")
    return root


# --- DAVIS ----------------------------------------------------------------------------------------


def test_sequences_come_in_the_order_of_the_list(tmp_path):
    root = davis_tree(tmp_path, ["camel", "bear"])
    camel, bear = index_davis(root, year=2016)
    assert (camel.name, bear.name) == ("camel", "bear")
    folder = Path("480p") / "camel"
    assert camel.frames == tuple(
        root / "JPEGImages" / folder / f"{number:05d}.jpg" for number in range(3)
    )
    assert camel.annotations == tuple(
        root / "Annotations" / folder / f"{number:05d}.png" for number in range(3)
    )


def test_annotations_may_be_sparse(tmp_path):
    root = davis_tree(tmp_path, ["camel"], frames=11)
    masks = root / "Annotations" / "480p" / "camel"
    for number in range(11):
        if number % 5:
            (masks / f"{number:05d}.png").unlink()
    (camel,) = index_davis(root, year=2016)
    assert len(camel.annotations) == len(camel.frames) == 11
    assert [n for n, mask in enumerate(camel.annotations) if mask] == [0, 5, 10]
    assert camel.annotations[5] == masks / "00005.png"


def test_other_splits_years_and_lists(tmp_path):
    root = davis_tree(tmp_path, ["camel", "bear"])
    (root / "ImageSets" / "2017").mkdir()
    (root / "ImageSets" / "2017" / "train.txt").write_text("bear\n")
    (root / "mine.txt").write_text("camel\n")
    assert [s.name for s in index_davis(root, year=2017, split="train")] == ["bear"]
    assert [s.name for s in index_davis(root, year=2017, set_file=root / "mine.txt")] == ["camel"]


def test_a_tree_without_years(tmp_path):
    root = davis_tree(tmp_path, ["camel"], lists=".")
    assert find_set_file(root, year=2017, split="val") == root / "ImageSets" / "val.txt"
    touch(root / "ImageSets" / "2017" / "val.txt")
    assert find_set_file(root, year=2017, split="val").parent.name == "2017"


def test_missing_list(tmp_path):
    root = davis_tree(tmp_path, ["camel"])
    with pytest.raises(DataError, match=r"2017.test-dev\.txt.*found 2016/val\.txt"):
        index_davis(root, year=2017, split="test-dev")
    shutil.rmtree(root / "ImageSets")
    with pytest.raises(DataError, match="found no lists"):
        index_davis(root, year=2016)


def test_all_unusable_sequences_are_named_at_once(tmp_path):
    root = davis_tree(tmp_path, ["one", "two", "three", "four", "five", "six"])
    frames, masks = root / "JPEGImages" / "480p", root / "Annotations" / "480p"
    shutil.rmtree(frames / "one")
    shutil.rmtree(masks / "two")
    (masks / "three" / "00000.png").unlink()
    (frames / "four" / "00001.jpg").unlink()
    shutil.rmtree(frames / "five")
    (frames / "five").mkdir()
    with pytest.raises(DataError) as caught:
        index_davis(root, year=2016)
    head, *lines, hint = str(caught.value).split("\n")
    assert head.startswith("5 of the 6 sequences in")
    for line, found in zip(
        lines,
        [
            f"No folder {frames / 'one'}",
            f"No folder {masks / 'two'}",
            f"the first frame, has no annotation: expected {masks / 'three' / '00000.png'}",
            f"No frame for 1 annotation: 00001 in {masks / 'four'}",
            f"No frames in {frames / 'five'}",
        ],
        strict=True,
    ):
        assert found in line
    assert f"ranet check-data {root}" in hint


def test_a_long_list_of_problems_is_cut(tmp_path):
    root = davis_tree(tmp_path, ["camel"])
    (root / "long.txt").write_text("\n".join(f"video{n}" for n in range(30)))
    with pytest.raises(DataError, match="… and 20 more"):
        index_davis(root, year=2016, set_file=root / "long.txt")


def test_no_davis_tree(tmp_path):
    with pytest.raises(
        DataError, match=r"JPEGImages/480p/<sequence>.*data/README\.md.*there is no"
    ):
        index_davis(tmp_path / "nowhere", year=2016)
    with pytest.raises(DataError, match="it is empty"):
        index_davis(tmp_path, year=2016)


def test_a_tree_one_folder_deeper(tmp_path):
    davis_tree(tmp_path / "DAVIS", ["camel"])
    with pytest.raises(DataError, match=r"Did you mean .*DAVIS\?"):
        index_davis(tmp_path, year=2016)


def test_resolutions(tmp_path):
    for resolution in ("1080p", "240p"):
        davis_tree(tmp_path, ["camel"], resolution=resolution)
    with pytest.raises(DataError, match=r"one folder or '480p'.*it holds 240p, 1080p"):
        choose_resolution(tmp_path, None)
    assert choose_resolution(tmp_path, "1080p") == "1080p"
    davis_tree(tmp_path, ["camel"], resolution="480p")
    assert choose_resolution(tmp_path, None) == "480p"
    with pytest.raises(DataError, match="the folder '720p'"):
        choose_resolution(tmp_path, "720p")
    shutil.rmtree(tmp_path / "JPEGImages" / "480p")
    shutil.rmtree(tmp_path / "JPEGImages" / "1080p")
    assert choose_resolution(tmp_path, None) == "240p"
    (camel,) = index_davis(tmp_path, year=2016)
    assert camel.frames[0].parts[-3] == "240p"
    shutil.rmtree(tmp_path / "JPEGImages" / "240p")
    with pytest.raises(DataError, match="it is empty"):
        choose_resolution(tmp_path, None)


# --- lists ----------------------------------------------------------------------------------------


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    "text",
    ["camel\nbear\n", "camel\r\nbear", "\n  camel  \n\nbear\n\n", "\ufeffcamel\nbear\n"],
    ids=["plain", "windows", "blank lines", "byte order mark"],
)
def test_lists_of_names(tmp_path, text):
    assert read_set_file(written(tmp_path / "val.txt", text)) == ["camel", "bear"]


def test_names_with_spaces(tmp_path):
    assert read_set_file(written(tmp_path / "val.txt", "my video\n")) == ["my video"]


@pytest.mark.parametrize("slash", ["/", ""])
def test_lists_of_davis_2016(tmp_path, slash):
    lines = [
        f"{slash}JPEGImages/480p/{name}/{n:05d}.jpg {slash}Annotations/480p/{name}/{n:05d}.png "
        for name in ("camel", "bear", "camel-2")
        for n in range(3)
    ]
    path = written(tmp_path / "val.txt", "\n".join(lines))
    assert read_set_file(path) == ["camel", "bear", "camel-2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("camel\nbear\ncamel\n", r"line 3: .*not listed yet, found 'camel'"),
        ("camel\n../../etc\n", "line 2: .*without a path"),
        ("..\n", r"line 1"),
        ("a\\b\n", r"line 1"),
        ("", "names nothing"),
        ("\n \n", "names nothing"),
        (b"\xff\xfe\x00\x01", "Cannot read"),
    ],
)
def test_bad_lists(tmp_path, text, message):
    path = written(tmp_path / "val.txt", text)
    with pytest.raises(DataError, match=message) as caught:
        read_set_file(path)
    assert str(path) in str(caught.value)


def test_missing_and_unreadable_lists(tmp_path):
    for path in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(DataError, match="Cannot read the list") as caught:
            read_set_file(path)
        assert str(path) in str(caught.value)


# --- folders --------------------------------------------------------------------------------------


def test_frames_in_the_order_of_their_numbers(tmp_path):
    names = ["f10.png", "f9.jpg", "f2.JPEG", "F1.webp", "f0.bmp", "f100.tif"]
    touch(*(tmp_path / name for name in names))
    touch(tmp_path / "notes.txt", tmp_path / ".f3.png", tmp_path / "._f4.jpg", tmp_path / "x.mp4")
    expected = ["f0.bmp", "F1.webp", "f2.JPEG", "f9.jpg", "f10.png", "f100.tif"]
    assert [path.name for path in index_frames(tmp_path)] == expected


def test_decimal_numbers_in_names(tmp_path):
    touch(*(tmp_path / f"{t}.png" for t in ("0.5", "1", "1.25", "1.5", "10.25", "2.125")))
    expected = ["0.5", "1", "1.25", "1.5", "2.125", "10.25"]
    frames = index_frames(tmp_path)
    assert [path.stem for path in frames] == expected
    assert VideoSequence("v", frames, (None,) * 6).numbers == tuple(range(6))


@pytest.mark.parametrize(
    "strays", [["mask"], ["00000_mask"], ["gt"], ["00000_mask", "00001_mask", "00002_mask"]]
)
def test_masks_among_frames_are_left_out(tmp_path, strays):
    touch(*(tmp_path / f"{n:05d}.jpg" for n in range(3)), *(tmp_path / f"{s}.png" for s in strays))
    with pytest.warns(UserWarning, match=f"left out: {strays[0]}"):
        assert [path.stem for path in index_frames(tmp_path)] == ["00000", "00001", "00002"]


def test_images_named_otherwise_than_most_are_told(tmp_path):
    touch(*(tmp_path / f"{n:05d}.jpg" for n in range(3)), tmp_path / "00000_viz.png")
    with pytest.warns(UserWarning, match="otherwise than most.*00000_viz"):
        assert len(index_frames(tmp_path)) == 4


def test_folders_without_frames(tmp_path):
    with pytest.raises(DataError, match=r"No frames in .*\.jpg.*it is empty"):
        index_frames(tmp_path)
    touch(tmp_path / "holiday.mp4")
    with pytest.raises(DataError, match=r"it holds holiday\.mp4"):
        index_frames(tmp_path)
    with pytest.raises(DataError, match="is a file"):
        index_frames(tmp_path / "holiday.mp4")
    with pytest.raises(DataError, match=r"there is no .*it holds holiday\.mp4"):
        index_frames(tmp_path / "hollidays")
    with pytest.raises(DataError, match=f"there is no .*in {tmp_path}"):
        index_frames(tmp_path / "a" / "b")


def test_unreadable_folder(tmp_path, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)  # tests may run as root, who may read everything
    with pytest.raises(DataError, match=r"Cannot look into .*: Permission denied"):
        index_frames(tmp_path)


def test_two_frames_of_one_name(tmp_path):
    touch(tmp_path / "1.jpg", tmp_path / "1.png")
    with pytest.raises(DataError, match=r"Two images of one name, .*1\.jpg and .*1\.png"):
        index_frames(tmp_path)


def test_a_sequence_from_two_folders(tmp_path):
    touch(*(tmp_path / "clip" / f"{n}.png" for n in range(12)), tmp_path / "masks" / "0.png")
    sequence = index_sequence(tmp_path / "clip", tmp_path / "masks")
    assert sequence.name == "clip"
    assert sequence.frames[-1].name == "11.png"
    assert sequence.annotations == (tmp_path / "masks" / "0.png", *[None] * 11)


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["00000", "00005", "00010"], (0, 5, 10)),
        (["f9", "f10"], (9, 10)),
        (["a7", "b3"], (0, 1)),  # not ascending
        (["1", "01"], (0, 1)),
        (["1", "two"], (0, 1)),
        (["x"], (0,)),
    ],
)
def test_frame_numbers(names, numbers):
    frames = tuple(Path(f"{name}.jpg") for name in names)
    assert VideoSequence("v", frames, (None,) * len(frames)).numbers == numbers


# --- real data ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "year", "split", "sequences", "frames"),
    [
        ("DAVIS", 2016, "val", 10, 699),
        ("DAVIS2017-240p", 2017, "val", 1, 66),
        ("video_train", 2017, "train", 22, 601),
    ],
)
def test_real_trees(shared_data, name, year, split, sequences, frames):
    found = index_davis(shared_data / name, year=year, split=split)
    assert len(found) == sequences
    assert sum(len(sequence.frames) for sequence in found) == frames
    assert all(None not in sequence.annotations for sequence in found)
