import pytest
from mask_tree import EMPTY, LEFT, still_video, write_tree
from PIL import Image

from ranet.errors import ConfigError, DataError
from ranet.metrics import evaluate_davis


def test_nothing_to_score_is_an_error(trees):
    videos = {"ant": still_video(LEFT, 2), "bear": still_video(LEFT, 1)}
    with pytest.raises(DataError, match=r"Nothing to score.*three annotations.*ant, bear"):
        trees(videos, videos)


def test_empty_list_of_sequences_is_an_error(trees):
    videos = {"bear": still_video(LEFT, 3)}
    with pytest.raises(DataError, match=r"Nothing to score.*empty list"):
        trees(videos, videos, sequences=[])


def test_other_years_have_no_rules(trees):
    videos = {"bear": still_video(LEFT, 3)}
    with pytest.raises(ConfigError, match=r"2016 and 2017.*2018"):
        trees(videos, videos, year=2018)


@pytest.mark.parametrize("which", ["annotations", "predictions"])
def test_missing_folder_is_named(tmp_path, which):
    write_tree(tmp_path / "annotations", {"bear": still_video(LEFT, 3)})
    write_tree(tmp_path / "predictions", {"bear": still_video(LEFT, 3)})
    (tmp_path / which).rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=rf"No folder .*{which}: expected the {which} as"):
        evaluate_davis(tmp_path / "annotations", tmp_path / "predictions", year=2016)


@pytest.mark.parametrize("which", ["annotations", "predictions"])
def test_empty_folder_is_named(tmp_path, which):
    other = {"annotations": "predictions", "predictions": "annotations"}[which]
    write_tree(tmp_path / other, {"bear": still_video(LEFT, 3)})
    (tmp_path / which).mkdir()
    with pytest.raises(DataError, match=rf"No sequences in .*{which}: .*holds no folder"):
        evaluate_davis(tmp_path / "annotations", tmp_path / "predictions", year=2016)


def test_annotations_one_folder_too_high_are_explained(trees, tmp_path):
    write_tree(tmp_path / "annotations" / "480p", {"bear": still_video(LEFT, 3)})
    with pytest.raises(DataError, match=r"480p holds no masks.*such as Annotations/480p"):
        trees({}, {"480p": still_video(LEFT, 3)})


def test_photographs_are_no_annotations(trees, tmp_path):
    folder = tmp_path / "annotations" / "bear"
    folder.mkdir(parents=True)
    for index in range(3):
        Image.new("RGB", (60, 40)).save(folder / f"{index:05d}.jpg")
    with pytest.raises(DataError, match="bear holds no masks: expected PNG files"):
        trees({}, {"bear": still_video(LEFT, 3)})


def test_other_images_beside_predictions_are_no_masks(trees, tmp_path):
    overlays = tmp_path / "predictions" / "bear"
    overlays.mkdir(parents=True)
    for index in range(3):
        Image.new("RGB", (60, 40)).save(overlays / f"{index:05d}.jpg")
    videos = {"bear": still_video(LEFT, 3)}
    assert trees(videos, videos).averages["J-Mean"] == 1


def test_all_that_is_missing_is_told_at_once(trees, tmp_path):
    annotations = {name: still_video(LEFT, 5) for name in ("ant", "bear", "cat", "dog")}
    predictions = {"ant": still_video(LEFT, 2), "cat": still_video(LEFT, 4)}
    with pytest.raises(DataError) as error:
        trees(annotations, predictions, sequences=["ant", "bear", "cat", "eel"])
    message = str(error.value)
    assert "3 problems" in message
    assert "ant lacks 2 of the 3 scored frames: 00002.png, 00003.png." in message
    assert f"No folder {tmp_path / 'predictions' / 'bear'}" in message
    assert f"No folder {tmp_path / 'annotations' / 'eel'}" in message
    assert "cat lacks" not in message


def test_missing_frames_are_told_before_any_mask_is_read(trees, tmp_path):
    folder = write_tree(tmp_path / "predictions", {"ant": still_video(LEFT, 3)}) / "ant"
    (folder / "00001.png").write_bytes(b"no image")
    annotations = {"ant": still_video(LEFT, 3), "bear": still_video(LEFT, 3)}
    with pytest.raises(DataError) as error:
        trees(annotations, {"bear": still_video(LEFT, 1)})
    assert "bear lacks 1 of the 1 scored frames: 00001.png" in str(error.value)
    assert "00001.png: it is not an image" not in str(error.value)


def test_first_annotation_without_objects_is_named(trees):
    videos = {"bear": [EMPTY, LEFT, LEFT]}
    with pytest.raises(DataError, match=r"bear/00000.png holds no object.*first annotation"):
        trees(videos, videos)


def renamed(folder, name):
    """Masks of five frames under other names, by their numbers."""
    for number, path in enumerate(sorted(folder.iterdir(), reverse=True)):
        path.rename(folder / f"{name(4 - number)}.png")


@pytest.mark.parametrize(
    ("name", "explanation"),
    [
        (lambda number: f"{number + 1:05d}", "numbered from 1, the annotations from 0"),
        (lambda number: f"{number + 7:05d}", "numbered from 7"),
        (lambda number: f"frame_{number:05d}", "named otherwise: frame_00000"),
        (str, "named otherwise: 0, where 00000"),
    ],
)
def test_masks_of_other_names_are_not_scored(trees, tmp_path, name, explanation):
    folder = write_tree(tmp_path / "predictions", {"bear": still_video(LEFT, 5)}) / "bear"
    renamed(folder, name)
    with pytest.raises(DataError, match=explanation):
        trees({"bear": still_video(LEFT, 5)}, {})


def test_a_longer_video_numbered_from_1_is_not_scored(trees, tmp_path):
    folder = write_tree(tmp_path / "predictions", {"bear": still_video(LEFT, 5)}) / "bear"
    renamed(folder, lambda number: f"{number + 1:05d}")
    with pytest.raises(DataError, match="from 1"):
        trees({"bear": still_video(LEFT, 4)}, {})


def test_sparse_annotations_of_masks_numbered_through(trees, tmp_path):
    folder = write_tree(tmp_path / "annotations", {"bear": still_video(LEFT, 5)}) / "bear"
    renamed(folder, lambda number: f"{5 * number:05d}")
    with pytest.raises(DataError, match="numbered through"):
        trees({}, {"bear": still_video(LEFT, 5)})


def test_predictions_may_lack_the_first_mask_and_go_on_after_the_last(trees, tmp_path):
    folder = write_tree(tmp_path / "annotations", {"bear": still_video(LEFT, 3)}) / "bear"
    renamed(folder, lambda number: f"{5 * (number - 2):05d}")
    predictions = write_tree(tmp_path / "predictions", {"bear": still_video(LEFT, 14)}) / "bear"
    (predictions / "00000.png").unlink()
    assert trees({}, {}).averages["J-Mean"] == 1
