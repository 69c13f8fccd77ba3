"""What the script cannot show: runs that are broken off anywhere, and what is followed where."""

import contextlib
import threading
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from colour_network import ColourNetwork
from moving_squares import draw, iou, moving
from tiny_ranet import tiny_ranet

from ranet.config import InferenceConfig
from ranet.datasets.image_io import read_labels, write_image
from ranet.datasets.video_io import open_frames
from ranet.errors import DataError, OutputError
from ranet.inference import outputs as outputs_module
from ranet.inference.outputs import Outputs
from ranet.inference.segmenter import VideoSegmenter
from ranet.inference.video import segment_video

SIZE = (48, 80)
CONFIG = InferenceConfig(input_size=SIZE, frame_size=SIZE, device="cpu")
FRAMES = 8


@pytest.fixture(scope="module")
def network():
    return tiny_ranet("multi")


@pytest.fixture
def squares(tmp_path):
    """A video of objects 1 and 5, and its folder."""
    video = moving(SIZE, FRAMES, {1: (4, 6), 5: (20, 50)}, step=(1, 1), side=14)
    for index, (frame, _) in enumerate(video):
        write_image(tmp_path / "frames" / f"{index}.png", frame)
    return video, open_frames(tmp_path / "frames")


def only(labels, label):
    return np.where(labels == label, labels, 0)


def masks_in(folder):
    return {path.stem: read_labels(path) for path in sorted(folder.glob("*.png"))}


class Broken(Exception):
    pass


class BreakOff:
    """Breaks a run off at some frame of it, counted from 1."""

    def __init__(self, at):
        self.left = at

    def __call__(self, number, name, frame, labels):
        self.left -= 1
        if self.left == 0:
            raise Broken


@pytest.mark.parametrize(
    ("save_every", "breaks"), [(0.0, [2] * 14), (1e9, [8])], ids=["each frame", "each way"]
)
def test_a_run_that_goes_on_equals_one_that_never_ended(
    network, squares, tmp_path, save_every, breaks
):
    """Broken off at every frame, with objects marked in three; another segmenter each time."""
    video, source = squares
    masks = {2: only(video[2][1], 1), 4: only(video[4][1], 5), 6: video[6][1]}

    def run(out, after_frame):
        segment_video(
            *(VideoSegmenter(network, CONFIG), source, masks, tmp_path / out),
            backward=True,
            save_every=save_every,
            after_frame=after_frame,
        )

    run("whole", BreakOff(at=0))
    for at in breaks:
        with contextlib.suppress(Broken):
            run("parts", BreakOff(at))
            break
    else:
        run("parts", BreakOff(at=0))
    whole, parts = masks_in(tmp_path / "whole"), masks_in(tmp_path / "parts")
    assert list(whole) == list(parts) == [str(number) for number in range(FRAMES)]
    for name, labels in whole.items():
        assert (parts[name] == labels).all(), name
    assert not list(tmp_path.glob(".*"))


def test_another_video_is_not_gone_on_with(network, squares, tmp_path):
    video, source = squares

    def run(**options):
        segment_video(
            *(VideoSegmenter(network, CONFIG), source, {0: video[0][1]}, tmp_path / "out"),
            save_every=0,
            **options,
        )

    with pytest.raises(Broken):
        run(after_frame=BreakOff(at=3))
    write_image(tmp_path / "frames" / "5.png", np.zeros((*SIZE, 3), np.uint8))
    with pytest.raises(OutputError, match=r"other settings:\n.*files"):
        run()
    assert (tmp_path / ".out.unfinished").exists()
    run(restart=True)
    assert len(masks_in(tmp_path / "out")) == FRAMES
    assert not list(tmp_path.glob(".*"))


