import json
import shutil
import zipfile

import numpy as np
import pytest
import torch
from colour_network import ColourNetwork
from davis_tree import SIZE, masks_of, write_sequence, write_tree
from moving_squares import moving
from PIL import Image

from ranet.config import EvalConfig, InferenceConfig, OnlineLearning
from ranet.datasets.image_io import read_labels, write_labels
from ranet.errors import ConfigError, DataError, OutputError
from ranet.inference import davis
from ranet.inference.davis import Method, copying, evaluate_split, network
from ranet.inference.sequences import CopyFirstMask
from ranet.inference.tracker import Tracker
from ranet.palette import PALETTE
from ranet.report.runs import read_runs

INFERENCE = InferenceConfig(input_size=SIZE, frame_size=SIZE, smallest_crop=8, device="cpu")
YEAR_2017 = EvalConfig(year=2017, inference=INFERENCE)
YEAR_2016 = EvalConfig(year=2016, inference=INFERENCE)
FRAMES = [f"{index:05d}.png" for index in range(6)]


@pytest.fixture
def tree(tmp_path):
    return write_tree(tmp_path / "DAVIS")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


class Counting(Tracker):
    """Counts its videos, and may be stopped at a step."""

    def __init__(self, stop_at=None):
        super().__init__(ColourNetwork(), INFERENCE)
        self.videos, self.steps, self.stop_at = 0, 0, stop_at

    def start(self, frame, labels):
        self.videos += 1
        return super().start(frame, labels)

    def step(self, videos, frames):
        self.steps += 1
        if self.steps == self.stop_at:
            raise KeyboardInterrupt
        return super().step(videos, frames)


def colours(checkpoint="a", **counting):
    settings = {"method": "colours", "checkpoint_sha256": checkpoint}
    return Method(Counting(**counting), settings)


def result_of(out):
    return json.loads((out / "result.json").read_text())


# --- a whole run


def test_a_split_is_segmented_scored_and_reported(tree, out):
    report = evaluate_split(YEAR_2017, colours(), tree, out)
    assert masks_of(out) == dict.fromkeys(("one", "three", "two"), FRAMES)
    assert sorted(path.name for path in out.iterdir()) == [
        "davis.json",
        "global_results-val.csv",
        "masks",
        "per-sequence_results-val.csv",
        "result.json",
        "settings.json",
        "timing.json",
    ]
    result = result_of(out)
    assert result["global"] == json.loads((out / "davis.json").read_text())["global"]
    assert result["global"]["J-Mean"] > 0.9
    assert result["global"]["J-Mean"] == report.scores.averages["J-Mean"]
    assert set(result["sequences"]) == {"one", "two", "three"}
    assert set(result["sequences"]["one"]["objects"]) == {"1", "2"}
    assert result["published"] is None
    assert result["settings"]["config"]["inference"]["input_size"] == list(SIZE)
    assert result["settings"]["checkpoint_sha256"] == "a"
    assert result["versions"]["torch"] == torch.__version__
    assert result["device"].startswith("CPU")
    assert result["memory"]["peak_bytes"] > 2**20
    assert result["memory"]["counted"] == "resident, whole process"
    with Image.open(out / "masks/one/00003.png") as mask:
        assert mask.mode == "P"
        assert mask.size == SIZE[::-1]
        assert (np.array(mask.getpalette()).reshape(-1, 3)[:3] == PALETTE[:3]).all()
    given = read_labels(tree / "Annotations/480p/one/00000.png")
    assert (read_labels(out / "masks/one/00000.png") == given).all()


def test_the_papers_numbers_stand_beside_sequences_of_its_split_only(tmp_path, out):
    tree = write_tree(tmp_path / "DAVIS", names=["camel", "goat"])
    report = evaluate_split(YEAR_2017, colours(), tree, out)
    assert result_of(out)["published"]["measures"]["J&F-Mean"] == 0.657
    assert "paper, Table 3" in str(report)
    write_sequence(tree, "mine", moving(SIZE, 6, {1: (4, 6)}, side=14))
    with (tree / "ImageSets/2017/val.txt").open("a") as file:
        file.write("mine\n")
    assert "paper" not in str(evaluate_split(YEAR_2017, colours(), tree, out))


