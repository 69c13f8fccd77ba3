import numpy as np
import pytest
from moving_squares import moving
from tiny_ranet import tiny_ranet

import ranet
from ranet.datasets.image_io import write_image, write_labels
from ranet.errors import DataError
from ranet.visual.overlay import cut_out

FRAME, LABELS = np.zeros((4, 6, 3), np.uint8), np.ones((4, 6), np.uint8)
SIZE = (96, 160)
CONFIG = ranet.InferenceConfig(input_size=(64, 96), device="cpu")


@pytest.fixture
def video(tmp_path):
    """(folder of frames, mask file, [(frame, labels)])"""
    frames = moving(SIZE, 4, {1: (30, 40), 5: (50, 100)})
    for number, (frame, labels) in enumerate(frames):
        write_image(tmp_path / "frames" / f"img{number:02d}.png", frame)
        write_labels(tmp_path / f"mask{number}.png", labels)
    return tmp_path / "frames", tmp_path / "mask0.png", frames


def test_frames_come_with_names_and_the_segmenters_labels(video):
    folder, mask, frames = video
    segmenter = ranet.VideoSegmenter(tiny_ranet(), CONFIG)
    expected = [segmenter.start(*frames[0]), *(segmenter.step(frame) for frame, _ in frames[1:])]
    found = list(ranet.segment_video(folder, mask, model=tiny_ranet(), config=CONFIG))
    assert [one.name for one in found] == ["img00", "img01", "img02", "img03"]
    for one, (frame, _), labels in zip(found, frames, expected, strict=True):
        np.testing.assert_array_equal(one.frame, frame)
        np.testing.assert_array_equal(one.labels, labels)


def test_it_begins_where_the_objects_are_marked(video):
    folder, _, frames = video
    labels = frames[2][1]
    found = list(ranet.segment_video(folder, labels, start=2, model=tiny_ranet(), config=CONFIG))
    assert [one.name for one in found] == ["img02", "img03"]
    np.testing.assert_array_equal(found[0].labels, labels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"video": "nowhere"}, "No video nowhere"),
        ({"start": 4}, r"frames has no frame 4: it has 4: 0…3\."),
        ({"start": -1}, "has no frame -1"),
        ({"mask": np.zeros(SIZE, np.uint8)}, "mark no object"),
        ({"mask": np.ones((5, 5), np.uint8)}, "5×5, but their frame is 96×160"),
    ],
)
def test_mistakes_are_told_before_the_first_frame(video, change, message):
    given = {"video": video[0], "mask": video[1], **change}
    with pytest.raises(DataError, match=message):
        ranet.segment_video(**given, model=tiny_ranet(), config=CONFIG)


def test_masks_are_a_list_of_files_or_black_and_white(video, tmp_path):
    white = np.zeros(SIZE, np.uint8)
    white[10:40, 20:60] = 255
    other = np.roll(white, 50, axis=1)
    write_labels(tmp_path / "a.png", white // 255)
    write_labels(tmp_path / "b.png", other // 255)
    for mask, ids in ((white, [0, 1]), ([tmp_path / "a.png", tmp_path / "b.png"], [0, 1, 2])):
        found = ranet.segment_video(video[0], mask, model=tiny_ranet(), config=CONFIG)
        assert np.unique(next(iter(found)).labels).tolist() == ids


def test_a_mask_file_that_does_not_fit_is_named(video, tmp_path):
    write_labels(tmp_path / "small.png", np.ones((5, 5), np.uint8))
    with pytest.raises(DataError, match=r"small\.png"):
        ranet.segment_video(video[0], tmp_path / "small.png", model=tiny_ranet(), config=CONFIG)


@pytest.mark.parametrize("draw", [ranet.visual.overlay, cut_out])
@pytest.mark.parametrize(
    ("frame", "labels", "message"),
    [
        (np.zeros((4, 6, 3)), LABELS, "float64"),
        (np.zeros((4, 6), np.uint8), LABELS, r"\(4, 6\) uint8"),
        (FRAME, LABELS.astype(float), "labels H×W uint8.* float64"),
        (FRAME, LABELS[None], r"\(1, 4, 6\)"),
        (FRAME, LABELS[1:], r"\(3, 6\)"),
    ],
)
def test_pictures_of_what_is_no_frame(draw, frame, labels, message):
    with pytest.raises(DataError, match=message):
        draw(frame, labels)


def test_what_is_loaded_when_it_is_used_is_listed():
    assert {"explain", "overlay"} <= set(dir(ranet.visual))