def test_a_damaged_state_is_told(network, squares, tmp_path):
    video, source = squares
    segmenter = VideoSegmenter(network, CONFIG)
    masks = {0: video[0][1]}
    with pytest.raises(Broken):
        segment_video(
            *(segmenter, source, masks, tmp_path / "out"), save_every=0, after_frame=BreakOff(at=3)
        )
    (tmp_path / ".out.unfinished/state.pt").write_bytes(b"damaged")
    with pytest.raises(OutputError, match=r"state .* cannot be read \(it is damaged\); --restart"):
        segment_video(segmenter, source, masks, tmp_path / "out")


# --- what is followed where; the network segments by colour


@pytest.fixture
def by_colour():
    return VideoSegmenter(ColourNetwork(), CONFIG)


def test_backwards_from_the_only_annotated_frame(by_colour, squares, tmp_path):
    video, source = squares
    segment_video(by_colour, source, {5: video[5][1]}, tmp_path / "out", backward=True)
    masks = masks_in(tmp_path / "out")
    assert len(masks) == FRAMES
    for number, (_, truth) in enumerate(video):
        for label in (1, 5):
            assert iou(masks[str(number)] == label, truth == label) > 0.8


def test_frames_before_have_no_mask_otherwise(by_colour, squares, tmp_path):
    video, source = squares
    segment_video(by_colour, source, {5: video[5][1]}, tmp_path / "out")
    assert list(masks_in(tmp_path / "out")) == ["5", "6", "7"]


def test_each_object_goes_backwards_from_where_it_is_first_marked(by_colour, squares, tmp_path):
    video, source = squares
    masks = {2: only(video[2][1], 1), 5: only(video[5][1], 5)}
    segment_video(by_colour, source, masks, tmp_path / "out", backward=True)
    for name, labels in masks_in(tmp_path / "out").items():
        for label in (1, 5):
            assert iou(labels == label, video[int(name)][1] == label) > 0.8
    segment_video(by_colour, source, masks, tmp_path / "forwards")
    forwards = masks_in(tmp_path / "forwards")
    assert [name for name, labels in forwards.items() if (labels == 5).any()] == ["5", "6", "7"]


def test_an_object_begins_anew_where_it_is_marked_again(by_colour):
    """Object 1 changes its colour; only the second mark can tell."""
    first, labels = draw(SIZE, [(1, 4, 6, 14), (5, 20, 50, 14)])
    changed, _ = draw(SIZE, [(9, 4, 6, 14), (5, 20, 50, 14)])
    by_colour.start(first, labels)
    assert not (by_colour.step(changed) == 1).any()
    corrected = by_colour.correct(changed, only(labels, 1))
    assert (corrected == labels).all()  # object 5 goes on, though it is not marked
    assert by_colour.ids == (5, 1)
    after = by_colour.step(changed)
    assert iou(after == 1, labels == 1) > 0.8
    assert iou(after == 5, labels == 5) > 0.8


def test_all_objects_begin_anew(by_colour):
    first, labels = draw(SIZE, [(1, 4, 6, 14), (5, 20, 50, 14)])
    by_colour.start(first, labels)
    swapped = np.select([labels == 1, labels == 5], [5, 1]).astype(np.uint8)
    assert (by_colour.correct(first, swapped) == swapped).all()
    assert len(by_colour.video.state.templates) == 1
    assert iou(by_colour.step(first) == 5, labels == 1) > 0.8


def test_all_objects_begin_anew_in_the_next_frame(by_colour):
    first, labels = draw(SIZE, [(1, 4, 6, 14), (5, 20, 50, 14)])
    after, moved = draw(SIZE, [(1, 8, 10, 14), (5, 20, 44, 14)])
    by_colour.start(first, labels)
    assert (by_colour.correct(after, moved) == moved).all()
    assert by_colour.ids == (1, 5)


def test_a_correction_that_cannot_be_seen_leaves_the_video_as_it_was(by_colour, monkeypatch):
    first, labels = draw(SIZE, [(1, 4, 6, 14), (5, 20, 50, 14)])
    by_colour.start(first, labels)
    with monkeypatch.context() as patch:
        patch.setattr(by_colour.method, "sees", lambda state: torch.zeros(2, dtype=torch.bool))
        with pytest.raises(DataError, match="too small"):
            by_colour.correct(first, only(labels, 1))
    assert by_colour.ids == (1, 5)
    after = by_colour.step(first)
    assert iou(after == 1, labels == 1) > 0.8
    assert iou(after == 5, labels == 5) > 0.8