class SlowAtFirst(CopyFirstMask):
    """The steps of a video take 500, 1, 2, 3, 4 ms; so it says."""

    def start(self, frame, labels):
        self.taken = 0
        return super().start(frame, labels)

    def step(self, videos, frames):
        self.step_seconds = self.taken / 1000 if self.taken else 0.5
        self.taken += 1
        return super().step(videos, frames)


def test_times_leave_out_the_first_step_of_every_sequence(tree, out):
    method = Method(SlowAtFirst(), {"method": "slow"})
    times = evaluate_split(YEAR_2017, method, tree, out).times
    assert times["timed_steps"] == 3 * 4  # of 5 steps each
    assert times["frames"] == 3 * 6
    assert times["step_ms"] == pytest.approx(2.5)
    assert result_of(out)["times"] == times
    assert result_of(out)["sequences"]["two"]["times"]["timed_steps"] == 4


def test_in_2016_all_that_is_not_black_is_one_object(tmp_path, out):
    tree = write_tree(tmp_path / "DAVIS", names=["only"], black_and_white=True)
    evaluate_split(YEAR_2016, copying(), tree, out)
    assert np.unique(read_labels(out / "masks/only/00000.png")).tolist() == [0, 1]
    indexed = write_tree(tmp_path / "indexed", names=["only"])
    evaluate_split(YEAR_2016, copying(), indexed, tmp_path / "other")
    assert np.unique(read_labels(tmp_path / "other/masks/only/00000.png")).tolist() == [0, 1]
    assert result_of(out)["global"] == result_of(tmp_path / "other")["global"]


def test_copying_the_first_mask_needs_no_network(tree, out):
    report = evaluate_split(YEAR_2017, copying(), tree, out)
    first = read_labels(out / "masks/one/00000.png")
    assert (read_labels(out / "masks/one/00005.png") == first).all()
    assert report.scores.averages["J-Mean"] < 0.8
    assert result_of(out)["settings"]["method"] == "copy of the first mask"


def test_another_list_of_sequences_may_be_given(tree, out, tmp_path):
    (tmp_path / "mine.txt").write_text("two\n")
    report = evaluate_split(YEAR_2017, colours(), tree, out, set_file=tmp_path / "mine.txt")
    assert masks_of(out) == {"two": FRAMES}
    assert (out / "global_results-mine.csv").exists()
    assert "DAVIS-2017 mine: 1 sequence," in str(report)
    assert result_of(out)["settings"]["set"] == {
        "file": str(tmp_path / "mine.txt"),
        "sequences": ["two"],
    }
    evaluate_split(YEAR_2017, colours(), tree, out)  # the others are added
    assert set(masks_of(out)) == {"one", "two", "three"}
    assert result_of(out)["settings"]["set"]["file"] == str(tree / "ImageSets/2017/val.txt")


def test_the_network_comes_from_its_checkpoint(tmp_path):
    from tiny_ranet import tiny_ranet

    from ranet.methods.checkpoints import fingerprint, save_checkpoint

    save_checkpoint(tmp_path / "tiny.pt", tiny_ranet("multi"))
    method = network(YEAR_2017, tmp_path / "tiny.pt")
    assert method.settings["checkpoint_sha256"] == fingerprint(tmp_path / "tiny.pt")
    assert method.settings["architecture"]["objects"] == "multi"
    assert method.inference.fusion == "softmax"
    assert isinstance(method.tracker, Tracker)


# --- several videos at once


def read_masks(out):
    return {path.relative_to(out): path.read_bytes() for path in (out / "masks").rglob("*.png")}


