import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from image_set_trees import NAMES, PLACES, SALIENT, write_image_set
from PIL import Image, ImageFilter
from youtube_vos_tree import write_youtube_vos

from ranet.commands import check_data as command
from ranet.datasets.check import check_data
from ranet.datasets.image_io import write_image, write_labels
from ranet.datasets.image_sets import IMAGE_SETS
from ranet.datasets.index import index_davis
from ranet.datasets.video_writer import VideoWriter


def labels(*ids: int, size: tuple[int, int] = (24, 32)) -> np.ndarray:
    """A mask with a 4×4 square for each id."""
    mask = np.zeros(size, np.uint8)
    for number, label in enumerate(ids):
        mask[2:6, 5 * number : 5 * number + 4] = label
    return mask


def image(size: tuple[int, int] = (24, 32)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)


@pytest.fixture
def tree(tmp_path):
    """A sound DAVIS tree of two sequences, 6 frames each, with 1 and 2 objects."""
    for name, ids in (("bear", (1,)), ("camel", (1, 2))):
        for number in range(6):
            write_image(tmp_path / "JPEGImages" / "480p" / name / f"{number:05d}.jpg", image())
            mask = tmp_path / "Annotations" / "480p" / name / f"{number:05d}.png"
            write_labels(mask, labels(*ids))
    (tmp_path / "ImageSets" / "2016").mkdir(parents=True)
    (tmp_path / "ImageSets" / "2016" / "val.txt").write_text("bear\ncamel\n")
    return tmp_path


def frame(tree: Path, number: int, name: str = "camel") -> Path:
    return tree / "JPEGImages" / "480p" / name / f"{number:05d}.jpg"


def mask(tree: Path, number: int, name: str = "camel") -> Path:
    return tree / "Annotations" / "480p" / name / f"{number:05d}.png"


def only_problem(root: Path, **options) -> str:
    problems = check_data(root, **options).problems
    assert len(problems) == 1, problems
    return problems[0]


def truncate(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.7)])


# --- sound data -----------------------------------------------------------------------------------


def test_a_sound_tree(tree):
    report = check_data(tree)
    assert report.problems == ()
    lines = [" ".join(line.split()) for line in str(report).splitlines()]
    assert lines == [
        f"{tree}: a DAVIS tree",
        "480p: 2 sequences, 12 frames, 12 masks",
        "sequence frames masks objects height×width",
        "bear 6 6 1 24×32",
        "camel 6 6 2 24×32",
        "ImageSets/2016/val.txt: 2 sequences",
        "nothing is wrong",
    ]


def test_masks_may_be_sparse(tree):
    for number in (1, 3, 5):
        mask(tree, number).unlink()
    for number in range(1, 6):
        mask(tree, number, "bear").unlink()
    assert check_data(tree).problems == ()


def test_files_at_the_root_are_none_of_its_business(tree):
    (tree / "README.md").write_text("about")
    (tree / "JPEGImages" / "480p" / "bear" / ".DS_Store").touch()
    assert check_data(tree).problems == ()


def test_several_processes_find_the_same(tree):
    truncate(frame(tree, 3))
    assert check_data(tree, workers=2) == check_data(tree, workers=1)


def test_one_resolution_of_several(tree):
    shutil.copytree(tree / "JPEGImages" / "480p", tree / "JPEGImages" / "1080p")
    shutil.copytree(tree / "Annotations" / "480p", tree / "Annotations" / "1080p")
    (tree / "Annotations" / "1080p" / "bear" / "00002.png").unlink()
    assert "1080p" in only_problem(tree)
    assert check_data(tree, resolution="480p").problems == ()
    assert "the folder '720p'" in only_problem(tree, resolution="720p")


# --- every single mistake -------------------------------------------------------------------------


def relabel(tree: Path, numbers, *ids: int, size=(24, 32)) -> None:
    for number in numbers:
        write_labels(mask(tree, number), labels(*ids, size=size))


def remove(*paths: Path) -> None:
    for path in paths:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def skip_frames(tree: Path) -> None:
    for number in range(6, 12):
        shutil.copy(frame(tree, 0), frame(tree, number))
        shutil.copy(mask(tree, 0), mask(tree, number))
    remove(*(path(tree, number) for number in (1, 2, 4) for path in (frame, mask)))


