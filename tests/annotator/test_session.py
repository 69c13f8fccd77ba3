"""All that can be done, without a browser."""

import threading
from pathlib import Path

import numpy as np
import pytest
from annotated_squares import FRAMES, SIZE, wait_until
from moving_squares import iou

from ranet.annotator.marks import marks_of_masks
from ranet.annotator.session import BusyError
from ranet.datasets.image_io import read_image, read_labels, write_labels
from ranet.datasets.video_io import open_frames
from ranet.errors import DataError
from ranet.methods.checkpoints import load_checkpoint, save_checkpoint
from ranet.methods.dmvos.method import DMVOS

BOX_1 = (2, 4, 22, 24)


def mark(session, frame=0, label=1, of=BOX_1):
    session.edit(frame, label, "box", box=of)


def done(session):
    session.job.join()
    assert session.job.state == "done", session.job.error
    return session.job


def segmented(session, **options):
    session.segment(**{"backward": False, **options})
    return done(session)


class Gate:
    """Holds the segmentation up before a frame, until it may go on."""

    def __init__(self, session, monkeypatch, at):
        self.reached, self.opened = threading.Event(), threading.Event()
        step, self.left = session._segmenter.step, at

        def held(frame):
            self.left -= 1
            if self.left == 0:
                self.reached.set()
                assert self.opened.wait(60)
            return step(frame)

        monkeypatch.setattr(session._segmenter, "step", held)


def masks_in(folder):
    return {path.stem: read_labels(path) for path in sorted(folder.glob("*.png"))}


