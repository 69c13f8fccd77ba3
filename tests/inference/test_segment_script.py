import errno
import io
import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from moving_squares import moving
from PIL import Image
from scripts_in_process import as_in_the_foreground

from ranet import files
from ranet.config import InferenceConfig, load_config
from ranet.datasets.image_io import read_labels, write_image, write_labels
from ranet.datasets.video_io import open_frames
from ranet.datasets.video_writer import VideoWriter
from ranet.lock import only_writer

PROJECT = Path(__file__).resolve().parents[2]
SIZE = (48, 80)
SMALL = ["input_size=[48,80]", "frame_size=[48,80]", "device=cpu"]


def write_video(folder, frames=6):
    video = moving(SIZE, frames, {1: (4, 6), 5: (20, 50)}, step=(1, 0), side=14)
    for index, (frame, _) in enumerate(video):
        write_image(folder / f"img_{index}.jpg", frame)
    write_labels(folder.parent / "first.png", video[0][1])
    return video


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "frames")


@pytest.fixture
def segment(run_script, video, tmp_path, checkpoint):
    """Run the script on the video; keyword arguments replace options."""

    def run(*more, **options):
        settings = {
            "video": tmp_path / "frames",
            "mask": tmp_path / "first.png",
            "checkpoint": checkpoint,
            "out": tmp_path / "out",
            **options,
        }
        chosen = {f"--{key}": value for key, value in settings.items() if value is not None}
        given = [part for option in chosen.items() for part in option]
        return run_script("segment.py", *given, *more, *SMALL)

    return run


