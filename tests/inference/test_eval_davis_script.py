import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from davis_tree import masks_of, write_tree
from scripts_in_process import as_in_the_foreground
from tiny_ranet import tiny_ranet

from ranet.config import EvalConfig, load_config
from ranet.methods.checkpoints import save_checkpoint

PROJECT = Path(__file__).resolve().parents[2]
SMALL = ["inference.input_size=[48,80]", "inference.frame_size=[48,80]", "inference.device=cpu"]
FRAMES = [f"{index:05d}.png" for index in range(6)]


@pytest.fixture
def tree(tmp_path):
    return write_tree(tmp_path / "DAVIS", names=["one", "two"])


@pytest.fixture
def evaluate(run_script, tree, tmp_path, checkpoint):
    """Run the script on the tree; keyword arguments replace options."""

    def run(*overrides, **options):
        settings = {
            "config": PROJECT / "configs/eval_davis17.yaml",
            "davis": tree,
            "checkpoint": checkpoint,
            "out": tmp_path / "out",
            "workers": 1,
            **options,
        }
        given = [part for key, value in settings.items() if value for part in (f"--{key}", value)]
        return run_script("eval_davis.py", *given, *SMALL, *overrides)

    return run


def assert_error(outcome, *parts):
    """One message, status 1, no traceback."""
    assert outcome.status == 1, outcome.error
    assert outcome.error.count("error: ") == 1
    assert "Traceback" not in outcome.error
    for part in parts:
        assert part in outcome.error


def test_the_main_job(evaluate, tmp_path):
    """Overrides may stand anywhere."""
    given = ("inference.crop=whole_frame", "--overwrite", "inference.objects_at_once=1")
    outcome = evaluate(*given)
    assert outcome.status == 0, outcome.error
    assert "DAVIS-2017 val: 2 sequences, 4 objects" in outcome.out
    assert "2/2 two: 6 frames" in outcome.error
    assert masks_of(tmp_path / "out") == {"one": FRAMES, "two": FRAMES}
    result = json.loads((tmp_path / "out/result.json").read_text())
    settings = result["settings"]["config"]["inference"]
    assert (settings["input_size"], settings["crop"]) == ([48, 80], "whole_frame")
    assert result["times"]["timed_steps"] == 8
    again = evaluate(*given)
    assert again.status == 0, again.error
    assert "2 of 2 sequences finished already, kept" in again.error


@pytest.mark.parametrize("year", [2016, 2017])
def test_the_shipped_configurations_are_the_defaults_of_their_year(year):
    path = PROJECT / f"configs/eval_davis{year % 100}.yaml"
    assert load_config(EvalConfig, path) == EvalConfig(year=year)


def test_other_settings_are_refused_then_overwrite(evaluate, tmp_path):
    torch.manual_seed(1)
    other = tmp_path / "other.pt"
    save_checkpoint(other, tiny_ranet("single"))
    assert evaluate("inference.fusion=sigmoid").status == 0
    refused = evaluate(checkpoint=other)  # the default counts as what it comes to
    assert_error(refused, "fusion: 'sigmoid' there, 'softmax' now", "checkpoint_sha256")
    assert "--overwrite" in refused.error
    assert evaluate("--overwrite", checkpoint=other).status == 0
    assert evaluate("inference.fusion=softmax", checkpoint=other).status == 0


def test_several_videos_at_once(evaluate, tmp_path):
    outcome = evaluate(**{"batch-videos": 2})
    assert outcome.status == 0, outcome.error
    assert "2.0 videos were followed at once" in outcome.out
    assert masks_of(tmp_path / "out") == {"one": FRAMES, "two": FRAMES}
    learning = evaluate("inference.online={steps: 1}", **{"batch-videos": 2})
    assert_error(learning, "online learning", "at once")


def test_copying_needs_no_checkpoint(evaluate, tmp_path):
    outcome = evaluate("--copy-first-mask", checkpoint=None)
    assert outcome.status == 0, outcome.error
    assert masks_of(tmp_path / "out")["one"] == FRAMES


def test_first_masks_alone_are_enough_to_segment(evaluate, tree, tmp_path, run_script):
    for mask in (tree / "Annotations/480p").rglob("0000[1-9].png"):
        mask.unlink()
    outcome = evaluate(report=tmp_path / "report")
    assert outcome.status == 0, outcome.error
    assert "Nothing can be scored" in outcome.out
    assert "report was not written" in outcome.out
    assert (tmp_path / "out/submission-val.zip").is_file()
    assert not (tmp_path / "report").exists()
    shown = run_script("report.py", tmp_path / "out", "--out", tmp_path / "report")
    assert_error(shown, "no scores to show")


# --- bad input


def _cut(path, length):
    path.write_bytes(path.read_bytes()[:length] + bytes(40))