def empty_folder(path: Path) -> None:
    remove(path)
    path.mkdir()


def remove_sequences(tree: Path) -> None:
    for folder in ("JPEGImages", "Annotations"):
        empty_folder(tree / folder / "480p")
    remove(tree / "ImageSets")


def write_later_ids(tree: Path) -> None:
    relabel(tree, [2], 1, 2, 7)
    relabel(tree, [4], 1, 3, 7, 255)


def smooth(tree: Path) -> None:
    grey = Image.fromarray(labels(255)).resize((32, 24)).filter(ImageFilter.GaussianBlur(1))
    grey.save(mask(tree, 3))


def write_list(tree: Path, text: str) -> None:
    (tree / "ImageSets" / "2016" / "train.txt").write_text(text)


DAVIS_2016 = "/JPEGImages/480p/bear/{0:05d}.jpg /Annotations/480p/bear/{0:05d}.png\n"

MISTAKES = {
    "truncated frame": (lambda t: truncate(frame(t, 3)), ["00003.jpg.*truncated"]),
    "truncated mask": (lambda t: truncate(mask(t, 3)), ["00003.png"]),
    "no image": (lambda t: frame(t, 3).write_text("<html>404</html>"), ["not an image"]),
    "missing frame": (
        lambda t: remove(frame(t, 3)),
        ["skips frame numbers: 3", "1 mask without a frame: 00003"],
    ),
    "missing frames": (skip_frames, ["skips frame numbers: 1…2, 4"]),
    "missing mask": (lambda t: remove(mask(t, 2)), ["no mask of 1 frame .*: 00002"]),
    "missing last masks": (
        lambda t: remove(mask(t, 4), mask(t, 5)),
        ["no mask of 2 frames .*: 00004, 00005"],
    ),
    "missing first mask": (lambda t: remove(mask(t, 0)), ["no mask of the first frame, 00000"]),
    "no folder of masks": (lambda t: remove(mask(t, 0).parent), ["No folder .*camel"]),
    "empty folder of masks": (lambda t: empty_folder(mask(t, 0).parent), ["camel holds no masks"]),
    "no folder of frames": (
        lambda t: remove(frame(t, 0).parent),
        ["No folder .*camel", "lists 1 of 2 sequences"],
    ),
    "empty folder of frames": (
        lambda t: empty_folder(frame(t, 0).parent),
        ["camel holds no images"],
    ),
    "no masks at all": (lambda t: remove(t / "Annotations"), ["No folder .*Annotations.480p"]),
    "no sequences": (remove_sequences, ["480p is empty", "No lists"]),
    "no resolution": (
        lambda t: empty_folder(t / "JPEGImages"),
        ["JPEGImages is empty"],
    ),
    "masks of another size": (
        lambda t: relabel(t, (2, 4), 1, 2, size=(12, 16)),
        [r"2 masks of another size .*24×32.*: 00002 \(12×16\), 00004"],
    ),
    "frame of another size": (
        lambda t: write_image(frame(t, 2), image((48, 64))),
        [r"1 frame of another size .*24×32: 00002 \(48×64\)", "1 mask of another size"],
    ),
    "no object": (lambda t: relabel(t, range(6)), ["00000.png: there is no object, all of"]),
    "void alone": (lambda t: relabel(t, range(6), 255), ["00000.png: .*void"]),
    "gaps": (lambda t: relabel(t, range(6), 2, 5), ["00000.png: .*gaps, 1, 3, 4 of 1…5"]),
    "later ids": (write_later_ids, [r"2 ids .*: 3 \(from 00004 on\), 7 \(from 00002 on\)"]),
    "too many objects": (
        lambda t: Image.fromarray(np.arange(768, dtype=np.uint16).reshape(24, 32)).save(mask(t, 0)),
        ["at most 254"],
    ),
    "smoothed mask": (smooth, ["soft edges"]),
    "foreign colours": (lambda t: write_image(mask(t, 3), image()), ["00003.png is no mask"]),
    "stray file": (
        lambda t: (frame(t, 0).parent / "00006.jpg.part").touch(),
        ["other things than images: 00006.jpg.part"],
    ),
    "stray archive": (lambda t: (mask(t, 0).parents[1] / "camel.zip").touch(), ["camel.zip"]),
    "two frames of one name": (
        lambda t: shutil.copy(frame(t, 0), frame(t, 0).with_suffix(".png")),
        ["Two images of one name"],
    ),
    "images in a resolution": (
        lambda t: shutil.copy(frame(t, 0), t / "JPEGImages" / "480p"),
        ["480p holds images"],
    ),
    "no lists": (lambda t: remove(t / "ImageSets"), ["No lists in"]),
    "listed sequences": (
        lambda t: write_list(t, "bear\nboat\ndog\n"),
        ["train.txt lists 2 of 3 sequences.*boat, dog"],
    ),
    "empty list": (lambda t: write_list(t, ""), ["names nothing"]),
    "listed files": (
        lambda t: write_list(t, "".join(map(DAVIS_2016.format, range(8)))),
        ["names 4 files .*: JPEGImages/480p/bear/00006.jpg, "],
    ),
}