def names(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def assert_error(outcome, tmp_path, *parts):
    """One message, status 1, no traceback, and nothing written."""
    assert outcome.status == 1, outcome.error
    assert outcome.error.count("error: ") == 1
    assert "Traceback" not in outcome.error
    for part in parts:
        assert part in outcome.error
    assert not [name for name in names(tmp_path) if name.startswith((".", "out", "overlay"))]


def test_a_folder_of_frames(segment, tmp_path, video):
    outcome = segment("--overlay", tmp_path / "overlay.mp4")
    assert outcome.status == 0, outcome.error
    assert names(tmp_path / "out") == [f"img_{index}.png" for index in range(6)]
    assert (read_labels(tmp_path / "out/img_0.png") == video[0][1]).all()
    for index in range(6):
        labels = read_labels(tmp_path / f"out/img_{index}.png")
        assert labels.shape == SIZE
        assert set(np.unique(labels)) <= {0, 1, 5}
    assert "6 masks in" in outcome.error
    overlay = list(open_frames(tmp_path / "overlay.mp4"))
    assert len(overlay) == 6
    difference = np.abs(overlay[0][1].astype(int) - video[0][0]).mean(axis=2)
    assert difference[6:16, 8:18].mean() > difference[:, 25:45].mean() + 20  # the object is drawn


@pytest.mark.slow
def test_the_overlay_may_lie_among_the_masks(segment, tmp_path):
    write_video(tmp_path / "frames", frames=105)  # more than the encoder keeps to itself
    outcome = segment("--overlay", tmp_path / "out/shown/overlay.mp4")
    assert outcome.status == 0, outcome.error
    assert len(names(tmp_path / "out")) == 105 + 1
    assert len(list(open_frames(tmp_path / "out/shown/overlay.mp4"))) == 105
    assert names(tmp_path) == ["first.png", "frames", "out"]


def test_a_video_file_from_a_later_frame(segment, tmp_path, video):
    with VideoWriter(tmp_path / "film.mp4", frame_rate=12) as writer:
        for frame, _ in video:
            writer.write(frame)
    outcome = segment(
        *("crop=whole_frame", "--start", 2, "objects_at_once=1"),  # overrides may stand anywhere
        *("--overlay", tmp_path / "overlay.mp4"),
        video=tmp_path / "film.mp4",
    )
    assert outcome.status == 0, outcome.error
    assert names(tmp_path / "out") == [f"{index:05d}.png" for index in range(2, 6)]
    overlay = open_frames(tmp_path / "overlay.mp4")
    assert len(list(overlay)) == 4
    assert overlay.frame_rate == 12


def test_an_overlay_lasts_as_long_as_the_video(segment, tmp_path, video):
    """Pauses included; also where a name has a colon."""
    times = [Fraction(t, 100) for t in (0, 4, 8, 300, 304, 308)]
    with VideoWriter(tmp_path / "12:30.mp4", frame_rate=25) as writer:
        for (frame, _), time_shown in zip(video, times, strict=True):
            writer.write(frame, time_shown)
        writer.end = Fraction(5)
    outputs = ("--overlay", tmp_path / "12:31.mp4", "--cut-out", tmp_path / "12:31.webm")
    outcome = segment(*outputs, "--start", 1, video=tmp_path / "12:30.mp4")
    assert outcome.status == 0, outcome.error
    for name in ("12:31.mp4", "12:31.webm"):
        made = open_frames(tmp_path / name)
        assert len(list(made)) == 5
        expected = [float(t - times[1]) for t in (*times[1:], 5)]
        assert [float(t) for t in made.times.values()] == pytest.approx(expected, abs=0.002)


def test_boxes(segment, tmp_path):
    outcome = segment("--box", "4,6,18,20", "--box", "20,50,34,64", mask=None)
    assert outcome.status == 0, outcome.error
    first = read_labels(tmp_path / "out/img_0.png")
    assert (first[4:18, 6:20] == 1).all()
    assert (first[20:34, 50:64] == 2).all()


def test_polygons(segment, tmp_path):
    outline = {"id": 3, "polygons": [[[6, 4], [19, 4], [19, 17], [6, 17]]]}
    (tmp_path / "first.json").write_text(json.dumps({"objects": [outline]}))
    outcome = segment("--polygon", tmp_path / "first.json", mask=None)
    assert outcome.status == 0, outcome.error
    assert (read_labels(tmp_path / "out/img_0.png")[4:18, 6:20] == 3).all()


def test_the_shipped_configuration_is_the_default():
    assert load_config(InferenceConfig, PROJECT / "configs/segment.yaml") == InferenceConfig()


# --- several annotated frames, backwards


def test_several_annotated_frames(segment, tmp_path, video):
    write_labels(tmp_path / "later.png", np.where(video[4][1] == 5, 5, 0).astype(np.uint8))
    outcome = segment("--mask", f"4={tmp_path / 'later.png'}")
    assert outcome.status == 0, outcome.error
    later = read_labels(tmp_path / "out/img_4.png")
    assert (later[video[4][1] == 5] == 5).all()
    assert (later != 5)[video[4][1] != 5].all()


def test_one_mask_for_each_object_of_a_frame(segment, tmp_path, video):
    labels = video[0][1]
    write_labels(tmp_path / "first.png", (labels == 5).astype(np.uint8))
    corners = [[6, 4], [19, 4], [19, 17], [6, 17]]
    shape = {"label": "x", "shape_type": "polygon", "group_id": None, "points": corners}
    (tmp_path / "b.json").write_text(json.dumps({"shapes": [shape]}))
    outcome = segment("--mask", tmp_path / "b.json")
    assert outcome.status == 0, outcome.error
    first = read_labels(tmp_path / "out/img_0.png")
    assert (first[4:18, 6:20] == 2).all()
    assert (first == 1).sum() == ((labels == 5) & (first != 2)).sum()
    write_labels(tmp_path / "first.png", labels)
    refused = segment("--mask", tmp_path / "b.json", "--out", tmp_path / "out2")
    assert_error(refused, tmp_path / "none", "expected one object")


def test_masks_named_as_their_frames(segment, tmp_path, video):
    for number in (2, 4):
        write_labels(tmp_path / "masks" / f"img_{number}.png", video[number][1])
    outcome = segment("--masks", tmp_path / "masks", "--backward", mask=None)
    assert outcome.status == 0, outcome.error
    assert len(names(tmp_path / "out")) == 6
    for number in (2, 4):
        labels = read_labels(tmp_path / f"out/img_{number}.png")
        assert (labels == video[number][1]).all()


def test_a_mask_by_the_number_in_the_name_of_its_frame(segment, tmp_path, video):
    """Also where these do not begin with 0."""
    for number in range(6):
        (tmp_path / f"frames/img_{number}.jpg").rename(tmp_path / f"frames/{number + 4:05d}.jpg")
    write_labels(tmp_path / "00006.png", video[2][1])
    outcome = segment(mask=f"6={tmp_path / '00006.png'}")
    assert outcome.status == 0, outcome.error
    assert names(tmp_path / "out") == [f"{number:05d}.png" for number in range(6, 10)]
    assert "is of frame 00006" in outcome.error
    assert "warning" not in outcome.error
    outcome = segment(mask=tmp_path / "00006.png", out=tmp_path / "first")
    assert "warning: The mask" in outcome.error
    assert "frame 00004" in outcome.error
    assert_error(segment(mask=f"2={tmp_path / 'first.png'}", out=tmp_path / "o"), tmp_path / "x")


def test_a_mask_named_as_no_frame(segment, tmp_path, video):
    write_labels(tmp_path / "masks" / "img_9.png", video[0][1])
    outcome = segment("--masks", tmp_path / "masks", mask=None)
    assert_error(outcome, tmp_path, "No frame is named as 1 mask", "img_9")


# --- cameras and pipes


def test_raw_frames_on_standard_input(segment, tmp_path, video, monkeypatch):
    sent = b"".join(frame.tobytes() for frame, _ in video)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(sent)))
    outcome = segment(
        *("--raw-size", "48x80", "--overlay", tmp_path / "overlay.mp4", "--frame-rate", "30"),
        *("--cut-out", tmp_path / "cut", "--start", 1),
        video="-",
    )
    assert outcome.status == 0, outcome.error
    assert names(tmp_path / "out") == [f"{number:05d}.png" for number in range(1, 6)]
    assert names(tmp_path / "cut") == names(tmp_path / "out")
    overlay = open_frames(tmp_path / "overlay.mp4")
    assert (overlay.frame_rate, len(list(overlay))) == (30, 5)


