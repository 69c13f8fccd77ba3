"""Labels, boxes, and what annotation tools write, as the objects of a frame."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from ranet.datasets.annotations import (
    first_labels,
    labels_of_boxes,
    marks_in,
    marks_of_frame,
)
from ranet.datasets.labels import checked_labels, naming_mask
from ranet.errors import DataError
from ranet.palette import PALETTE

SIZE = (20, 30)
BOX = np.s_[4:10, 6:16]  # 60 pixels
OTHER = np.s_[12:18, 20:28]


def two_objects() -> np.ndarray:
    labels = np.zeros(SIZE, np.uint8)
    labels[BOX], labels[OTHER] = 1, 2
    return labels


def json_file(tmp_path, content, name="marks.json"):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def corners(box, end=0):
    """Of a box, from the corner of a pixel; with ``end`` -1, from centre to centre."""
    (top, bottom), (left, right) = ((s.start, s.stop + end) for s in box)
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def png(array) -> str:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


# --- labels


def test_void_becomes_background_and_ids_keep_their_gaps():
    labels, ids = checked_labels(np.array([[0, 9, 255], [1, 5, 9]]), (2, 3))
    assert labels.dtype == np.uint8
    assert labels.tolist() == [[0, 9, 0], [1, 5, 9]]
    assert ids == (1, 5, 9)
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
        ([[1]], "list"),
        (np.ones((9, 8), np.uint8), "9×8"),
        (np.ones((8, 9), np.float32), "float32"),
        (np.ones((8, 9, 1), np.uint8), r"\(8, 9, 1\)"),
        (np.zeros((8, 9), bool), "no object"),
        (np.full((8, 9), -1), "-1 to -1"),
        (np.arange(72).reshape(8, 9) * 5, "254"),
    ],
)
def test_wrong_labels_are_an_error(labels, message):
    with pytest.raises(DataError, match=message):
        checked_labels(labels, (8, 9))


@pytest.mark.parametrize("text", ["no ids", "a.png is empty"])
def test_an_error_names_its_file_once(text):
    with pytest.raises(DataError, match=text) as caught, naming_mask("a.png"):
        raise DataError(text)
    assert str(caught.value).count("a.png") == 1


# --- boxes


def test_boxes_are_half_open_and_numbered_and_later_ones_are_in_front():
    labels = labels_of_boxes([(0, 0, 10, 10), (5, 5, 20, 30)], SIZE)
    assert labels.dtype == np.uint8
    assert np.bincount(labels.ravel()).tolist() == [600 - 75 - 375, 75, 375]
    assert (labels[5:, 5:] == 2).all()


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([(20, 0, 30, 5)], "Box 1, 20,0,30,5"),  # below the frame
        ([(1, 1, 5, 5), (-1, 0, 5, 5)], "Box 2"),
        ([(0, -1, 5, 5)], "Box 1"),
        ([(0, 0, 21, 5)], "Box 1"),
        ([(0, 0, 5, 31)], "Box 1"),  # as left,top,right,bottom would be
        ([(8, 8, 8, 9)], "Box 1"),  # no height
        ([(9, 9, 5, 12)], "Box 1"),  # upside down
        ([(3, 3, 5, 5), (2, 2, 8, 8)], "object 1 marks no pixel"),
        ([(0, 0, 1, 1)] * 255, "254"),
    ],
)
def test_wrong_boxes_are_an_error(boxes, message):
    with pytest.raises(DataError, match=message):
        labels_of_boxes(boxes, SIZE)


# --- polygons


def polygons(*outlines, label=7):
    return {"objects": [{"id": label, "polygons": list(outlines)}]}


def test_polygons_include_their_outline(tmp_path):
    labels = marks_in(json_file(tmp_path, polygons(corners(BOX, -1))), SIZE)
    assert labels.dtype == np.uint8
    assert np.array_equal(labels, (two_objects() == 1) * 7)


def test_an_object_is_the_union_of_its_polygons_and_later_objects_are_in_front(tmp_path):
    content = polygons(corners(BOX, -1), corners(OTHER, -1))
    content["objects"] += polygons([[4, 4], [7.4, 4], [7, 5.2]], label=1)["objects"]
    labels = marks_in(json_file(tmp_path, content), SIZE)
    assert labels[4, 4:8].tolist() == [1] * 4
    assert np.array_equal((labels > 0)[:, 6:], (two_objects() > 0)[:, 6:])


# --- LabelMe


def label_me(*shapes, **more):
    return {"version": "5.4.1", "flags": {}, "shapes": list(shapes), "imagePath": "a.jpg", **more}


def shape(points, kind="polygon", group=None, **more):
    return {"label": "x", "points": points, "shape_type": kind, "group_id": group, **more}


def test_shapes_of_label_me(tmp_path):
    inner = np.ones((6, 8), np.uint8) * 255
    for second in (
        shape(corners(OTHER, -1)[::2], "rectangle"),
        shape([[20, 12], [27, 17]], "mask", mask=png(inner)),
    ):
        content = label_me(shape(corners(BOX, -1)), second, imageHeight=20, imageWidth=30)
        assert np.array_equal(marks_in(json_file(tmp_path, content), SIZE), two_objects())
    circle = marks_in(json_file(tmp_path, label_me(shape([[10, 8], [13, 8]], "circle"))), SIZE)
    assert circle.sum() == 29  # the disk of radius 3


def test_a_group_of_label_me_is_one_object_and_later_ones_are_in_front(tmp_path):
    groups = label_me(shape(corners(BOX, -1), group=4), shape(corners(OTHER, -1), group=4))
    assert np.array_equal(marks_in(json_file(tmp_path, groups), SIZE), two_objects() > 0)
    over = label_me(shape(corners(BOX, -1)), shape([[10, 0], [29, 0], [29, 19], [10, 19]]))
    labels = marks_in(json_file(tmp_path, over), SIZE)
    assert np.bincount(labels.ravel())[1:].tolist() == [24, 400]


# --- COCO


def coco(*segmentations, images=("a.jpg",), **more):
    return {
        "images": [
            {"id": i, "file_name": name, "height": 20, "width": 30} for i, name in enumerate(images)
        ],
        "annotations": [
            {"id": i, "image_id": i % len(images), "category_id": 1, "segmentation": s, **more}
            for i, s in enumerate(segmentations)
        ],
        "categories": [{"id": 1, "name": "x"}],
    }


def flat(box):
    return [[value for corner in corners(box) for value in corner]]


def run_lengths(mask):
    bits = np.concatenate([[0], mask.T.ravel().astype(int)])
    ends = np.flatnonzero(np.diff(bits))
    return {"size": list(mask.shape), "counts": np.diff([0, *ends, mask.size]).tolist()}


def compressed(mask):
    tool = pytest.importorskip("pycocotools.mask", reason="the extra ranet[coco]")
    encoded = tool.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(mask.shape), "counts": encoded["counts"].decode()}


def test_polygons_of_coco_are_the_pixels_they_enclose(tmp_path):
    labels = marks_in(json_file(tmp_path, coco(flat(BOX), flat(OTHER))), SIZE)
    assert np.array_equal(labels, two_objects())
    tool = pytest.importorskip("pycocotools.mask", reason="the extra ranet[coco]")
    ring = [3.3, 2.1, 25.7, 4.4, 20.2, 17.9, 9.1, 15.6, 14.8, 9.7]
    expected = tool.decode(tool.frPyObjects([ring], *SIZE))[..., 0]
    found = marks_in(json_file(tmp_path, coco([ring])), SIZE)
    assert np.count_nonzero(found != expected) <= 0.05 * expected.sum()


def test_boxes_of_coco(tmp_path):
    labels = marks_in(json_file(tmp_path, coco([], bbox=[6, 4, 10, 6])), SIZE)
    assert np.array_equal(labels, two_objects() == 1)


@pytest.mark.parametrize("encode", [run_lengths, compressed])
def test_run_lengths_of_coco(tmp_path, encode):
    masks = [np.random.default_rng(0).random(SIZE) > 0.5, two_objects() == 2]
    labels = marks_in(json_file(tmp_path, coco(*map(encode, masks))), SIZE)
    assert np.array_equal(labels, np.where(masks[1], 2, masks[0]))


def test_tracks_of_coco_are_ids(tmp_path):
    content = coco(flat(BOX), track_id=7)
    assert np.array_equal(marks_in(json_file(tmp_path, content), SIZE), (two_objects() == 1) * 7)
    content = coco(flat(BOX), attributes={"track_id": 3})
    assert set(np.unique(marks_in(json_file(tmp_path, content), SIZE))) == {0, 3}
    content = coco(flat(BOX), flat(OTHER), attributes={"track_id": 0})  # CVAT counts from 0
    assert np.array_equal(marks_in(json_file(tmp_path, content), SIZE), two_objects())


def test_the_image_of_the_frame(tmp_path):
    path = json_file(tmp_path, coco(flat(BOX), flat(OTHER), images=("frame_1.png", "frame_12.png")))
    assert np.array_equal(marks_in(path, SIZE, "00012"), two_objects() == 2)
    with pytest.raises(DataError, match="frame_1, frame_12"):
        marks_in(path, SIZE, "00013")


# --- Label Studio


def brush(mask):
    """As Label Studio packs it: one run for each run of equal bytes, all with long lengths."""
    data = (np.repeat(mask[..., None], 4, axis=2) * np.uint8(255)).ravel()
    starts = np.flatnonzero(np.diff(data, prepend=data[0] ^ 1))
    bits = f"{data.size:032b}{7:05b}" + f"{15:04b}" * 4
    for start, end in zip(starts, [*starts[1:], data.size], strict=True):
        if end - start == 4:  # single values
            bits += "000" + f"{3:016b}" + "".join(f"{v:08b}" for v in data[start:end])
        else:
            bits += "100" + f"{end - start - 1:016b}" + f"{data[start]:08b}"
    bits += "0" * (-len(bits) % 8)
    return [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]


def percent(box):
    return [[x / 0.3, y / 0.2] for x, y in corners(box)]


def region(kind, value):
    return {"type": kind, "value": value, "original_height": 20, "original_width": 30}


def task(*regions, image="/data/upload/1/3f2a-00000.jpg"):
    return {"id": 1, "data": {"image": image}, "annotations": [{"result": list(regions)}]}


def test_regions_of_label_studio(tmp_path):
    labels = two_objects()
    strokes = [region("brushlabels", {"format": "rle", "rle": brush(labels == k)}) for k in (1, 2)]
    outline = region("polygonlabels", {"points": percent(BOX), "closed": True})
    (left, top), _, (right, bottom), _ = percent(OTHER)
    box = {"x": left, "y": top, "width": right - left, "height": bottom - top, "rotation": 0}
    choice = {"type": "choices", "value": {"choices": ["day"]}}
    for regions in (strokes, [outline, choice, region("rectanglelabels", box)]):
        path = json_file(tmp_path, [task(*regions)])
        assert np.array_equal(marks_in(path, SIZE), labels)
    minimal = [{**s["value"], "original_height": 20, "original_width": 30} for s in strokes]
    path = json_file(tmp_path, [{"image": "a.jpg", "tag": minimal, "id": 3}])
    assert np.array_equal(marks_in(path, SIZE), labels)


def test_turned_and_round_regions(tmp_path):
    square = {"x": 100 / 3, "y": 25, "width": 20, "height": 30, "rotation": 90}  # 6×6 pixels
    labels = marks_in(json_file(tmp_path, [task(region("rectanglelabels", square))]), SIZE)
    assert labels[5:11, 4:10].all()
    assert labels.sum() == 36
    disk = {"x": 50, "y": 50, "radiusX": 20, "radiusY": 30}  # 6 pixels
    labels = marks_in(json_file(tmp_path, [task(region("ellipselabels", disk))]), SIZE)
    assert abs(int(labels.sum()) - np.pi * 36) < 4


def test_the_task_of_the_frame(tmp_path):
    tasks = [
        task(region("polygonlabels", {"points": percent(box)}), image=f"/data/3f2a-{name}.jpg")
        for name, box in (("00000", BOX), ("00007", OTHER))
    ]
    assert np.array_equal(marks_in(json_file(tmp_path, tasks), SIZE, "7"), two_objects() == 2)


# --- CVAT, arrays, several files


def test_a_label_map_of_cvat(tmp_path):
    colours = np.array([(0, 0, 0), (250, 50, 83), (51, 221, 255)], np.uint8)
    (tmp_path / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:250,50,83::\ndog:51,221,255::\n"
    )
    for folder, palette in (("SegmentationClass", colours), ("SegmentationObject", PALETTE)):
        (tmp_path / folder).mkdir()
        Image.fromarray(palette[two_objects()]).save(tmp_path / folder / "a.png")
        assert np.array_equal(marks_in(tmp_path / folder / "a.png", SIZE), two_objects())


def test_an_array_in_a_file(tmp_path):
    np.save(tmp_path / "a.npy", (two_objects() > 0) * np.uint8(255))
    assert np.array_equal(marks_in(tmp_path / "a.npy", SIZE), two_objects() > 0)


def test_one_object_a_file(tmp_path):
    """In their order, whatever their ids; the later is in front."""
    Image.fromarray((two_objects() == 1) * np.uint8(255)).save(tmp_path / "a.png")
    over = np.zeros(SIZE, np.uint8)
    over[4:10, 10:20] = 5
    Image.fromarray(over).save(tmp_path / "b.png")
    labels, ids = first_labels([tmp_path / "a.png", tmp_path / "b.png"], SIZE)
    assert ids == (1, 2)
    assert np.bincount(labels.ravel())[1:].tolist() == [24, 60]
    with pytest.raises(DataError, match="object 1 marks no pixel"):
        marks_of_frame([tmp_path / "a.png", tmp_path / "a.png"], SIZE)
    Image.fromarray(two_objects()).save(tmp_path / "b.png")
    with pytest.raises(DataError, match=r"b\.png: expected one object"):
        marks_of_frame([tmp_path / "a.png", tmp_path / "b.png"], SIZE)


# --- what is wrong


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "Cannot read"),
        ([], "no image"),
        (3, "int"),
        ({"version": 1}, "no image"),
        ({"objects": 3}, "int"),
        ({"objects": []}, "no pixel"),
        ({"objects": [{"id": 1, "polygon": []}]}, "'polygons'"),
        (polygons(corners(BOX), label=0), "has 0"),
        (polygons(corners(BOX), label=255), "has 255"),
        (polygons(corners(BOX), label="a"), "integer"),
        (polygons([[1, 1], [2, 2]]), "2 corners"),
        (polygons([[1, 1], [2, 2], [3]]), "inhomogeneous"),
        (polygons([[1, 1], [2, 2], [3, 1e9]]), "32000"),
        (polygons([[1, 1], [2, 2], [3, float("nan")]]), "32000"),
        (polygons([[50, 50], [60, 50], [60, 60]]), "object 7 marks no pixel"),
        (label_me(), "no pixel"),
        (label_me(shape([[1, 1], [9, 9]], "line")), "'line'"),
        (label_me(shape([[1, 1], [9, 9], [50]])), "inhomogeneous"),
        (label_me(shape([[1, 1], [9, 9]], "mask", mask="!")), "base64"),
        (label_me(shape([[1, 1], [9, 9]], "mask", mask="AAAA")), "image"),
        (label_me(shape([[28, 1], [29, 2]], "mask", mask=png(np.ones((9, 9), bool)))), "beyond"),
        (label_me(shape(corners(BOX)), imageHeight=40, imageWidth=60), "40×60"),
        (label_me(shape([[90, 90], [99, 90], [99, 99]])), "no pixel"),
        (coco([[1, 1, 9, 9]]), "2 corners"),
        (coco([[1, 1, 9, 9, 9, 1, 3]]), "reshape"),
        (coco([]), "no pixel"),
        (coco({"size": [40, 30], "counts": [1200]}), "40×30"),
        (coco({"size": [20, 30], "counts": [10, 20]}), "run lengths"),
        (coco({"size": [20, 30], "counts": "\u00e9"}), "run lengths"),
        ({**coco(flat(BOX)), "images": []}, "no image"),
        (coco(flat(BOX), images=("a.jpg",), image_id=9), "no image"),
        ([task()], "no image"),
        ([{**task(), "annotations": [{"result": []}] * 2}], "2 annotations"),
        ([task(region("brushlabels", {"format": "rle", "rle": [1, 2]}))], "too early"),
        ([task(region("brushlabels", {"rle": brush(np.ones((4, 4), bool))}))], "64 bytes"),
        ([task(region("polygonlabels", {"points": [["a", 1]]}))], "'a'"),
        ([{"image": "a.jpg", "tag": [3]}], "mapping"),
    ],
)
def test_a_wrong_file_is_an_error_of_one_sentence(tmp_path, content, message):
    with pytest.raises(DataError, match=message) as caught:
        marks_in(json_file(tmp_path, content), SIZE)
    assert "marks.json" in str(caught.value)


@pytest.mark.parametrize("name", ["a.npy", "a.json", "none.json"])
def test_what_cannot_be_read_is_an_error(tmp_path, name):
    (tmp_path / "a.npy").write_bytes(b"none")
    (tmp_path / "a.json").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=rf"Cannot read .*{name}"):
        marks_in(tmp_path / name, SIZE)