def files_in(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_a_box_is_marked_and_refined(session, squares):
    mark(session)
    session.edit(0, 1, "refine")
    assert iou(session.labels(0) == 1, squares[0][1] == 1) > 0.8
    told = session.as_json()
    assert told["objects"] == [{"id": 1, "colour": "#800000", "frames": [0]}]
    assert (told["marked"], told["size"], told["frames"]) == ([0], list(SIZE), FRAMES)


def test_objects_are_marked_in_any_frame_and_taken_back(session):
    mark(session)
    assert session.add_object(3) == 2
    mark(session, 3, 2, (24, 54, 44, 76))
    assert session.as_json()["objects"][1]["frames"] == [3]
    assert session.step(-1) == 3
    assert not session.labels(3).any()
    assert session.step(1) == 3
    session.remove_object(2, 0)
    assert [each["id"] for each in session.as_json()["objects"]] == [1]
    assert not session.labels(3).any()


def test_wrong_edits_change_nothing(session):
    for frame, label in ((FRAMES, 1), (0, 2)):
        with pytest.raises(DataError, match=r"There is no (frame|object)"):
            mark(session, frame, label)
    with pytest.raises(DataError, match="not marked"):
        session.edit(0, 1, "refine")
    assert not session.as_json()["can_undo"]


def test_masks_are_seen_while_they_come(session, monkeypatch):
    gate = Gate(session, monkeypatch, at=3)
    mark(session)
    session.segment(backward=False)
    assert gate.reached.wait(60)
    wait_until(lambda: session.as_json()["found"] == [(0, 2)])
    told = session.as_json()["job"]
    assert (told["doing"], told["state"], told["done"], told["total"]) == (
        *("segmenting", "running"),
        *(3, FRAMES),
    )
    assert (session.labels(0) == 1).any()
    for forbidden in (
        lambda: session.segment(backward=False),
        lambda: session.export(overlay=False),
    ):
        with pytest.raises(BusyError, match="Still segmenting"):
            forbidden()
    gate.opened.set()
    done(session)
    told = session.as_json()
    assert (told["found"], told["complete"]) == ([(0, FRAMES - 1)], True)
    assert (told["job"]["done"], told["job"]["frame"]) == (FRAMES, FRAMES - 1)


def test_a_stopped_segmentation_keeps_what_there_is_and_goes_on(
    session, make_session, monkeypatch, tmp_path
):
    whole = make_session(out="whole")
    mark(whole)
    segmented(whole)

    gate = Gate(session, monkeypatch, at=3)
    mark(session)
    session.segment(backward=False)
    assert gate.reached.wait(60)
    session.stop()
    gate.opened.set()
    session.job.join()
    assert session.job.state == "stopped"
    (span,) = session.as_json()["found"]
    assert 2 <= span[1] < FRAMES - 1
    assert session.as_json()["can_go_on"]
    segmented(session)
    for number in range(FRAMES):
        assert (session.labels(number) == whole.labels(number)).all()


def test_other_marks_begin_anew(session, monkeypatch):
    gate = Gate(session, monkeypatch, at=2)
    mark(session)
    session.segment(backward=False)
    assert gate.reached.wait(60)
    session.stop()
    gate.opened.set()
    session.job.join()
    session.edit(0, 1, "clear")
    mark(session, 2)
    assert not session.as_json()["can_go_on"]
    segmented(session)
    assert session.as_json()["found"] == [(2, FRAMES - 1)]


def test_frames_before_the_marks_are_segmented_if_wanted(session):
    mark(session, 3)
    assert segmented(session, backward=True).done == FRAMES
    assert session.as_json()["found"] == [(0, FRAMES - 1)]


def test_nothing_cannot_be_segmented_or_exported(session, tmp_path):
    with pytest.raises(DataError, match="mark an object"):
        session.segment(backward=False)
    with pytest.raises(DataError, match="mark an object"):
        session.export(overlay=False)
    assert session.job is None


def test_a_mark_is_shown_in_front_of_what_was_found(session):
    mark(session)
    segmented(session)
    session.add_object(2)
    session.edit(2, 2, "brush", points=[(70, 40)], radius=4)
    shown = session.labels(2)
    assert shown[40, 70] == 2
    found = session.as_json()["found"]
    assert found == [(0, FRAMES - 1)]


def test_everything_is_exported(session, squares, tmp_path):
    mark(session)
    segmented(session)
    session.export(overlay=True, cut_out="png", coco=True)
    assert done(session).done == FRAMES
    out = tmp_path / "out"
    names = [f"{number:02d}.png" for number in range(FRAMES)]
    assert files_in(out) == sorted(
        ["annotations/00.png", "masks.json", "overlay.mp4"]
        + [f"{folder}/{name}" for folder in ("cut_out", "masks") for name in names]
    )
    for number, labels in enumerate(masks_in(out / "masks").values()):
        assert (labels == session.labels(number)).all()
    assert len(list(open_frames(out / "overlay.mp4"))) == FRAMES
    assert session.exported == [out]
    assert not list(tmp_path.glob(".*"))


def test_a_relative_folder_is_told_in_full(session, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(session, "_out", Path("out"))
    mark(session)
    session.export(overlay=False)
    done(session)
    assert session.as_json()["exported"] == [str(tmp_path.resolve() / "out")]


def test_nothing_is_overwritten(session, tmp_path):
    (tmp_path / "out").mkdir()
    mark(session)
    for _ in range(2):
        session.export(overlay=False)
        done(session)
    assert session.exported == [tmp_path / "out", tmp_path / "out-2"]
    assert files_in(tmp_path / "out") == files_in(tmp_path / "out-2") == ["annotations/00.png"]


def test_a_stopped_export_leaves_nothing(session, tmp_path, monkeypatch):
    mark(session)
    segmented(session)
    source = session.source

    class Stopping:
        def __getattr__(self, name):
            return getattr(source, name)

        def __iter__(self):
            for number, named in enumerate(source):
                if number == 3:
                    session.stop()
                yield named

    monkeypatch.setattr(session, "source", Stopping())
    session.export()
    session.job.join()
    assert session.job.state == "stopped"
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".*"))