def test_several_videos_at_once_give_the_results_of_one_by_one(tree, out, tmp_path):
    report = evaluate_split(YEAR_2017, colours(), tree, out, batch_videos=2)
    alone = evaluate_split(YEAR_2017, colours(), tree, tmp_path / "alone")
    assert read_masks(out) == read_masks(tmp_path / "alone")
    assert report.scores.averages == alone.scores.averages
    times = result_of(out)["times"]
    assert times["videos_at_once"] == pytest.approx((2 + 2 + 1) / 3)
    assert times["timed_steps"] == 12
    assert "videos were followed at once" in str(report)
    assert result_of(tmp_path / "alone")["times"]["videos_at_once"] == 1


def test_only_videos_with_equally_many_objects_are_in_a_batch(tree, out):
    write_sequence(tree, "single", moving(SIZE, 6, {1: (4, 6)}, side=14))
    with (tree / "ImageSets/2017/val.txt").open("a") as file:
        file.write("single\n")
    evaluate_split(YEAR_2017, colours(), tree, out, batch_videos=9)
    at_once = {
        name: times["videos_at_once"]
        for name, times in json.loads((out / "timing.json").read_text()).items()
    }
    assert at_once == {"one": 3, "two": 3, "three": 3, "single": 1}


def test_a_run_may_go_on_with_several_videos_at_once(tree, out):
    with pytest.raises(KeyboardInterrupt):
        evaluate_split(YEAR_2017, colours(stop_at=8), tree, out)
    kept = (out / "masks/one/00003.png").stat().st_mtime_ns
    evaluate_split(YEAR_2017, colours(), tree, out, batch_videos=4)
    assert (out / "masks/one/00003.png").stat().st_mtime_ns == kept
    assert set(masks_of(out)) == {"one", "three", "two"}
    with pytest.raises(OutputError, match="checkpoint_sha256"):
        evaluate_split(YEAR_2017, colours("b"), tree, out, batch_videos=4)


def test_a_truncated_frame_leaves_nothing_of_the_videos_under_way(tree, out):
    frame = tree / "JPEGImages/480p/two/00003.jpg"
    frame.write_bytes(frame.read_bytes()[:300])
    with pytest.raises(DataError, match=r"two/00003\.jpg"):
        evaluate_split(YEAR_2017, colours(), tree, out, batch_videos=2)
    assert masks_of(out) == {}


def test_online_learning_follows_one_video_at_a_time(tree, out):
    online = INFERENCE.model_copy(update={"online": OnlineLearning(steps=1)})
    method = Method(Tracker(ColourNetwork(), online), {"method": "learning"}, online)
    with pytest.raises(ConfigError, match=r"inference\.online=null"):
        evaluate_split(YEAR_2017, method, tree, out, batch_videos=2)
    assert not out.exists()


# --- again


def test_a_finished_run_segments_only_what_is_missing(tree, out):
    evaluate_split(YEAR_2017, colours(), tree, out)
    before = result_of(out)
    again = colours()
    evaluate_split(YEAR_2017, again, tree, out)
    assert again.tracker.videos == 0
    assert result_of(out) == before  # times and memory of the first run included
    (out / "masks/two/00003.png").unlink()  # then its sequence is done again
    evaluate_split(YEAR_2017, again, tree, out)
    assert again.tracker.videos == 1
    assert masks_of(out)["two"] == FRAMES


def test_scores_go_where_a_set_can_no_longer_be_scored(tree, out):
    evaluate_split(YEAR_2017, colours(), tree, out)
    (out / "global_results-other.csv").write_text("of another set")
    assert (out / "davis.json").is_file()
    for mask in (tree / "Annotations/480p").rglob("0000[1-9].png"):
        mask.unlink()
    evaluate_split(YEAR_2017, colours(), tree, out, needs_scores=False)
    assert result_of(out)["global"] is None
    assert not (out / "davis.json").exists()
    assert [path.name for path in out.glob("*.csv")] == ["global_results-other.csv"]