def test_what_came_before_a_truncated_frame_is_kept(segment, tmp_path, video, monkeypatch):
    sent = b"".join(frame.tobytes() for frame, _ in video)[:-1]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(sent)))
    outcome = segment(
        *("--raw-size", "48x80", "--start", 1, "--overlay", tmp_path / "overlay.mp4"), video="-"
    )
    assert outcome.status == 1
    assert "error: standard input ends within frame 5 (counted from 0)" in outcome.error
    assert f"Kept 4 masks up to frame 4, in {tmp_path / 'out'}." in outcome.error
    assert "Traceback" not in outcome.error
    assert names(tmp_path / "out") == [f"{number:05d}.png" for number in range(1, 5)]
    assert len(list(open_frames(tmp_path / "overlay.mp4"))) == 4
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("start", [0, 3])
def test_a_truncated_frame_before_any_that_is_segmented(
    segment, tmp_path, video, monkeypatch, start
):
    sent = b"".join(frame.tobytes() for frame, _ in video[: start + 1])[:-1]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(sent)))
    outcome = segment(
        *("--raw-size", "48x80", "--start", start, "--overlay", tmp_path / "o.mp4"), video="-"
    )
    assert_error(outcome, tmp_path, f"standard input ends within frame {start}", "48×80")
    assert "Kept" not in outcome.error


class FakeCamera:
    """Delivers the frames of a video; before one of them, somebody presses Ctrl-C."""

    def __init__(self, video, stop_before=None):
        self.video, self.stop_before, self.delivered = video, stop_before, 0

    def read(self):
        if self.delivered == self.stop_before:
            os.kill(os.getpid(), signal.SIGINT)
        if self.delivered == len(self.video):
            return False, None
        self.delivered += 1
        return True, self.video[self.delivered - 1][0][..., ::-1].copy()

    def get(self, what):
        return 15.0

    def release(self):
        pass


@pytest.mark.parametrize(("stop_before", "frames"), [(None, 6), (3, 4)])
def test_a_camera_until_it_ends_or_ctrl_c(
    segment, tmp_path, video, monkeypatch, stop_before, frames
):
    monkeypatch.setattr(cv2, "VideoCapture", lambda index: FakeCamera(video, stop_before))
    outcome = segment(
        *("--overlay", tmp_path / "overlay.mp4", "--coco", tmp_path / "masks.json"), video=0
    )
    assert outcome.status == 0, outcome.error
    assert "Ctrl-C ends the video" in outcome.error
    assert len(names(tmp_path / "out")) == frames
    overlay = open_frames(tmp_path / "overlay.mp4")
    assert len(list(overlay)) == frames
    assert len(json.loads((tmp_path / "masks.json").read_text())["images"]) == frames