UNSEEN_IF_QUICK = {"truncated frame", "later ids", "smoothed mask", "foreign colours"}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_a_tree(tree, name):
    make, expected = MISTAKES[name]
    make(tree)
    problems = check_data(tree).problems
    assert len(problems) == len(expected), problems
    for problem, pattern in zip(problems, expected, strict=True):
        assert re.search(pattern, problem), problem
    assert check_data(tree, quick=True).problems == (() if name in UNSEEN_IF_QUICK else problems)


# --- trees like DAVIS -----------------------------------------------------------------------------


def like_davis(root: Path, name: str) -> Path:
    """Two videos without a folder for the resolution; ``name`` has the number of a frame."""
    for video, ids in (("a1", (1,)), ("b2", (1, 2))):
        for number in (1, 6, 11):
            write_image(root / "JPEGImages" / video / f"{name.format(number)}.jpg", image())
            write_labels(root / "Annotations" / video / f"{name.format(number)}.png", labels(*ids))
    return root


def test_mose_is_like_davis(tmp_path):
    like_davis(tmp_path / "train", "{:05d}")
    like_davis(tmp_path / "valid", "{:05d}")
    for number in (6, 11):  # only first masks there
        (tmp_path / f"valid/Annotations/a1/{number:05d}.png").unlink()
    report = check_data(tmp_path)
    assert report.problems == ()
    assert "train: 2 sequences, 6 frames, 6 masks" in report.contents
    assert "MOSE" in check_data(tmp_path / "train").kind
    assert [s.name for s in index_davis(tmp_path / "train", year=2017)] == ["a1", "b2"]


def test_lvos_is_like_davis(tmp_path):
    like_davis(tmp_path / "train", "{:08d}")
    (tmp_path / "train" / "train_meta.json").write_text("{}")
    assert check_data(tmp_path).problems == ()
    mask_file = tmp_path / "train/Annotations/b2/00000006.png"
    write_labels(mask_file, labels(1, 3))
    assert "b2" in only_problem(tmp_path)


def test_vost_is_like_davis(tmp_path):
    like_davis(tmp_path, "frame{:05d}")
    (tmp_path / "ImageSets").mkdir()
    (tmp_path / "ImageSets" / "train.txt").write_text("b2\n")
    report = check_data(tmp_path)
    assert (report.problems, report.contents[-1]) == ((), "ImageSets/train.txt: 1 sequence")
    assert [s.name for s in index_davis(tmp_path, year=2017, split="train")] == ["b2"]


def test_all_mistakes_are_told_at_once(tree):
    truncate(frame(tree, 1, "bear"))
    truncate(mask(tree, 2, "bear"))
    mask(tree, 3).unlink()
    write_labels(mask(tree, 4), labels(1, 2, 3))
    (tree / "ImageSets" / "2016" / "train.txt").write_text("boat\n")
    report = check_data(tree)
    assert len(report.problems) == 5
    assert "5 problems:" in str(report)


# --- pairs ----------------------------------------------------------------------------------------


@pytest.fixture
def pairs(tmp_path):
    """Sound pairs: three with one object, one with two (their ids have a gap)."""
    for number in range(4):
        write_image(tmp_path / "images" / f"{number}.jpg", image())
        ids = (1, 5) if number == 3 else (1,)
        write_labels(tmp_path / "masks" / f"{number}.png", labels(*ids))
    return tmp_path


def test_sound_pairs(pairs):
    report = check_data(pairs)
    assert report.problems == ()
    assert report.contents == (
        "4 pairs",
        "24 pixels high, 32 wide",
        "objects: 1 in 3, 2 in 1",
    )