@pytest.mark.parametrize("changes", [{"objects_at_once": 1}, {"device": "auto"}])
def test_what_changes_no_result_may_change_on_the_way(tree, out, changes):
    with pytest.raises(KeyboardInterrupt):
        evaluate_split(YEAR_2017, colours(stop_at=8), tree, out)
    other = YEAR_2017.model_copy(update={"inference": INFERENCE.model_copy(update=changes)})
    again = colours()
    evaluate_split(other, again, tree, out)
    assert again.tracker.videos == 2
    settings = result_of(out)["settings"]["config"]["inference"]
    assert settings == other.inference.model_dump(mode="json")


def test_an_interrupted_run_keeps_what_was_finished_and_goes_on(tree, out, tmp_path, caplog):
    caplog.set_level("INFO")
    with pytest.raises(KeyboardInterrupt):
        evaluate_split(YEAR_2017, colours(stop_at=8), tree, out)  # in the second sequence
    assert masks_of(out) == {"one": FRAMES}
    assert "1 of 3 sequences finished and kept" in caplog.text
    assert not (out / "result.json").exists()
    kept = (out / "masks/one/00003.png").stat().st_mtime_ns

    second = colours()
    evaluate_split(YEAR_2017, second, tree, out)
    assert second.tracker.videos == 2
    assert (out / "masks/one/00003.png").stat().st_mtime_ns == kept
    whole = evaluate_split(YEAR_2017, colours(), tree, tmp_path / "whole")
    assert result_of(out)["global"] == whole.scores.averages
    assert result_of(out)["times"]["frames"] == 18


def test_the_code_that_made_each_sequence_is_told(tree, out, monkeypatch):
    monkeypatch.setattr(davis, "revision", lambda: "old")
    with pytest.raises(KeyboardInterrupt):
        evaluate_split(YEAR_2017, colours(stop_at=8), tree, out)
    monkeypatch.setattr(davis, "revision", lambda: "new")
    report = evaluate_split(YEAR_2017, colours(), tree, out)
    noted = json.loads((out / "timing.json").read_text())
    expected = {"one": "old", "three": "new", "two": "new"}
    assert {name: times["revision"] for name, times in noted.items()} == expected
    assert result_of(out)["revision"] == "old and new"
    assert "the revisions old and new" in str(report)


def test_the_ways_in_which_masks_were_computed_are_told(tree, out, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Counting, "ways", ("compile", "channels_last"))
        with pytest.raises(KeyboardInterrupt):
            evaluate_split(YEAR_2017, colours(stop_at=8), tree, out)
    report = evaluate_split(YEAR_2017, colours(), tree, out)
    assert result_of(out)["computed"] == ["compile and channels_last", "plain"]
    assert "different ways" in str(report)


def test_results_and_data_may_be_moved(tmp_path):
    before, now = tmp_path / "before", tmp_path / "now"
    evaluate_split(YEAR_2017, colours(), write_tree(before / "DAVIS"), before / "out")
    before.rename(now)
    (run,) = read_runs([now / "out"])
    assert run.scores.predictions == now / "out/masks"
    again = colours()
    evaluate_split(YEAR_2017, again, now / "DAVIS", now / "out")
    assert again.tracker.videos == 0
    (run,) = read_runs([now / "out"])
    assert run.scores.annotations == now / "DAVIS/Annotations/480p"
    assert run.frames == now / "DAVIS/JPEGImages/480p"
    # Other data, where the first are still in their place, are another thing.
    with pytest.raises(OutputError, match="davis"):
        evaluate_split(YEAR_2017, colours(), write_tree(tmp_path / "other"), now / "out")


def test_what_a_killed_run_left_is_removed(tree, out):
    with pytest.raises(KeyboardInterrupt):
        evaluate_split(YEAR_2017, colours(stop_at=8), tree, out)
    leftover = out / "masks/.two.0123abcd.tmp"
    leftover.mkdir()
    (leftover / "00000.png").write_bytes(b"half")
    evaluate_split(YEAR_2017, colours(), tree, out)
    assert set(masks_of(out)) == {"one", "two", "three"}


