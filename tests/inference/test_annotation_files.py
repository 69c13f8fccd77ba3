"""What annotation tools write, as the objects of a frame."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from ranet.errors import DataError
from ranet.inference.annotation_files import first_labels, marks_in, marks_of_frame
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
        ([], "Label Studio"),
        ({"version": 1}, "found version"),
        (label_me(), "shapes"),
        (label_me(shape([[1, 1], [9, 9]], "line")), "'line'"),
        (label_me(shape([[1, 1], [9, 9], [50]])), "points"),
        (label_me(shape([[1, 1], [9, 9]], "mask", mask="!")), "mask of a shape"),
        (label_me(shape([[28, 1], [29, 2]], "mask", mask=png(np.ones((9, 9), bool)))), "inside"),
        (label_me(shape(corners(BOX)), imageHeight=40, imageWidth=60), "40×60"),
        (label_me(shape([[90, 90], [99, 90], [99, 99]])), "no pixel"),
        (coco([[1, 1, 9, 9]]), "segmentation"),
        (coco([[1, 1, 9, 9, 9, 1, 3]]), "odd"),
        (coco([]), "no pixel"),
        (coco({"size": [40, 30], "counts": [1200]}), "40×30"),
        (coco({"size": [20, 30], "counts": [10, 20]}), "run lengths"),
        (coco({"size": [20, 30], "counts": "\u00e9"}), "run lengths"),
        ({**coco(flat(BOX)), "images": []}, "images"),
        (coco(flat(BOX), images=("a.jpg",), image_id=9), "found none"),
        ([task()], "found none"),
        ([{**task(), "annotations": [{"result": []}] * 2}], "2 annotations"),
        ([task(region("brushlabels", {"format": "rle", "rle": [1, 2]}))], "too early"),
        ([task(region("brushlabels", {"rle": brush(np.ones((4, 4), bool))}))], "64 bytes"),
        ([task(region("polygonlabels", {"points": [["a", 1]]}))], "Label Studio"),
        ([{"image": "a.jpg", "tag": [3]}], "Label Studio"),
    ],
)
def test_a_wrong_file_is_an_error_of_one_sentence(tmp_path, content, message):
    with pytest.raises(DataError, match=message) as caught:
        marks_in(json_file(tmp_path, content), SIZE)
    assert "marks.json" in str(caught.value)


def test_a_wrong_array_is_an_error(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"none")
    with pytest.raises(DataError, match=r"a\.npy"):
        marks_in(tmp_path / "a.npy", SIZE)