def test_mistakes_in_pairs(pairs):
    truncate(pairs / "images" / "0.jpg")
    write_labels(pairs / "masks" / "1.png", labels(1, size=(12, 16)))
    write_labels(pairs / "masks" / "2.png", labels())
    (pairs / "images" / "3.jpg").rename(pairs / "images" / "4.jpg")
    (pairs / "masks" / "notes.txt").touch()
    problems = "\n".join(check_data(pairs).problems)
    assert len(check_data(pairs).problems) == 6
    assert "notes.txt" in problems
    assert "images holds 1 file without mask: 4." in problems
    assert "masks holds 1 file without image: 3." in problems
    assert "0.jpg: the image is truncated" in problems
    assert "1.png is 12×16, but its image is 24×32" in problems
    assert "2.png: there is no object" in problems


def test_pairs_without_masks(pairs):
    shutil.rmtree(pairs / "masks")
    assert f"No folder {pairs / 'masks'}" in only_problem(pairs)


def test_no_pairs(tmp_path):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    assert "are empty" in only_problem(tmp_path)


# --- known sets of images -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PLACES)
def test_known_sets(tmp_path, kind):
    root = write_image_set(tmp_path, kind)
    report = check_data(root)
    assert report.problems == ()
    assert report.kind == IMAGE_SETS[kind].title
    assert kind in command._KINDS
    objects = 1 if kind in SALIENT else 2
    assert report.contents == ("2 pairs", "24 pixels high, 32 wide", f"objects: {objects} in 2")


@pytest.mark.parametrize("kind", PLACES)
def test_mistakes_in_known_sets(tmp_path, kind):
    root = write_image_set(tmp_path, kind)
    image_of, mask_of = (root / place.format(NAMES[0]) for place in PLACES[kind])
    (image_of.parent / "notes.txt").touch()
    truncate(image_of)
    Image.new("L", (32, 24)).save(mask_of)
    problems = "\n".join(check_data(root).problems)
    assert len(check_data(root).problems) == 3
    assert "notes.txt" in problems
    assert f"{image_of}: the image is truncated" in problems
    assert f"{mask_of}: there is no object" in problems
    image_of.unlink()
    assert "1 file without image: a2" in "\n".join(check_data(root).problems)


def test_the_kind_can_be_told(tmp_path):
    root = write_image_set(tmp_path, "hku_is")
    assert check_data(root, kind="hku_is").problems == ()
    assert "No folder" in only_problem(root, kind="msra10k")


# --- YouTube-VOS ----------------------------------------------------------------------------------


@pytest.fixture
def youtube_vos(tmp_path):
    return write_youtube_vos(tmp_path, {"dog": {1: 0, 2: 2}, "cat": {1: 1}})


def test_sound_videos_whose_objects_appear_later(youtube_vos):
    report = check_data(youtube_vos)
    assert report.problems == ()
    assert str(report).splitlines() == [
        f"{youtube_vos}: YouTube-VOS",
        "  train: 2 videos, 8 frames, 8 masks",
        "  meta.json: 2 videos, 3 objects",
        "  1 mask without any object",  # before the first appears
        "  nothing is wrong",
    ]


def test_masks_without_objects_and_objects_without_masks(youtube_vos):
    masks = youtube_vos / "train/Annotations/dog"
    write_labels(masks / "00005.png", labels())
    assert "1 mask without any object, where meta.json has some: 00005" in only_problem(youtube_vos)
    for mask_file in masks.iterdir():
        write_labels(mask_file, labels(1))
    assert "dog has no mask of 1 object that meta.json lists: 2" in only_problem(youtube_vos)
    assert check_data(youtube_vos, quick=True).problems == ()
    meta = youtube_vos / "train/meta.json"
    meta.write_text('{"videos": {"dog": {"objects": {"1": {}}}, "cat": {"objects": {"1": {}}}}}')
    assert "cat has 1 mask without any object" in only_problem(youtube_vos)


