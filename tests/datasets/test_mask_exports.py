import json
import sys
import zipfile

import numpy as np
import pytest

from ranet.datasets.image_io import read_labels
from ranet.datasets.mask_exports import CocoWriter, YouTubeVisWriter, ZipWriter
from ranet.errors import OutputError, RANetError

pytest.importorskip("pycocotools", reason="COCO annotations need the extra ranet[coco]")


def some_labels(seed: int) -> np.ndarray:
    """Objects 2 and 7 in blocks, on background."""
    blocks = np.random.default_rng(seed).choice([0, 0, 2, 7], size=(6, 9))
    return blocks.repeat(4, axis=0).repeat(5, axis=1).astype(np.uint8)


def written(path, frames, kind=CocoWriter, images=None):
    with kind(path, images) as writer:
        for number, (name, labels) in enumerate(frames):
            writer.write(name, number + 3, labels)
    return json.loads(path.read_text()) if path.suffix == ".json" else None


def test_the_official_tool_reads_the_masks_back(tmp_path, capsys):
    from pycocotools.coco import COCO

    frames = {f"{number:05d}": some_labels(number) for number in (3, 4, 5)}
    written(tmp_path / "masks.json", frames.items())
    coco = COCO(tmp_path / "masks.json")
    assert len(coco.imgs) == 3
    for image in coco.imgs.values():
        labels = np.zeros((24, 45), np.uint8)
        for annotation in coco.imgToAnns[image["id"]]:
            mask = coco.annToMask(annotation).astype(bool)
            labels[mask] = annotation["track_id"]
            rows, columns = mask.any(axis=1).nonzero()[0], mask.any(axis=0).nonzero()[0]
            left, top, width, height = annotation["bbox"]
            assert (top, top + height - 1) == (rows[0], rows[-1])
            assert (left, left + width - 1) == (columns[0], columns[-1])
            assert annotation["area"] == mask.sum()
        name = image["file_name"].removesuffix(".jpg")
        assert image["frame_index"] == int(name)
        assert (labels == frames[name]).all()


def test_run_lengths_are_compressed(tmp_path):
    labels = np.zeros((2, 3), np.uint8)
    labels[:, 1] = 5
    content = written(tmp_path / "masks.json", [("a", labels)])
    assert [a["segmentation"] for a in content["annotations"]] == [
        {"size": [2, 3], "counts": "222"}
    ]


def test_frames_without_objects(tmp_path):
    content = written(tmp_path / "masks.json", [("a", np.zeros((4, 5), np.uint8))] * 2)
    assert content["annotations"] == []
    assert len(content["images"]) == 2


def test_file_names_are_those_of_the_images(tmp_path):
    frames, images = [("a", some_labels(0)), ("b", some_labels(1))], {"a": "a.JPG", "b": "b.png"}
    content = written(tmp_path / "coco.json", frames, images=images)
    assert [image["file_name"] for image in content["images"]] == ["a.JPG", "b.png"]
    content = written(tmp_path / "vis.json", frames, YouTubeVisWriter, images)
    assert content["videos"][0]["file_names"] == ["a.JPG", "b.png"]


def test_objects_of_youtube_vis_have_an_entry_for_each_frame(tmp_path):
    from pycocotools import mask

    frames = [("a", np.zeros((24, 45), np.uint8)), ("b", some_labels(1)), ("c", some_labels(2))]
    content = written(tmp_path / "vis.json", frames, YouTubeVisWriter)
    assert [video["length"] for video in content["videos"]] == [3]
    assert [annotation["id"] for annotation in content["annotations"]] == [2, 7]
    for annotation in content["annotations"]:
        assert (annotation["height"], annotation["width"], annotation["length"]) == (24, 45, 3)
        for key in ("segmentations", "bboxes", "areas"):
            assert annotation[key][0] is None
        for (_, labels), found, area in zip(
            frames[1:], annotation["segmentations"][1:], annotation["areas"][1:], strict=True
        ):
            expected = labels == annotation["id"]
            assert (mask.decode(found) == expected).all()
            assert area == expected.sum()


def test_a_zip_of_masks(tmp_path):
    frames = {"00000": some_labels(0), "00005": some_labels(5)}
    for name in ("a.zip", "b.zip"):
        written(tmp_path / name, frames.items(), ZipWriter)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == ["00000.png", "00005.png"]
        archive.extractall(tmp_path)
    assert (read_labels(tmp_path / "00005.png") == frames["00005"]).all()


def test_what_cannot_be_written(tmp_path, monkeypatch):
    with pytest.raises(OutputError, match=r"written as \.json.*'\.txt'"):
        CocoWriter(tmp_path / "masks.txt")
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    with pytest.raises(RANetError, match="pip install pycocotools"):
        CocoWriter(tmp_path / "masks.json")