@pytest.mark.parametrize(
    ("damage", "options", "parts"),
    [
        (None, {"davis": "nowhere"}, ("No DAVIS data", "nowhere")),
        (None, {"davis": "empty"}, ("No DAVIS data", "it is empty")),
        (
            lambda tree: [frame.unlink() for frame in (tree / "JPEGImages/480p/two").iterdir()],
            {},
            ("No frames in", "480p/two"),
        ),
        (
            lambda tree: (tree / "Annotations/480p/two/00000.png").unlink(),
            {},
            ("two/00000.jpg", "has no annotation"),
        ),
        (lambda tree: _cut(tree / "Annotations/480p/two/00000.png", 40), {}, ("two/00000.png",)),
        (None, {"config": "none.yaml"}, ("Cannot read the configuration",)),
    ],
)
def test_mistakes_are_told_before_the_work(
    evaluate, tree, tmp_path, monkeypatch, damage, options, parts
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    if damage:
        damage(tree)
    assert_error(evaluate(**options), *parts)
    assert not (tmp_path / "out").exists()


class _Bomb:
    def __reduce__(self):
        return (os.mkdir, (os.environ["RANET_TEST_BOMB"],))


@pytest.mark.parametrize("kind", ["missing", "text", "other", "pickle"])
def test_a_file_that_is_no_checkpoint(evaluate, tmp_path, monkeypatch, kind):
    path, exploded = tmp_path / "bad.pt", tmp_path / "exploded"
    match kind:
        case "text":
            path.write_text("no checkpoint")
        case "other":
            torch.save({"weights": torch.zeros(3)}, path)
        case "pickle":
            monkeypatch.setenv("RANET_TEST_BOMB", str(exploded))
            path.write_bytes(pickle.dumps(_Bomb()))
    assert_error(evaluate(checkpoint=path), "bad.pt")
    assert not exploded.exists()
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_of_another_architecture(evaluate, tmp_path, checkpoint):
    content = torch.load(checkpoint, weights_only=True)
    content["architecture"]["width"] = 0.5
    torch.save(content, tmp_path / "other.pt")
    assert_error(evaluate(checkpoint=tmp_path / "other.pt"), "other.pt", "shape")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("inference.fusoin=softmax", ("inference.fusoin: unknown key", "'fusion'")),
        ("inference.objects_at_once=many", ("inference.objects_at_once", "'many'")),
        ("inference.dtype=float64", ("inference.dtype", "float64")),
        ("inference.input_size=[32,64]", ("inference.input_size.0", "greater than 32")),
        ("inference.device=cuda:9", ("cuda:9",)),
        ("year=2018", ("year",)),
        ("nonsense", ("section.key=value",)),
    ],
)
def test_a_wrong_configuration(evaluate, tmp_path, override, parts):
    assert_error(evaluate(override), *parts)
    assert not (tmp_path / "out").exists()


def test_an_output_that_cannot_be_written(evaluate, tmp_path):
    (tmp_path / "file").write_text("")
    assert_error(evaluate(out=tmp_path / "file" / "out"), "Cannot write", "file")
    assert_error(evaluate(out=tmp_path / "file"), "Cannot write", "file")


def test_a_wrong_command_line(run_script):
    outcome = run_script("eval_davis.py", "--davis", "x")
    assert outcome.status == 2
    assert "--config" in outcome.error


def test_help_tells_how(run_script):
    outcome = run_script("eval_davis.py", "--help")
    assert outcome.status == 0
    assert "--copy-first-mask" in outcome.out
    assert "configs/eval_davis16.yaml" in outcome.out


@pytest.mark.slow
def test_a_stopped_run_goes_on(evaluate, tmp_path, checkpoint):
    """For real: another process, a signal amid a sequence, and the same command again."""
    tree = write_tree(tmp_path / "long", names=["one", "two"], frames=40)
    command = [
        *(sys.executable, PROJECT / "scripts/eval_davis.py"),
        *("--config", PROJECT / "configs/eval_davis17.yaml", "--davis", tree),
        *("--checkpoint", checkpoint, "--out", tmp_path / "out", "--workers", "1", *SMALL),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=as_in_the_foreground,
    )
    try:
        deadline = time.monotonic() + 120
        started = tmp_path / "out/masks"
        while not list(started.glob(".two.*.tmp/00001.png")):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 143
    assert "1 of 2 sequences finished and kept" in error
    assert "the same command goes on" in error
    assert "Traceback" not in error
    assert set(masks_of(tmp_path / "out")) == {"one"}
    assert not list((tmp_path / "out").rglob(".*"))

    done = evaluate(davis=tree)
    assert done.status == 0, done.error
    assert "1 of 2 sequences finished already, kept" in done.error
    assert {name: len(masks) for name, masks in masks_of(tmp_path / "out").items()} == {
        "one": 40,
        "two": 40,
    }
