import json
import os
import sys

import numpy as np
import pytest

from ranet.datasets.coco import CocoWriter
from ranet.errors import DataError, OutputError, RANetError

pytest.importorskip("pycocotools", reason="COCO annotations need the extra ranet[coco]")


def some_labels(seed: int) -> np.ndarray:
    """Objects 2 and 7 in blocks, on background."""
    blocks = np.random.default_rng(seed).choice([0, 0, 2, 7], size=(6, 9))
    return blocks.repeat(4, axis=0).repeat(5, axis=1).astype(np.uint8)


def written(path, frames):
    with CocoWriter(path) as writer:
        for number, (name, labels) in enumerate(frames):
            writer.write(name, number + 3, labels)
    return json.loads(path.read_text())


def failing(error):
    yield "a", some_labels(0)
    raise error


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
        name = image["file_name"].removesuffix(".png")
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


def test_an_error_leaves_nothing(tmp_path):
    for error in (DataError("a bad frame"), FileNotFoundError("mine")):
        with pytest.raises(type(error)) as caught:
            written(tmp_path / "masks.json", failing(error))
        assert caught.value is error
        assert os.listdir(tmp_path) == []


def test_what_cannot_be_written(tmp_path, monkeypatch):
    with pytest.raises(OutputError, match=r"written as \.json.*'\.txt'"):
        CocoWriter(tmp_path / "masks.txt")
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    with pytest.raises(RANetError, match="pip install pycocotools"):
        CocoWriter(tmp_path / "masks.json")