def test_what_cannot_be_done_is_told(session, tmp_path):
    mark(session)
    segmented(session)
    (tmp_path / "frames" / "03.png").write_bytes(b"no image")
    session.export()
    session.job.join()
    assert session.job.state == "failed"
    assert "03.png" in session.as_json()["job"]["error"]
    assert not (tmp_path / "out").exists()


def test_a_mistake_of_the_program_is_told(session, monkeypatch, caplog, tmp_path):
    def broken(frame, labels):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(session._segmenter, "start", broken)
    mark(session)
    session.segment(backward=False)
    session.job.join()
    assert "ZeroDivisionError: oh" in session.as_json()["job"]["error"]
    assert "Traceback" in caplog.text
    session.export(overlay=False)  # no frame was segmented: the marks alone
    done(session)
    assert files_in(tmp_path / "out") == ["annotations/00.png"]


def test_closing_stops_and_saves_the_marks(make_session, monkeypatch, tmp_path):
    session = make_session()
    gate = Gate(session, monkeypatch, at=2)
    mark(session)
    session.segment(backward=False)
    assert gate.reached.wait(60)
    closing = threading.Thread(target=session.close)
    closing.start()
    wait_until(lambda: session.as_json()["job"]["stopping"])
    gate.opened.set()
    closing.join(60)
    assert session.job.state == "stopped"
    assert files_in(tmp_path / "out") == ["annotations/00.png"]
    with pytest.raises(BusyError, match="is being ended"):
        session.segment(backward=False)


def test_closing_saves_no_marks_twice(make_session, tmp_path):
    session = make_session()
    mark(session)
    session.export(overlay=False)
    done(session)
    session.close()
    assert not (tmp_path / "out-2").exists()


def test_masks_are_marks_to_begin_with(make_session, tmp_path, squares):
    write_labels(tmp_path / "marks.png", squares[2][1])
    session = make_session(beginning=marks_of_masks({2: tmp_path / "marks.png"}, SIZE))
    told = session.as_json()
    assert [each["id"] for each in told["objects"]] == [1, 2]
    assert told["marked"] == [2]
    assert (session.labels(2) == squares[2][1]).all()
    session.close()
    assert not (tmp_path / "out").exists()
    with pytest.raises(DataError, match=r"marks.png.*48×80"):
        marks_of_masks({0: tmp_path / "marks.png"}, (5, 5))


def test_frames_of_a_video_file_are_counted_in_the_background(make_session, tmp_path):
    from ranet.datasets.video_writer import VideoWriter

    path = tmp_path / "squares.mp4"
    frames = [read_image(p) for p in sorted((tmp_path / "frames").iterdir())]
    with VideoWriter(path, frame_rate=10) as writer:
        for frame in frames:
            writer.write(frame)
    session = make_session(source=open_frames(path))
    wait_until(lambda: not session.as_json()["counting"])
    assert session.as_json()["frames"] == FRAMES
    assert session.as_json()["frame_rate"] == 10
    assert np.abs(session.image(4).astype(int) - frames[4]).mean() < 8
    mark(session, 2)
    segmented(session)
    session.export(overlay=False)
    done(session)
    assert files_in(tmp_path / "out")[0] == "annotations/00002.png"


class TestAnotherMethod:
    """By its checkpoint alone: what the annotator asks of a method is the seam's."""

    @pytest.fixture
    def network(self, tmp_path):
        network = DMVOS(backbone="tiny", k=4, embedding_channels=16, width=0.125)
        save_checkpoint(tmp_path / "dmvos.pt", network)
        return load_checkpoint(tmp_path / "dmvos.pt")

    def test_objects_of_several_frames_are_segmented_both_ways_and_exported(
        self, session, tmp_path
    ):
        mark(session, 1)
        session.add_object(3)
        mark(session, 3, 2, (24, 54, 44, 76))
        assert segmented(session, backward=True).done == FRAMES
        assert session.as_json()["found"] == [(0, FRAMES - 1)]
        session.export(overlay=False)
        done(session)
        assert len(masks_in(tmp_path / "out" / "masks")) == FRAMES