@pytest.mark.parametrize(
    ("config", "checkpoint", "message"),
    [
        (YEAR_2017, "b", "checkpoint_sha256: 'a' there, 'b' now"),
        (YEAR_2016, "a", r"config\.year: 2017 there, 2016 now"),
        (
            EvalConfig(year=2017, inference=INFERENCE.model_copy(update={"crop": "whole_frame"})),
            "a",
            r"config\.inference\.crop: 'around_objects' there, 'whole_frame' now",
        ),
    ],
)
def test_other_settings_are_refused_and_nothing_is_touched(tree, out, config, checkpoint, message):
    evaluate_split(YEAR_2017, colours(), tree, out)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    with pytest.raises(OutputError, match=message) as caught:
        evaluate_split(config, colours(checkpoint), tree, out)
    assert "--overwrite" in str(caught.value)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_other_settings_may_overwrite(tree, out):
    evaluate_split(YEAR_2017, colours(), tree, out)
    again = colours("b")
    evaluate_split(YEAR_2017, again, tree, out, overwrite=True)
    assert again.tracker.videos == 3
    assert result_of(out)["settings"]["checkpoint_sha256"] == "b"


def test_what_is_replaced_goes_before_anything_new_comes(tree, out):
    """Scores of the old settings never lie beside masks or settings of the new ones."""
    (out / "notes").mkdir(parents=True)
    evaluate_split(YEAR_2017, colours(), tree, out)
    (out / "global_results-mine.csv").write_text("of another set")
    with pytest.raises(KeyboardInterrupt):
        evaluate_split(YEAR_2017, colours("b", stop_at=2), tree, out, overwrite=True)
    assert sorted(path.name for path in out.iterdir()) == ["masks", "notes", "settings.json"]
    assert masks_of(out) == {}
    evaluate_split(YEAR_2017, colours("b"), tree, out)


def test_a_removal_that_was_interrupted_leaves_the_old_settings(tree, out, monkeypatch):
    evaluate_split(YEAR_2017, colours(), tree, out)
    before = (out / "settings.json").read_text()

    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evaluate_split(YEAR_2017, colours("b"), tree, out, overwrite=True)
    assert sorted(path.name for path in out.iterdir()) == ["masks", "settings.json"]
    assert (out / "settings.json").read_text() == before


class Meanwhile(CopyFirstMask):
    """Does something in the middle of a run."""

    def __init__(self, act):
        self.act = act

    def step(self, videos, frames):
        self.act()
        return super().step(videos, frames)


def test_two_runs_at_once_in_one_folder_are_refused(tree, out):
    def second_run():
        with pytest.raises(OutputError, match=r"Another run is writing to .*out"):
            evaluate_split(YEAR_2017, copying(), tree, out)

    method = Method(Meanwhile(second_run), copying().settings)
    evaluate_split(YEAR_2017, method, tree, out)
    assert masks_of(out) == dict.fromkeys(("one", "three", "two"), FRAMES)
    assert not list(out.glob(".*"))


@pytest.mark.parametrize("part", ["", "JPEGImages", "Annotations/480p", "ImageSets/2017/new"])
def test_results_among_the_data_are_refused(tree, part):
    before = sorted(tree.rglob("*"))
    with pytest.raises(OutputError, match=r"tree of the data itself|is part of the data"):
        evaluate_split(YEAR_2017, colours(), tree, tree / part)
    assert sorted(tree.rglob("*")) == before
    evaluate_split(YEAR_2017, copying(), tree, tree / "Results" / "copying")


def test_a_damaged_mask_of_an_earlier_run_may_be_removed(tree, out):
    evaluate_split(YEAR_2017, copying(), tree, out)
    mask = out / "masks/two/00003.png"
    mask.write_bytes(mask.read_bytes()[:60])
    message = r"out/masks/two/00003\.png.*folder is deleted"
    with pytest.raises(DataError, match=message):
        evaluate_split(YEAR_2017, copying(), tree, out)
    shutil.rmtree(out / "masks/two")
    evaluate_split(YEAR_2017, copying(), tree, out)


