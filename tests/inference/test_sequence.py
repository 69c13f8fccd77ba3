"""A video from frames to masks on disk, whose frames and masks pass through threads."""

import errno
import threading

import pytest
from colour_network import ColourNetwork
from moving_squares import moving

from ranet.config import InferenceConfig
from ranet.datasets.image_io import write_labels
from ranet.errors import DataError, OutputError
from ranet.inference import sequence
from ranet.inference.segmenter import VideoSegmenter
from ranet.inference.sequence import segment_sequence

SIZE = (48, 80)
CONFIG = InferenceConfig(input_size=SIZE, frame_size=SIZE, smallest_crop=8, device="cpu")
VIDEO = moving(SIZE, 30, {1: (4, 6), 2: (20, 50)}, step=(1, -1), side=14)


@pytest.fixture(autouse=True)
def no_thread_stays():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def frames(damaged=None):
    for index, (frame, _) in enumerate(VIDEO):
        if index == damaged:
            raise DataError(f"frame {index} is damaged")
        yield f"{index:05d}", frame


def segment(folder, source=None, **options):
    follower = VideoSegmenter(ColourNetwork(), CONFIG)
    return segment_sequence(
        follower, source or frames(), VIDEO[0][1], folder, labels_from="drawn", **options
    )


def test_masks_are_those_of_one_frame_after_the_other_byte_by_byte(tmp_path):
    timing = segment(tmp_path / "masks")
    plain = VideoSegmenter(ColourNetwork(), CONFIG)
    results = [plain.start(*VIDEO[0]), *(plain.step(frame) for frame, _ in VIDEO[1:])]
    for (name, _), labels in zip(frames(), results, strict=True):
        write_labels(tmp_path / "plain" / f"{name}.png", labels)
    written = {path.name: path.read_bytes() for path in (tmp_path / "masks").iterdir()}
    assert written == {path.name: path.read_bytes() for path in (tmp_path / "plain").iterdir()}
    assert len(timing.step_ms) == len(VIDEO) - 1
    assert timing.total_ms >= sum(timing.step_ms)


def test_an_error_of_the_reader_arrives_and_leaves_nothing(tmp_path):
    with pytest.raises(DataError, match=r"^frame 17 is damaged$"):
        segment(tmp_path / "masks", frames(damaged=17))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("at", [3, len(VIDEO) - 1])
def test_an_error_of_the_writer_arrives_and_leaves_nothing(tmp_path, monkeypatch, at):
    def full_at_last(path, labels):
        if path.stem == f"{at:05d}":
            raise OutputError(f"Cannot write {path.name}: {errno.errorcode[errno.ENOSPC]}")
        write_labels(path, labels)

    monkeypatch.setattr(sequence, "write_labels", full_at_last)
    with pytest.raises(OutputError, match=rf"{at:05d}\.png: ENOSPC"):
        segment(tmp_path / "masks")
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_ends_both_threads_and_leaves_nothing(tmp_path):
    def interrupt(frame, labels):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segment(tmp_path / "masks", after_frame=interrupt)
    assert list(tmp_path.iterdir()) == []
