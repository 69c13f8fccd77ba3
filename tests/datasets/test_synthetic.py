"""The tree of synthetic videos: what is in it, and how it comes into being."""

import hashlib
import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ranet.datasets.check import check_data
from ranet.datasets.image_io import read_labels
from ranet.datasets.index import index_davis
from ranet.datasets.synthetic import write_synthetic_davis, writer
from ranet.errors import ConfigError, OutputError
from ranet.palette import PALETTE

TINY = {"train": 2, "val": 1, "frames": 2, "size": (48, 64), "seed": 5, "max_objects": 2}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight videos of 20 frames of 96×160 with up to three objects."""
    root = tmp_path_factory.mktemp("synthetic") / "davis"
    write_synthetic_davis(
        root, train=6, val=2, frames=20, size=(96, 160), seed=1, max_objects=3, workers=2
    )
    return root


def file_hashes(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def masks_of_objects(tree: Path) -> list[np.ndarray]:
    """F×H×W bool of every object of every video."""
    objects = []
    for folder in sorted((tree / "Annotations" / "480p").iterdir()):
        labels = np.stack([read_labels(path) for path in sorted(folder.iterdir())])
        objects += [labels == label for label in range(1, labels[0].max() + 1)]
    return objects


def jaccard(first: np.ndarray, second: np.ndarray) -> float:
    union = np.count_nonzero(first | second)
    return np.count_nonzero(first & second) / union if union else 1.0


class TestContent:
    @pytest.mark.parametrize("year", [2016, 2017])
    @pytest.mark.parametrize(("split", "videos"), [("train", 6), ("val", 2)])
    def test_is_a_davis_tree(self, tree, year, split, videos):
        sequences = index_davis(tree, year=year, split=split)
        assert [s.name for s in sequences] == [f"{split}-{i:04d}" for i in range(videos)]
        for sequence in sequences:
            assert len(sequence.frames) == 20
            assert None not in sequence.annotations

    def test_masks_are_indexed_with_the_davis_palette_at_the_frames_size(self, tree):
        masks = sorted((tree / "Annotations").rglob("*.png"))
        assert len(masks) == 8 * 20
        for path in masks[::7]:
            with Image.open(path) as mask:
                assert mask.mode == "P"
                assert mask.size == (160, 96)
                assert np.array_equal(np.array(mask.getpalette()).reshape(-1, 3), PALETTE)
            frame = tree / "JPEGImages" / "480p" / path.parent.name / f"{path.stem}.jpg"
            with Image.open(frame) as image:
                assert (image.mode, image.size, image.format) == ("RGB", (160, 96), "JPEG")

    def test_first_frame_shows_objects_1_to_k_and_later_frames_no_others(self, tree):
        counts = set()
        for folder in (tree / "Annotations" / "480p").iterdir():
            labels = [read_labels(path) for path in sorted(folder.iterdir())]
            objects = int(labels[0].max())
            assert 1 <= objects <= 3
            assert np.unique(labels[0]).tolist() == list(range(objects + 1))
            assert max(int(later.max()) for later in labels) == objects
            counts.add(objects)
        assert len(counts) > 1

    def test_objects_start_neither_tiny_nor_huge(self, tree):
        areas = [masks[0].mean() for masks in masks_of_objects(tree)]
        assert min(areas) > 0.015
        assert max(areas) < 0.27
        assert 0.03 < np.median(areas) < 0.15

    def test_copying_the_first_mask_fails_but_consecutive_masks_overlap(self, tree):
        copied, consecutive = [], []
        for masks in masks_of_objects(tree):
            copied.append(np.mean([jaccard(masks[0], mask) for mask in masks[1:-1]]))
            consecutive += [jaccard(a, b) for a, b in itertools.pairwise(masks)]
        assert 0.1 < np.mean(copied) < 0.5
        assert 0.6 < np.median(consecutive) < 0.97

    def test_train_and_val_are_different_videos(self, tree):
        hashes = file_hashes(tree / "JPEGImages")
        assert len(set(hashes.values())) == 8 * 20


class TestDeterminism:
    def test_same_files_in_every_run_with_any_number_of_workers(self, tmp_path):
        for name, workers in (("first", 1), ("again", 1), ("threads", 3)):
            write_synthetic_davis(tmp_path / name, **TINY, workers=workers)
        first = file_hashes(tmp_path / "first")
        assert len(first) == 2 * 3 * 2 + 4 + 1
        assert file_hashes(tmp_path / "again") == first
        assert file_hashes(tmp_path / "threads") == first

    def test_a_video_does_not_depend_on_how_many_there_are(self, tmp_path):
        write_synthetic_davis(tmp_path / "few", **TINY)
        write_synthetic_davis(tmp_path / "more", **(TINY | {"train": 3, "val": 0}))
        few = file_hashes(tmp_path / "few" / "JPEGImages" / "480p" / "train-0001")
        assert file_hashes(tmp_path / "more" / "JPEGImages" / "480p" / "train-0001") == few

    def test_another_seed_draws_other_videos(self, tmp_path):
        write_synthetic_davis(tmp_path / "a", **TINY)
        write_synthetic_davis(tmp_path / "b", **(TINY | {"seed": 6}))
        a, b = (set(file_hashes(tmp_path / name / "JPEGImages").values()) for name in "ab")
        assert not a & b

    def test_drawing_leaves_the_global_random_state_alone(self, tmp_path):
        before = np.random.get_state()[1].copy()  # noqa: NPY002
        write_synthetic_davis(tmp_path / "tree", **TINY)
        assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


class TestTarget:
    def test_an_empty_folder_is_filled_and_missing_parents_are_made(self, tmp_path):
        (tmp_path / "empty").mkdir()
        assert write_synthetic_davis(tmp_path / "empty", **TINY)
        assert write_synthetic_davis(tmp_path / "a" / "b" / "new", **TINY)
        assert file_hashes(tmp_path / "empty") == file_hashes(tmp_path / "a" / "b" / "new")

    def test_the_same_tree_is_kept(self, tmp_path):
        root = tmp_path / "tree"
        names: list[str] = []
        assert write_synthetic_davis(root, **TINY, on_video=names.append)
        assert sorted(names) == ["train-0000", "train-0001", "val-0000"]
        marked = root / "mark"
        marked.touch()
        assert not write_synthetic_davis(root, **TINY, workers=2, on_video=names.append)
        assert marked.exists()
        assert len(names) == 3

    def test_a_tree_of_other_settings_is_refused_naming_them(self, tmp_path):
        write_synthetic_davis(tmp_path / "tree", **TINY)
        before = file_hashes(tmp_path)
        with pytest.raises(OutputError, match=r"tree.*seed 5 instead of 9"):
            write_synthetic_davis(tmp_path / "tree", **(TINY | {"seed": 9}))
        assert file_hashes(tmp_path) == before

    @pytest.mark.parametrize("settings", [None, "no json", "3"])
    def test_someone_elses_folder_is_refused_and_left_alone(self, tmp_path, settings):
        (tmp_path / "notes.txt").write_text("mine")
        if settings is not None:
            (tmp_path / "synthetic.json").write_text(settings)
        before = file_hashes(tmp_path)
        with pytest.raises(OutputError, match="an empty folder"):
            write_synthetic_davis(tmp_path, **TINY)
        assert file_hashes(tmp_path) == before

    def test_a_file_in_the_way_is_refused(self, tmp_path):
        (tmp_path / "file").write_text("mine")
        with pytest.raises(OutputError, match="something else is there"):
            write_synthetic_davis(tmp_path / "file", **TINY)
        with pytest.raises(OutputError, match="file"):
            write_synthetic_davis(tmp_path / "file" / "below", **TINY)


class TestNothingHalfWritten:
    def test_an_error_in_the_middle_leaves_nothing(self, tmp_path, monkeypatch):
        written: list[Path] = []

        def full_disk(path: Path, labels: np.ndarray) -> None:
            if len(written) == 3:
                raise OutputError(f"Cannot write {path}: No space left on device.")
            written.append(path)

        monkeypatch.setattr(writer, "write_labels", full_disk)
        with pytest.raises(OutputError, match="No space left"):
            write_synthetic_davis(tmp_path / "tree", **TINY)
        assert len(written) == 3
        assert list(tmp_path.iterdir()) == []

    def test_an_interruption_leaves_nothing(self, tmp_path):
        seen: list[bool] = []

        def interrupt(name: str) -> None:
            seen.append((tmp_path / "tree").exists())
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write_synthetic_davis(tmp_path / "tree", **TINY, on_video=interrupt)
        assert seen == [False]
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"train": -1}, "train"),
        ({"train": 0, "val": 0}, "train or val"),
        ({"frames": 1}, "frames"),
        ({"size": (40, 64)}, r"size\.0.* 48"),
        ({"size": (64, 9000)}, r"size\.1.* 7680"),
        ({"seed": -3}, "seed"),
        ({"max_objects": 0}, "max_objects"),
        ({"max_objects": 21}, "max_objects.* 20"),
        ({"clutter": float("nan")}, "clutter"),
    ],
)
def test_arguments_out_of_range_are_refused(tmp_path, wrong, message):
    with pytest.raises(ConfigError, match=message):
        write_synthetic_davis(tmp_path / "tree", **(TINY | wrong))
    assert list(tmp_path.iterdir()) == []


class TestScript:
    def test_writes_and_then_keeps_a_tree(self, run_script, tmp_path):
        options = ("--train", 1, "--val", 1, "--frames", 2, "--size", 48, 64, "--seed", 3)
        first = run_script("make_synthetic.py", "--out", tmp_path / "tree", *options)
        assert first.status == 0, first.error
        assert "2 videos written" in first.out
        assert [s.name for s in index_davis(tmp_path / "tree", year=2016)] == ["val-0000"]
        second = run_script("make_synthetic.py", "--out", tmp_path / "tree", *options)
        assert "already there" in second.out

    @pytest.mark.parametrize(
        ("options", "status", "message"),
        [
            (["--size", 40, 64], 1, "size"),
            (["--train", 0, "--val", 0], 2, "set --train or --val above 0"),
        ],
    )
    def test_mistakes_are_told_and_leave_nothing(
        self, run_script, tmp_path, options, status, message
    ):
        result = run_script("make_synthetic.py", "--out", tmp_path / "tree", *options)
        assert result.status == status
        assert result.error.count("error: ") == 1
        assert message in result.error
        assert not (tmp_path / "tree").exists()


def test_a_split_without_videos_has_no_list_and_nothing_is_wrong_with_that(tmp_path):
    write_synthetic_davis(tmp_path / "davis", **TINY | {"train": 0})
    lists = (tmp_path / "davis" / "ImageSets").rglob("*.txt")
    assert {path.name for path in lists} == {"val.txt"}
    assert check_data(tmp_path / "davis").problems == ()


def test_needs_no_torch():
    code = "import sys, ranet.datasets.synthetic; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_second_run_does_not_touch_the_first(tmp_path: Path) -> None:
    refusals = []

    def begin_another(name: str) -> None:
        with pytest.raises(OutputError) as refused:
            write_synthetic_davis(tmp_path / "davis", **TINY)
        refusals.append(str(refused.value))

    assert write_synthetic_davis(tmp_path / "davis", **TINY, on_video=begin_another)
    assert len(refusals) == 3
    assert all("Another run" in refusal for refusal in refusals)
    assert [path.name for path in tmp_path.iterdir()] == ["davis"]
    assert not write_synthetic_davis(tmp_path / "davis", **TINY)