def test_masks_of_somebody_else_are_never_touched(tree, out):
    (out / "masks").mkdir(parents=True)
    (out / "masks" / "mine.png").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match=r"holds masks, but no settings\.json"):
            evaluate_split(YEAR_2017, colours(), tree, out, overwrite=overwrite)
    assert [path.name for path in out.rglob("*")] == ["masks", "mine.png"]


def test_overwriting_with_the_same_settings_goes_on(tree, out):
    with pytest.raises(KeyboardInterrupt):
        evaluate_split(YEAR_2017, colours(stop_at=8), tree, out)
    again = colours()
    evaluate_split(YEAR_2017, again, tree, out, overwrite=True)
    assert again.tracker.videos == 2


@pytest.mark.parametrize("content", ['{"method": "something else"}', "[]"])
def test_settings_of_another_program_protect_their_folder(tree, out, content):
    (out / "masks").mkdir(parents=True)
    (out / "settings.json").write_text(content)
    with pytest.raises(OutputError, match="was not written by this program"):
        evaluate_split(YEAR_2017, colours(), tree, out, overwrite=True)
    assert (out / "masks").exists()


def test_damaged_settings_are_an_error(tree, out):
    evaluate_split(YEAR_2017, colours(), tree, out)
    (out / "settings.json").write_text("{")
    with pytest.raises(OutputError, match=r"Cannot read .*settings\.json"):
        evaluate_split(YEAR_2017, colours(), tree, out)


# --- bad input


def test_a_truncated_frame_is_named_and_leaves_no_part_of_its_sequence(tree, out):
    frame = tree / "JPEGImages/480p/two/00003.jpg"
    frame.write_bytes(frame.read_bytes()[:300])
    with pytest.raises(DataError, match=r"two/00003\.jpg"):
        evaluate_split(YEAR_2017, colours(), tree, out)
    assert masks_of(out) == {"one": FRAMES}
    assert not (out / "result.json").exists()


def test_a_frame_of_another_size_is_named(tree, out):
    shutil.copy(tree / "JPEGImages/480p/one/00000.jpg", tree / "JPEGImages/480p/two/00003.jpg")
    with Image.open(tree / "JPEGImages/480p/two/00003.jpg") as image:
        image.resize((40, 40)).save(tree / "JPEGImages/480p/two/00003.jpg")
    with pytest.raises(DataError, match=r"two/00003\.jpg is 40×40"):
        evaluate_split(YEAR_2017, colours(), tree, out)
    assert masks_of(out) == {"one": FRAMES}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(SIZE, np.uint8), r"one/00000\.png cannot be used\. The labels mark no object"),
        (np.ones((9, 9), np.uint8), r"one/00000\.png .*labels are 9×9, but their frame is 48×80"),
    ],
)
def test_a_first_mask_that_does_not_fit_is_named(tree, out, labels, message):
    Image.fromarray(labels).save(tree / "Annotations/480p/one/00000.png")
    with pytest.raises(DataError, match=message):
        evaluate_split(YEAR_2017, colours(), tree, out)
    assert masks_of(out) == {}


@pytest.mark.parametrize("given", [1, 2])
def test_what_cannot_be_scored_is_segmented_and_packed(tree, out, given):
    for name in ("one", "two", "three"):
        for mask in sorted((tree / f"Annotations/480p/{name}").iterdir())[given:]:
            mask.unlink()
    with pytest.raises(DataError, match="Nothing could be scored"):
        evaluate_split(YEAR_2017, colours(), tree, out)
    assert not out.exists()
    report = evaluate_split(YEAR_2017, colours(), tree, out, needs_scores=False)
    assert masks_of(out) == dict.fromkeys(("one", "three", "two"), FRAMES)
    with zipfile.ZipFile(out / "submission-val.zip") as file:
        names = [f"{name}/{frame}" for name in ("one", "two", "three") for frame in FRAMES]
        assert sorted(file.namelist()) == sorted(names)
        assert file.read("two/00003.png") == (out / "masks/two/00003.png").read_bytes()
    assert report.scores is None
    assert "Nothing can be scored" in str(report)
    assert str(out / "submission-val.zip") in str(report)
    result = result_of(out)
    assert (result["global"], result["submission"]) == (None, "submission-val.zip")
    assert result["sequences"]["one"]["objects"] == {}
    assert result["times"]["timed_steps"] == 12
    evaluate_split(YEAR_2017, colours("b"), tree, out, overwrite=True, needs_scores=False)


