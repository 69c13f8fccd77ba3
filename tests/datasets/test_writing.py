"""All that is written appears whole, or not at all."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from ranet.datasets.image_io import write_image, write_labels
from ranet.datasets.mask_exports import CocoWriter, YouTubeVisWriter, ZipWriter
from ranet.datasets.video_writer import VideoWriter
from ranet.errors import DataError, OutputError

LABELS = np.kron(np.array([[0, 1], [2, 0]], np.uint8), np.ones((24, 32), np.uint8))
FRAME = np.dstack([LABELS * 100] * 3)


def video(path: Path, error: BaseException | None = None, **options) -> None:
    with VideoWriter(path, frame_rate=25, **options) as writer:
        for _ in range(3):
            writer.write(np.dstack([FRAME, LABELS]) if options else FRAME)
        assert error is None or not path.exists() or path.read_bytes() == b"old"
        if error is not None:
            raise error


def export(path: Path, error: BaseException | None = None) -> None:
    kind = {"coco": CocoWriter, "vis": YouTubeVisWriter, "z": ZipWriter}[path.stem]
    with kind(path) as writer:
        writer.write("a", 0, LABELS)
        if error is not None:
            raise error


STREAMS = {
    "v.mp4": video,
    "v.webm": lambda path, error=None: video(path, error, transparent=True),
    "coco.json": export,
    "vis.json": export,
    "z.zip": export,
}
WRITERS = {
    **STREAMS,
    "m.png": lambda path: write_labels(path, LABELS),
    "i.jpg": lambda path: write_image(path, FRAME),
}


@pytest.fixture(autouse=True)
def needs_pycocotools(request):
    if ".json" in request.node.name:
        pytest.importorskip("pycocotools", reason="the extra ranet[coco]")


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize(
    "error", [DataError("a bad frame"), FileNotFoundError("mine"), KeyboardInterrupt()], ids=repr
)
def test_an_error_leaves_what_was_there_and_stays_what_it_is(tmp_path, name, error):
    for old in (None, b"old"):
        if old is not None:
            (tmp_path / name).write_bytes(old)
        with pytest.raises(type(error)) as caught:
            STREAMS[name](tmp_path / name, error)
        assert caught.value is error
        assert os.listdir(tmp_path) == ([name] if old else [])
    assert (tmp_path / name).read_bytes() == b"old"


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch, name, call):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / name).write_bytes(b"old")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(OutputError, match=rf"{name}: No space left on device"):
            WRITERS[name](tmp_path / name)
    assert os.listdir(tmp_path) == [name]
    assert (tmp_path / name).read_bytes() == b"old"
    WRITERS[name](tmp_path / name)
    assert (tmp_path / name).stat().st_size > 50
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", WRITERS)
def test_folders_are_made_and_a_file_in_their_place_stays(tmp_path, name):
    WRITERS[name](tmp_path / "new" / "folder" / name)
    assert os.listdir(tmp_path / "new" / "folder") == [name]
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=rf"file.{name}"):
        WRITERS[name](tmp_path / "file" / name)
    assert (tmp_path / "file").read_text() == "in the way"