def test_mistakes_in_youtube_vos(youtube_vos):
    train = youtube_vos / "train"
    truncate(train / "JPEGImages/dog/00005.jpg")
    write_labels(train / "Annotations/dog/00010.png", labels(1, 7))
    (train / "JPEGImages/cat/00015.jpg").unlink()
    shutil.copytree(train / "JPEGImages/dog", train / "JPEGImages/stranger")
    shutil.copytree(train / "Annotations/dog", train / "Annotations/stranger")
    truncate(train / "Annotations/stranger/00000.png")
    problems = check_data(youtube_vos).problems
    told = "\n".join(problems)
    assert "trained on: stranger." in told
    assert "JPEGImages/dog/00005.jpg: the image is truncated" in told
    assert "Annotations/dog has objects that meta.json does not list: 7." in told
    assert "Annotations/cat has 1 mask without a frame: 00015" in told
    assert "stranger/00000.png" in told
    assert len(problems) == 6  # the truncated frame was copied


def test_missing_videos_of_youtube_vos(youtube_vos):
    train = youtube_vos / "train"
    shutil.rmtree(train / "JPEGImages/dog")
    shutil.rmtree(train / "Annotations/dog")
    for mask_file in (train / "Annotations/cat").iterdir():
        mask_file.unlink()
    frames, masks, empty = sorted(check_data(youtube_vos).problems, reverse=True)
    assert f"No folder {train / 'JPEGImages/dog'}" in frames
    assert f"No folder {train / 'Annotations/dog'}" in masks
    assert "Annotations/cat holds no masks" in empty
    (train / "meta.json").write_text("{}")
    assert "Cannot read" in only_problem(youtube_vos)


# --- single videos --------------------------------------------------------------------------------


def test_a_folder_of_frames(tree):
    frames, masks = frame(tree, 0).parent, mask(tree, 0).parent
    report = check_data(frames)
    assert (report.kind, report.problems) == ("a folder of frames", ())
    assert check_data(frames, masks=masks).problems == ()
    truncate(mask(tree, 3))
    assert "00003.png" in only_problem(frames, masks=masks)
    truncate(frame(tree, 3))
    assert "00003.jpg" in only_problem(frames)
    assert "No folder" in only_problem(
        frame(tree, 0, "dog").parent, masks=mask(tree, 0, "bear").parent
    )


def test_a_video_file(tmp_path):
    path = tmp_path / "v.mp4"
    with VideoWriter(path, frame_rate=25, crf=1) as writer:
        for _ in range(40):
            writer.write(np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8))
    report = check_data(path)
    assert (report.contents, report.problems) == (("40 frames of 48×64, 25 frames a second",), ())
    truncate(path)
    assert "is damaged" in only_problem(path)
    path.write_text("no video")
    assert "Cannot open the video" in only_problem(path)


def test_nothing_to_check(tmp_path):
    assert "it is empty" in only_problem(tmp_path)
    assert "there is no" in only_problem(tmp_path / "nowhere")


# --- the script -----------------------------------------------------------------------------------


def test_the_script_ends_with_status_1_if_anything_is_wrong(run_script, tree):
    sound = run_script("check_data.py", tree)
    assert (sound.status, sound.error) == (0, "")
    assert "nothing is wrong" in sound.out
    truncate(frame(tree, 2))
    wrong = run_script(
        "check_data.py", tree / "Annotations" / "480p" / "bear", tree, tree / "nowhere"
    )
    assert (wrong.status, wrong.error) == (1, "")
    assert wrong.out.count("nothing is wrong") == 1
    assert str(frame(tree, 2)) in wrong.out
    assert "nowhere: cannot be checked" in wrong.out
    assert run_script("check_data.py", tree, "--quick").status == 0


def test_the_script_refuses_a_wrong_command_line(run_script, tree):
    assert run_script("check_data.py").status == 2
    assert run_script("check_data.py", tree, "--workers", 0).status == 2
    assert run_script("check_data.py", tree, tree, "--masks", tree).status == 2


# --- real data ------------------------------------------------------------------------------------


def test_real_data_are_sound(shared_data):
    report = check_data(shared_data / "DAVIS2017-240p", quick=True)
    assert report.problems == ()
    for line in report.contents[2:-1]:
        assert line.split()[3] == "3"


def test_real_objects_that_come_later(shared_data):
    """A car that drives into the view of a camera."""
    frames, masks = (
        next(shared_data.glob(f"video_train/{folder}/*/cdnet-highway-1669"))
        for folder in ("JPEGImages", "Annotations")
    )
    assert "1 id that the first mask lacks: 6 (" in only_problem(frames, masks=masks)