def test_a_split_is_scored_as_far_as_its_masks_go(tree, out):
    for mask in sorted((tree / "Annotations/480p/two").iterdir())[1:]:
        mask.unlink()
    with pytest.warns(UserWarning, match=r"Not scored.*two"):
        report = evaluate_split(YEAR_2017, colours(), tree, out)
    assert report.unscored == ["two"]
    assert report.scores.averages["J-Mean"] > 0.9
    assert "Not scored, as they have no three masks: two" in str(report)
    assert (out / "submission-val.zip").is_file()
    assert result_of(out)["sequences"]["two"]["objects"]["1"]["J-Mean"] is None


@pytest.mark.parametrize("kind", ["MOSE", "LVOS", "VOST"])
def test_trees_that_are_like_davis(tmp_path, out, kind):
    """Without resolutions; MOSE and LVOS without lists, MOSE with first masks only."""
    root = write_tree(tmp_path / "tree") / "valid"
    root.mkdir()
    for part in ("JPEGImages", "Annotations"):
        (root.parent / part / "480p").rename(root / part)
    if kind == "MOSE":
        for mask in (root / "Annotations").rglob("0000[1-9].png"):
            mask.unlink()
    if kind == "VOST":
        (root / "ImageSets").mkdir()
        (root / "ImageSets/val.txt").write_text("two\n")
        for path in [*root.rglob("*.jpg"), *root.rglob("*.png")]:
            path.rename(path.with_name(f"frame{path.name}"))
    report = evaluate_split(YEAR_2017, colours(), root, out, needs_scores=False)
    assert list(report.sequences) == (["two"] if kind == "VOST" else ["one", "three", "two"])
    assert (report.scores is None) == (kind == "MOSE")
    assert (out / "submission-valid.zip").exists() == (kind == "MOSE")
    assert report.benchmark == f"DAVIS-2017 {'val' if kind == 'VOST' else 'valid'}"


def test_sparse_annotations_are_enough(tree, out):
    for name in ("one", "two", "three"):
        for index in (1, 3):
            (tree / f"Annotations/480p/{name}/{index:05d}.png").unlink()
    evaluate_split(YEAR_2017, colours(), tree, out)
    assert masks_of(out)["one"] == FRAMES
    assert result_of(out)["global"]["J-Mean"] > 0.9


def test_a_sequence_of_two_frames_is_segmented_but_not_scored(tree, out):
    write_sequence(tree, "short", moving(SIZE, 2, {1: (4, 6)}, side=14))
    with (tree / "ImageSets/2017/val.txt").open("a") as file:
        file.write("short\n")
    with pytest.warns(UserWarning, match="Not scored.*short"):
        evaluate_split(YEAR_2017, colours(), tree, out)
    assert masks_of(out)["short"] == FRAMES[:2]
    assert result_of(out)["sequences"]["short"]["objects"]["1"]["J-Mean"] is None


def test_all_first_masks_are_looked_at_before_the_work(tree, out):
    write_labels(tree / "Annotations/480p/two/00000.png", np.ones((9, 9), np.uint8))
    write_labels(tree / "Annotations/480p/three/00000.png", np.zeros(SIZE, np.uint8))
    message = r"2 of 3 sequences (.|\n)*two/00000\.png.* 9×9(.|\n)*three/00000\.png.*no object"
    with pytest.raises(DataError, match=message):
        evaluate_split(YEAR_2017, colours(), tree, out)
    assert not out.exists()
