import numpy as np
import pytest
from mask_tree import EMPTY, LEFT, SHIFTED, TWO, rectangle, still_video, write_tree
from PIL import Image

from ranet.errors import DataError
from ranet.metrics import evaluate_davis


def test_first_and_last_frame_do_not_count(trees):
    result = trees({"bear": still_video(LEFT, 4)}, {"bear": [EMPTY, LEFT, SHIFTED, EMPTY]})
    region = result.videos["bear"].objects[1].J
    assert region.per_frame == (None, 1.0, pytest.approx(1 / 3), None)
    assert region.mean == pytest.approx(2 / 3)
    assert region.recall == 0.5
    assert result.videos["bear"].frames == ("00000", "00001", "00002", "00003")
    assert result.scored_frames == 2


def test_frames_that_do_not_count_need_no_prediction(trees, tmp_path):
    predictions = {"bear": still_video(LEFT, 4)}
    write_tree(tmp_path / "predictions", predictions)
    for name in ("00000.png", "00003.png"):
        (tmp_path / "predictions/bear" / name).unlink()
    assert trees({"bear": still_video(LEFT, 4)}, {}).averages["J&F-Mean"] == 1


def test_every_object_weighs_the_same_however_long_its_video(trees):
    annotations = {"ant": still_video(TWO, 3), "bear": still_video(LEFT, 9)}
    predictions = {"ant": still_video(TWO, 3), "bear": still_video(EMPTY, 9)}
    averages = trees(annotations, predictions).averages
    assert averages["J-Mean"] == pytest.approx(2 / 3)
    assert averages["F-Mean"] == pytest.approx(2 / 3)
    assert averages["J&F-Mean"] == pytest.approx(2 / 3)


def test_objects_are_those_up_to_the_largest_id_of_the_first_annotation(trees):
    gap = rectangle(np.s_[10:20], np.s_[10:20], label=3)
    result = trees({"bear": still_video(gap, 3)}, {"bear": still_video(gap, 3)})
    assert list(result.videos["bear"].objects) == [1, 2, 3]
    assert result.averages["J-Mean"] == 1  # ids 1 and 2 are empty in both


def test_objects_that_appear_later_are_not_scored(trees):
    result = trees({"bear": [LEFT, TWO, LEFT]}, {"bear": still_video(LEFT, 3)})
    assert list(result.objects) == ["bear_1"]
    assert result.averages["J&F-Mean"] == 1


def test_object_missing_from_a_prediction_is_an_empty_mask(trees):
    result = trees({"bear": still_video(TWO, 3)}, {"bear": still_video(LEFT, 3)})
    first, second = result.videos["bear"].objects.values()
    assert (first.J.mean, first.F.mean) == (1, 1)
    assert (second.J.mean, second.F.mean) == (0, 0)


def test_object_that_is_gone_from_both_scores_one(trees):
    result = trees({"bear": [TWO, LEFT, TWO]}, {"bear": [TWO, LEFT, TWO]})
    assert result.videos["bear"].objects[2].J.mean == 1


def test_void_is_background(trees):
    void = LEFT.copy()
    void[30:, :] = 255
    result = trees({"bear": still_video(void, 3)}, {"bear": still_video(LEFT, 3)})
    assert list(result.videos["bear"].objects) == [1]
    assert result.averages["J&F-Mean"] == 1


def test_2016_takes_all_that_is_not_black_as_the_object(trees, tmp_path):
    folder = tmp_path / "annotations" / "bear"
    folder.mkdir(parents=True)
    foreground = np.where(TWO > 0, 255, 0).astype(np.uint8)
    Image.fromarray(foreground).save(folder / "00000.png")
    Image.fromarray(foreground).convert("LA").save(folder / "00001.png")
    Image.fromarray(foreground).convert("RGBA").save(folder / "00002.png")
    Image.fromarray(foreground).convert("RGB").save(folder / "00003.png")
    result = trees({}, {"bear": still_video(TWO, 4)}, year=2016)
    assert list(result.objects) == ["bear_1"]
    assert result.averages["J&F-Mean"] == 1


def test_2016_scores_a_video_whose_object_is_never_there(trees):
    full = np.ones_like(EMPTY)
    result = trees({"bear": still_video(EMPTY, 3)}, {"bear": still_video(full, 3)}, year=2016)
    scores = result.videos["bear"].objects[1]
    assert (scores.J.mean, scores.F.mean) == (0, 1)


def test_values_do_not_depend_on_the_number_of_workers(trees, tmp_path):
    generator = np.random.default_rng(0)
    videos = {
        name: [generator.integers(0, 3, (20, 30), dtype=np.uint8) for _ in range(7)]
        for name in ("ant", "bear", "cat")
    }
    others = {name: frames[::-1] for name, frames in videos.items()}
    alone = trees(videos, others, workers=1)
    assert alone == trees(videos, others, workers=3)
    assert 0 < alone.averages["J-Mean"] < 1