class PreparedFrame(NamedTuple):
    """What the segmenter below makes of a frame ahead of its step."""

    pixels: np.ndarray
    thread: threading.Thread


class Preparing(VideoSegmenter):
    """A segmenter that prepares frames as one on a GPU does, and notes what its steps took."""

    def __init__(self, network):
        super().__init__(network, CONFIG)
        self.prepared, self.taken = 0, []

    def prepare(self, frame):
        self.prepared += 1
        return PreparedFrame(frame, threading.current_thread())

    def step(self, frame):
        self.taken.append(frame)
        return super().step(frame.pixels)


def test_the_thread_that_reads_frames_prepares_them(network, squares, tmp_path):
    """Also when a run goes on."""
    video, source = squares
    masks = {1: video[1][1], 4: only(video[4][1], 1)}  # frame 4 is segmented and marked
    segmenter = Preparing(network)
    with pytest.raises(Broken):
        segment_video(
            *(segmenter, source, masks, tmp_path / "out"), save_every=0, after_frame=BreakOff(at=4)
        )
    going_on = Preparing(network)
    segment_video(going_on, source, masks, tmp_path / "out")
    assert len(segmenter.taken) == 3
    assert len(going_on.taken) == FRAMES - 1 - 3  # the fourth frame was not in the state
    assert going_on.prepared == FRAMES - 1
    threads = {prepared.thread for prepared in segmenter.taken + going_on.taken}
    assert threading.main_thread() not in threads


# --- what is made of masks, and what cannot be


@pytest.mark.parametrize("failing", ["VideoWriter", "CocoWriter"])
def test_the_same_command_goes_on_where_an_output_could_not_be_finished(
    network, squares, tmp_path, monkeypatch, failing
):
    """As on a full disk, which an encoder may notice only at its end."""
    video, source = squares
    outputs = Outputs(tmp_path / "o.mp4", tmp_path / "cut", tmp_path / "o.json")
    arguments = (source, {0: video[0][1]}, tmp_path / "out")

    def full(self, *error):
        finish(self, OutputError, None, None)
        raise OutputError("No space left on device")

    finish = getattr(outputs_module, failing).__exit__
    with monkeypatch.context() as patch:
        patch.setattr(getattr(outputs_module, failing), "__exit__", full)
        with pytest.raises(OutputError, match="No space left"):
            segment_video(VideoSegmenter(network, CONFIG), *arguments, outputs=outputs)
    assert not (tmp_path / "cut").exists()
    segment_video(VideoSegmenter(network, CONFIG), *arguments, outputs=outputs)
    assert len(masks_in(tmp_path / "out")) == FRAMES
    assert len(list((tmp_path / "cut").iterdir())) == FRAMES
    assert outputs.overlay.exists()
    assert outputs.coco.exists()