def test_a_camera_has_no_way_back(segment, tmp_path, video, monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", lambda index: FakeCamera(video))
    outcome = segment("--start", 2, "--backward", video=0)
    assert_error(outcome, tmp_path, "cannot be segmented backwards")


# --- bad input


@pytest.mark.parametrize(
    ("more", "options", "parts"),
    [
        ([], {"video": "nowhere"}, ("No video", "nowhere")),
        ([], {"video": "empty"}, ("No frames in", "it is empty")),
        ([], {"video": "film.mp4"}, ("film.mp4",)),
        ([], {"mask": "none.png"}, ("none.png",)),
        (["--box", "0,0,9,9"] * 255, {"mask": None}, ("At most 254 objects",)),
        (["--box", "50,0,60,9"], {"mask": None}, ("Box 1, 50,0,60,9", "48×80")),
        (["--start", 6], {}, ("has no frame 6", "numbered 0…5")),
        ([], {"checkpoint": "first.png"}, ("first.png",)),
        (["dtyp=float16"], {}, ("dtyp: unknown key; did you mean 'dtype'?",)),
        ([], {"out": "film.mp4/masks"}, ("Cannot write", "film.mp4")),
        (["--overlay", "overlay.avi"], {}, (".mp4", ".avi")),
        (["--overlay", "empty"], {}, ("empty is to be a file",)),
        (["--overlay", "out.mp4"], {"out": "out.mp4/masks"}, ("folder of the masks, or holds it",)),
        (["--overlay", f"{'o' * 300}.mp4"], {}, ("name too long",)),
    ],
    ids=lambda value: None if isinstance(value, tuple) else str(value)[:40],
)
def test_mistakes_are_told(segment, tmp_path, monkeypatch, more, options, parts):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("film.mp4").write_text("no video")
    assert_error(segment(*more, **options), tmp_path, *parts)


def test_a_truncated_frame(segment, tmp_path):
    path = tmp_path / "frames/img_3.jpg"
    path.write_bytes(path.read_bytes()[:400])
    outcome = segment("--overlay", tmp_path / "overlay.mp4")
    assert_error(outcome, tmp_path, "img_3.jpg")


@pytest.mark.parametrize(
    ("labels", "parts"),
    [
        (np.zeros(SIZE, np.uint8), ("first.png", "mark no object")),
        (np.ones((10, 20), np.uint8), ("first.png", "10×20", "48×80")),
    ],
)
def test_a_first_mask_that_does_not_fit(segment, tmp_path, labels, parts):
    write_labels(tmp_path / "first.png", labels)
    assert_error(segment(), tmp_path, *parts)


def test_an_output_in_use_is_left_alone(segment, tmp_path):
    for out in (tmp_path / "frames", tmp_path / "frames" / "..", "."):
        outcome = segment(out=out)
        assert outcome.status == 1
        assert "is not empty" in outcome.error
    assert len(names(tmp_path / "frames")) == 6


def test_the_video_itself_is_never_overwritten(segment, tmp_path, video):
    film = tmp_path / "film.mp4"
    with VideoWriter(film, frame_rate=12) as writer:
        for frame, _ in video:
            writer.write(frame)
    (tmp_path / "link.mp4").symlink_to(film)
    before = film.read_bytes()
    for overlay in (film, tmp_path / "frames/../film.mp4", tmp_path / "link.mp4"):
        outcome = segment("--overlay", overlay, video=film)
        assert outcome.status == 1
        assert "is the video itself" in outcome.error
        assert film.read_bytes() == before
    assert names(tmp_path) == ["film.mp4", "first.png", "frames", "link.mp4"]


def test_two_runs_at_once_into_one_folder(segment, tmp_path):
    with only_writer(tmp_path / "out", tmp_path / ".out.lock"):
        outcome = segment()
        assert outcome.status == 1
        assert "Another run is writing to" in outcome.error
        assert f"process {os.getpid()}" in outcome.error
        assert not (tmp_path / "out").exists()
    assert segment().status == 0
    assert names(tmp_path) == ["first.png", "frames", "out"]


def fill_disk(monkeypatch, full_at):
    writes, real = [], os.replace

    def replace(temporary, path):
        writes.append(path)
        if len(writes) == full_at:  # of six masks, the state, the overlay, and the folder
            raise OSError(errno.ENOSPC, "No space left on device")
        real(temporary, path)

    monkeypatch.setattr(files.os, "replace", replace)
    return writes


def test_a_full_disk_leaves_nothing(segment, tmp_path, monkeypatch):
    writes = fill_disk(monkeypatch, full_at=3)
    outcome = segment("--overlay", tmp_path / "overlay.mp4")
    assert len(writes) == 3
    assert_error(outcome, tmp_path, "No space left on device")


def test_a_disk_that_is_full_after_the_masks(segment, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        fill_disk(patch, full_at=8)
        outcome = segment("--overlay", tmp_path / "overlay.mp4")
        assert outcome.status == 1
        assert "overlay.mp4: No space left on device" in outcome.error
        assert "the same command goes on" in outcome.error
    assert names(tmp_path) == [".out.unfinished", "first.png", "frames"]
    outcome = segment("--overlay", tmp_path / "overlay.mp4")
    assert outcome.status == 0
    assert names(tmp_path) == ["first.png", "frames", "out", "overlay.mp4"]
    assert len(names(tmp_path / "out")) == len(list(open_frames(tmp_path / "overlay.mp4"))) == 6


def test_ids_above_254_in_a_16_bit_mask(segment, tmp_path):
    labels = np.zeros(SIZE, np.uint16)
    labels[4:18, 6:20] = 300
    Image.fromarray(labels).save(tmp_path / "first.png")
    assert_error(segment(), tmp_path, "first.png", "300")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--box", "1,2,3"], "top,left,bottom,right"),
        (["--box", "1,2,3,x"], "top,left,bottom,right"),
        (["--start", "-1"], "from 0 on"),
        (["--mask", "3=a.png", "--start", "3"], "a mask without a number"),
        (["--box", "0,0,9,9", "--raw-size", "480"], "480x864"),
        (["--box", "0,0,9,9", "--raw-size", "480x854"], "need each other"),
        (["--box", "0,0,9,9", "--frame-rate", "0"], "frames a second"),
        (["--mask", "a.png", "--polygon", "a.json"], "not allowed with"),
        (["--polygon", "a.json", "--coco", "./a.json"], "is read, and would be replaced"),
        ([], "required"),
    ],
)
def test_a_wrong_command_line(run_script, arguments, message):
    outcome = run_script(
        "segment.py", "--video", "v", "--checkpoint", "c", "--out", "o", *arguments
    )
    assert outcome.status == 2
    assert message in outcome.error


