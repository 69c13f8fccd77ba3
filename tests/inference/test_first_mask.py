import json

import numpy as np
import pytest

from ranet.errors import DataError
from ranet.inference.annotation_files import labels_of_boxes, marks_in
from ranet.inference.first_mask import checked_labels, naming_mask

SIZE = (20, 30)


def polygon_file(tmp_path, content):
    path = tmp_path / "objects.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def square(top, left, bottom, right):
    """Outline of a box: its corner pixels' centres as [x, y]."""
    return [[left, top], [right - 1, top], [right - 1, bottom - 1], [left, bottom - 1]]


# --- labels


def test_void_becomes_background_and_ids_keep_their_gaps():
    labels, ids = checked_labels(np.array([[0, 9, 255], [1, 5, 9]]), (2, 3))
    assert labels.dtype == np.uint8
    assert labels.tolist() == [[0, 9, 0], [1, 5, 9]]
    assert ids == (1, 5, 9)


def test_all_254_ids_may_be_used():
    _, ids = checked_labels(np.arange(255).reshape(15, 17), (15, 17))
    assert ids == tuple(range(1, 255))


def test_black_and_white_is_object_1_as_in_a_file():
    labels, ids = checked_labels(np.array([[0, 255], [255, 0]]), (2, 2))
    assert (labels.tolist(), ids) == ([[0, 1], [1, 0]], (1,))
    with pytest.raises(DataError, match="white"):
        checked_labels(np.array([[0, 127, 255]] * 2).repeat(2, axis=1), (2, 6))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.ones((9, 8), np.uint8), "labels are 9×8, but their frame is 8×9"),
        (np.ones((8, 9), np.float32), "integers.*float32"),
        (np.ones((8, 9, 1), np.uint8), r"\(8, 9, 1\)"),
        (np.zeros((8, 9), np.uint8), "mark no object"),
        (np.zeros((8, 9), bool), "mark no object"),
        (np.full((8, 9), -1), "1…254.*-1 to -1"),
        (np.arange(72).reshape(8, 9) * 5, "0 to 355. At most 254 objects"),
    ],
)
def test_wrong_labels_are_an_error(labels, message):
    with pytest.raises(DataError, match=message):
        checked_labels(labels, (8, 9))


def test_an_error_names_its_file_once():
    for text, expected in (
        ("no ids", "The mask a.png cannot be used. no ids"),
        ("a.png is empty",) * 2,
    ):
        with pytest.raises(DataError) as caught, naming_mask("a.png"):
            raise DataError(text)
        assert str(caught.value) == expected


# --- boxes


def test_boxes_are_half_open_and_numbered():
    labels = labels_of_boxes([(1, 2, 5, 8), (10, 20, 11, 21)], SIZE)
    assert labels.dtype == np.uint8
    assert (labels[1:5, 2:8] == 1).all()
    assert labels[10, 20] == 2
    assert np.bincount(labels.ravel()).tolist() == [600 - 24 - 1, 24, 1]


def test_later_boxes_are_in_front():
    labels = labels_of_boxes([(0, 0, 10, 10), (5, 5, 20, 30)], SIZE)
    assert (labels == 1).sum() == 75
    assert (labels == 2).sum() == 15 * 25


@pytest.mark.parametrize(
    "boxes",
    [
        [(1, 1, 5, 5), (20, 0, 30, 5)],  # below the frame
        [(1, 1, 5, 5), (-1, 0, 5, 5)],
        [(1, 1, 5, 5), (0, -1, 5, 5)],
        [(1, 1, 5, 5), (0, 0, 21, 5)],
        [(1, 1, 5, 5), (0, 0, 5, 31)],  # as left,top,right,bottom would be
        [(1, 1, 5, 5), (8, 8, 8, 9)],  # no height
        [(1, 1, 5, 5), (9, 9, 5, 12)],  # upside down
    ],
)
def test_a_box_that_is_empty_or_goes_beyond_the_frame_is_an_error(boxes):
    message = r"Box 2, .* not lie inside the frame of 20×30 .*top,left,bottom,right .*bottom ≤ 20 "
    with pytest.raises(DataError, match=message):
        labels_of_boxes(boxes, SIZE)


def test_a_hidden_box_is_an_error():
    with pytest.raises(DataError, match=r"boxes: object 1 marks no pixel.*hidden by later"):
        labels_of_boxes([(3, 3, 5, 5), (2, 2, 8, 8)], SIZE)


def test_more_than_254_boxes_are_an_error():
    with pytest.raises(DataError, match=r"At most 254 objects"):
        labels_of_boxes([(0, 0, 1, 1)] * 255, SIZE)


# --- polygons


def test_polygons_include_their_outline(tmp_path):
    path = polygon_file(tmp_path, {"objects": [{"id": 7, "polygons": [square(2, 3, 10, 20)]}]})
    labels = marks_in(path, SIZE)
    assert labels.dtype == np.uint8
    assert (labels == labels_of_boxes([(2, 3, 10, 20)], SIZE) * 7).all()


def test_an_object_is_the_union_of_its_polygons_and_later_objects_are_in_front(tmp_path):
    path = polygon_file(
        tmp_path,
        {
            "objects": [
                {"id": 3, "polygons": [square(0, 0, 6, 6), square(3, 3, 9, 9)]},
                {"id": 1, "polygons": [square(15, 20, 18, 25), [[4, 4], [5.4, 4], [5, 5.2]]]},
            ]
        },
    )
    labels = marks_in(path, SIZE)
    expected = np.zeros(SIZE)
    expected[0:6, 0:6] = expected[3:9, 3:9] = 3
    expected[15:18, 20:25] = 1
    inside = labels[4:6, 4:6]
    assert inside[0, 0] == 1
    expected[4:6, 4:6] = inside
    assert (labels == expected).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no JSON", "Cannot read .*objects.json"),
        ("[]", "Label Studio"),
        ({"objects": 3}, "objects.json is not valid"),
        ({"objects": []}, "objects: List should have at least 1 item"),
        ({"objects": [{"id": 0, "polygons": [square(1, 1, 4, 4)]}]}, r"objects\.0\.id"),
        ({"objects": [{"id": 255, "polygons": [square(1, 1, 4, 4)]}]}, r"objects\.0\.id"),
        ({"objects": [{"id": 1, "polygons": [[[1, 1], [2, 2]]]}]}, "at least 3 items"),
        ({"objects": [{"id": 1, "polygons": [[[1, 1], [2, 2], [3]]]}]}, r"polygons\.0\.2"),
        ({"objects": [{"id": 1, "polygons": [[[1, 1], [2, 2], [3, 1e9]]]}]}, "32000"),
        ({"objects": [{"id": 1, "polygons": [[[1, 1], [2, 2], [3, float("nan")]]]}]}, "finite"),
        ({"objects": [{"id": 1, "polygon": []}]}, "did you mean 'polygons'"),
        ({"objects": [{"id": 4, "polygons": [square(50, 50, 60, 60)]}]}, "object 4 marks no pixel"),
    ],
)
def test_wrong_polygons_are_an_error_that_names_the_file(tmp_path, content, message):
    with pytest.raises(DataError, match=message) as caught:
        marks_in(polygon_file(tmp_path, content), SIZE)
    assert "objects.json" in str(caught.value)


def test_a_missing_polygon_file_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"Cannot read .*nothing\.json"):
        marks_in(tmp_path / "nothing.json", SIZE)