def test_a_second_run_beside_the_first_leaves_its_work_alone(
    network, squares, tmp_path, monkeypatch
):
    """The second one begins and ends while the first is in the middle of its outputs."""
    video, source = squares

    def run(name):
        cut_out = tmp_path / "cut" / name.replace(".", "_")
        outputs = Outputs(tmp_path / f"{name}.mp4", cut_out, tmp_path / f"{name}.json")
        out = tmp_path / name
        segment_video(
            VideoSegmenter(network, CONFIG), source, {0: video[0][1]}, out, outputs=outputs
        )
        assert len(masks_in(out)) == len(list(outputs.cut_out.iterdir())) == FRAMES
        assert outputs.overlay.stat().st_size
        assert outputs.coco.stat().st_size

    second = iter(["out.v2"])

    def begin_second(frame, labels):
        for name in second:
            run(name)
        return draw_over(frame, labels)

    draw_over = outputs_module.overlay
    monkeypatch.setattr(outputs_module, "overlay", begin_second)
    run("out")
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_masks_are_kept_when_an_output_fails(network, squares, tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    video, source = squares
    outputs = Outputs(cut_out=tmp_path / "out" / "cut")
    arguments = (VideoSegmenter(network, CONFIG), source, {0: video[0][1]}, tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr("ranet.inference.outputs.cut_out", raise_full)
        with pytest.raises(OutputError):
            segment_video(*arguments, outputs=outputs)
    assert "the same command goes on where this one ended, also with other outputs" in caplog.text
    assert not (tmp_path / "out").exists()
    outputs = Outputs(cut_out=tmp_path / "cut")
    segment_video(*arguments, outputs=outputs, after_frame=raise_broken)  # segments none again
    assert len(list((tmp_path / "cut").iterdir())) == FRAMES


def raise_full(*_):
    raise OutputError("Cannot write: no space left")


def raise_broken(*_):
    raise Broken


class OfUnknownLength:
    """The same frames, as of many video files."""

    live, count, frame_rate, paths, times = False, None, None, (), {}

    def __init__(self, source):
        self._source, self.size = source, source.size

    def __iter__(self):
        return iter(self._source)


def test_a_mark_behind_the_end(network, squares, tmp_path):
    video, source = squares
    masks = {0: video[0][1], 8: video[7][1]}
    with pytest.raises(DataError, match=r"has no frame 8: it has 8: 0…7\."):
        segment_video(VideoSegmenter(network, CONFIG), source, masks, tmp_path / "out")
    source = OfUnknownLength(source)
    with pytest.raises(DataError, match=r"has no frame 8: it has 8: 0…7\."):
        segment_video(VideoSegmenter(network, CONFIG), source, masks, tmp_path / "out")
    with pytest.raises(DataError, match=r"has no frame 9: it has 8: 0…7\."):
        segment_video(VideoSegmenter(network, CONFIG), source, {9: masks[0]}, tmp_path / "out")
    with pytest.raises(DataError, match="No frame is annotated"):
        segment_video(VideoSegmenter(network, CONFIG), source, {}, tmp_path / "out")


def test_a_later_mask_that_does_not_fit(network, squares, tmp_path):
    video, source = squares
    masks = {0: video[0][1], 3: np.ones((5, 6), np.uint8)}
    with pytest.raises(DataError, match=r"The mask of frame 3 cannot be used.*5×6"):
        segment_video(VideoSegmenter(network, CONFIG), source, masks, tmp_path / "out")


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"overlay": "x.mp4", "cut_out": "x.mp4"}, "Two of the outputs|ending is"),
        ({"cut_out": "frames"}, "frames is not empty"),
        ({"cut_out": "out"}, "is the folder of the masks"),
        ({"cut_out": "cut.mp4"}, r"written as \.webm"),
        ({"coco": "masks.txt"}, r"written as \.json"),
        ({"coco": "cut/masks.json", "cut_out": "cut"}, "Two of the outputs"),
    ],
)
def test_outputs_that_cannot_be(network, squares, tmp_path, outputs, message):
    video, source = squares
    outputs = Outputs(**{what: tmp_path / name for what, name in outputs.items()})
    with pytest.raises(OutputError, match=message):
        segment_video(
            *(VideoSegmenter(network, CONFIG), source, {0: video[0][1]}, tmp_path / "out"),
            outputs=outputs,
            after_frame=raise_broken,
        )
    assert not list(tmp_path.glob(".*"))


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs Linux' /proc")
def test_an_output_where_nobody_can_write_is_told_before_the_work(network, squares, tmp_path):
    video, source = squares
    with pytest.raises(OutputError, match="Cannot write /proc"):
        segment_video(
            *(VideoSegmenter(network, CONFIG), source, {0: video[0][1]}, tmp_path / "out"),
            outputs=Outputs(overlay=Path("/proc/overlay.mp4")),
            after_frame=raise_broken,
        )