def test_an_output_does_not_replace_the_file_of_a_named_network(segment, tmp_path, monkeypatch):
    network = tmp_path / "ranet_small.safetensors"
    network.write_bytes(b"weights")
    monkeypatch.setattr("ranet.methods.checkpoints._FOLDER", tmp_path)
    outcome = segment("--coco", network, checkpoint=None)
    assert outcome.status == 2
    assert "ranet_small.safetensors is read" in outcome.error
    assert network.read_bytes() == b"weights"


def test_an_output_may_be_called_like_a_network(segment, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = segment("--cut-out", "ranet-small", checkpoint=None)
    assert outcome.status == 0, outcome.error
    assert len(names(tmp_path / "ranet-small")) == 6


def test_help_tells_how(run_script):
    outcome = run_script("segment.py", "--help")
    assert outcome.status == 0
    options = ("--box", "--polygon", "--start", "--backward", "--overlay", "--cut-out", "--coco")
    for part in (*options, '{"objects": [{"id": 1'):
        assert part in outcome.out


@pytest.mark.slow
def test_a_stopped_run_goes_on(segment, tmp_path, checkpoint):
    """For real: another process, stopped in the middle."""
    write_video(tmp_path / "frames", frames=60)
    command = [
        *(sys.executable, PROJECT / "scripts/segment.py", "--video", tmp_path / "frames"),
        *("--mask", tmp_path / "first.png", "--checkpoint", checkpoint),
        *("--out", tmp_path / "out", "--coco", tmp_path / "masks.json", *SMALL),
    ]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, preexec_fn=as_in_the_foreground
    )
    try:
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob(".out.unfinished/masks/img_1.png")):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "the same command goes on" in error
    assert "Traceback" not in error
    assert names(tmp_path) == [".out.unfinished", "first.png", "frames"]
    kept = {path: path.stat().st_ino for path in tmp_path.glob(".out.unfinished/masks/*")}
    assert 0 < len(kept) < 60

    outcome = segment("previous_mask=none")
    assert outcome.status == 1
    assert "inference.previous_mask: 'thresholded' then, 'none' now" in outcome.error
    assert "--restart" in outcome.error

    outcome = segment("--coco", tmp_path / "masks.json")
    assert outcome.status == 0, outcome.error
    assert names(tmp_path) == ["first.png", "frames", "masks.json", "out"]
    assert len(names(tmp_path / "out")) == 60
    for path, number in kept.items():  # were not made again
        assert (tmp_path / "out" / path.name).stat().st_ino == number