def test_sequences_are_those_asked_for_in_that_order(trees, tmp_path):
    videos = {name: still_video(LEFT, 3) for name in ("ant", "bear", "cat")}
    assert list(trees(videos, videos).videos) == ["ant", "bear", "cat"]
    assert list(trees(videos, videos, sequences=["cat", "ant", "cat"]).videos) == ["cat", "ant"]


def test_video_without_a_frame_that_counts_is_left_out_with_a_warning(trees):
    annotations = {"short": still_video(TWO, 2), "bear": still_video(LEFT, 3)}
    predictions = {"short": still_video(EMPTY, 2), "bear": still_video(LEFT, 3)}
    with pytest.warns(UserWarning, match="Not scored, and left out of the averages: short"):
        result = trees(annotations, predictions)
    assert result.averages["J&F-Mean"] == 1
    scores = result.videos["short"].objects[2]
    assert not scores.is_scored
    assert scores.J.mean is scores.F.recall is scores.J.decay is None
    assert scores.J.per_frame == (None, None)


def test_all_that_is_wrong_with_the_masks_is_told_at_once(trees, tmp_path):
    annotations = {name: still_video(LEFT, 4) for name in ("ant", "bear", "cat", "dog")}
    small = np.zeros((20, 30), dtype=np.uint8)
    void = np.where(LEFT > 0, 255, 0).astype(np.uint8)
    predictions = {
        "ant": [LEFT, TWO, LEFT, TWO],
        "bear": [small, LEFT, small, small],
        "cat": still_video(LEFT, 4),
        "dog": [LEFT, LEFT, void, LEFT],
    }
    for root, videos in (("annotations", annotations), ("predictions", predictions)):
        write_tree(tmp_path / root, videos)
    damaged = tmp_path / "predictions" / "cat" / "00001.png"
    damaged.write_bytes(damaged.read_bytes()[:70])
    with pytest.raises(DataError) as error:
        trees({}, {}, workers=2)
    message = str(error.value)
    assert "4 problems" in message
    assert "ant/00001.png holds the id 2, but ids up to 1 are expected" in message
    assert "bear/00002.png has 20×30 pixels, but its annotation" in message
    assert "has 40×60" in message
    assert f"Cannot read {damaged}: the image is truncated or corrupt" in message
    assert "dog/00002.png holds the id 255, but ids up to 1 are expected" in message


@pytest.mark.parametrize("year", [2016, 2017])
def test_an_annotation_of_another_size_is_not_blamed_on_the_prediction(tmp_path, year):
    small = np.ones((20, 30), dtype=np.uint8)
    annotations = write_tree(tmp_path / "annotations", {"bear": [LEFT, LEFT, small, LEFT]})
    predictions = write_tree(tmp_path / "predictions", {"bear": still_video(LEFT, 4)})
    message = r"annotations/bear/00002\.png, an annotation, has 20×30 .* prediction have 40×60"
    with pytest.raises(DataError, match=message):
        evaluate_davis(annotations, predictions, year=year)


def test_annotations_missing_among_others_are_a_warning(tmp_path):
    roots = [tmp_path / "annotations", tmp_path / "predictions"]
    for root in roots:
        write_tree(root, {"ant": still_video(LEFT, 6), "bear": still_video(LEFT, 6)})
    (roots[0] / "bear/00003.png").unlink()
    with pytest.warns(UserWarning, match=r"annotations lacks .*: bear \(3\)\. These") as caught:
        result = evaluate_davis(*roots, year=2017)
    assert len(caught) == 1
    assert result.scored_frames == 4 + 3


def test_many_problems_are_counted_and_the_first_are_shown(trees):
    annotations = {"bear": still_video(LEFT, 40)}
    with pytest.raises(DataError) as error:
        trees(annotations, {"bear": still_video(TWO, 40)})
    assert "38 problems" in str(error.value)
    assert "… and 28 more" in str(error.value)


@pytest.mark.parametrize(("shift", "expected"), [(8, 1.0), (9, 0.54)])
def test_tolerance_is_that_of_the_whole_frame(trees, shift, expected):
    truth, shifted = (
        rectangle(np.s_[100:200], np.s_[left : left + 100], size=(480, 854))
        for left in (300, 300 + shift)
    )
    result = trees({"bear": still_video(truth, 3)}, {"bear": still_video(shifted, 3)})
    assert result.averages["F-Mean"] == pytest.approx(expected, abs=5e-7)
