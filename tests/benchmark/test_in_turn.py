"""Ours and others in turn; which of two is faster depends on the machine."""

import importlib.metadata
import shlex
import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_ranet import tiny_ranet

from ranet import benchmark
from ranet.benchmark import Case, Effort, build_network, measure, our_command
from ranet.config import InferenceConfig, load_config
from ranet.datasets.image_io import write_labels
from ranet.errors import BenchmarkError
from ranet.tables.benchmark import new_row, table, tell_ratios

ONCE = Effort(warm_up=0, repeats=1, seconds=0)

COPIES = """
import pathlib, shutil, sys
frames, mask, out = map(pathlib.Path, sys.argv[1:])
out.mkdir()
for frame in sorted(frames.iterdir()):
    shutil.copy(mask, out / f"{frame.stem}.png")
"""


def python(code, *words):
    return shlex.join([sys.executable, "-c", code, *words])


COPYING = python(COPIES, "{frames}", "{mask}", "{out}")


# --- Commands


@pytest.fixture
def run_both(case, monkeypatch):
    """Times two commands, the first in the place of ours: ``run_both(ours, other, effort)``."""

    def run(ours, other, effort=ONCE):
        monkeypatch.setattr(benchmark, "our_command", lambda *_: ours)
        return measure(replace(case("command"), against=other), effort)

    return run


def test_both_run_in_turn_on_the_same_video(run_both, tmp_path):
    log = tmp_path / "log"
    code = "import sys; open(sys.argv[1], 'a').write(sys.argv[2] + sys.argv[3] + '\\n')"
    ours, other = (python(code, str(log), name, "{frames}") for name in "AB")
    rows = run_both(ours, other, Effort(warm_up=1, repeats=2, seconds=0))
    lines = log.read_text().split()
    assert [line[0] for line in lines] == list("ABABAB")
    assert len({line[1:] for line in lines}) == 1
    assert [row["settings"]["implementation"] for row in rows] == ["ours", "other"]
    assert {row["part"] for row in rows} == {"command"}
    assert [row["seconds"]["calls"] for row in rows] == [2, 2]
    assert [row["details"]["command"] for row in rows] == [ours, other]


def test_the_ratio_is_that_of_the_medians(run_both, monkeypatch):
    seconds = [[1.0, 2.0, 1.0], [2.0, 2.5, 9.0]]
    monkeypatch.setattr(benchmark, "time_in_turn", lambda *args: seconds)
    assert tell_ratios(run_both("true", "true")) == ["other takes 2.50 times as long as ours"]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("no-such-program {frames}", "cannot be started"),
        (python("import sys; sys.exit('the weights are missing')"), "the weights are missing"),
        (python("print('told on stdout'); raise SystemExit(3)"), "status 3.*told on stdout"),
        (python("pass", "{out}"), "wrote 0"),
        (python("import sys; sys.exit('\\n'.join(map(str, range(9999))))"), "printed:\n9984\n"),
    ],
)
def test_a_command_that_does_not_do_its_work(run_both, command, told):
    with pytest.raises(BenchmarkError, match=f"(?s){told}"):
        run_both("true", command)


def test_our_command_reads_the_same_network_and_configuration(case, tmp_path):
    ours = case("video")
    words = shlex.split(our_command(ours, tmp_path))
    assert words[:4] == [sys.executable, "-m", "ranet", "segment"]
    values = dict(zip(words[4::2], words[5::2], strict=True))
    network = build_network(Path(values["--checkpoint"]))
    assert network.architecture == tiny_ranet().architecture | {"objects": "multi"}
    assert load_config(InferenceConfig, values["--config"]) == ours.config
    assert (values["--video"], values["--out"]) == ("{frames}", "{out}")


@pytest.mark.slow
def test_ours_is_started_wherever_it_is_run(run_script, checkpoint, tmp_path, monkeypatch):
    """It is a module: the scripts of a clone are not installed."""
    monkeypatch.chdir(tmp_path)
    done = run_script(
        *("benchmark.py", "--against", COPYING, "--checkpoint", checkpoint, "--size", "48x80"),
        *("--frames", 3, "--warm-up", 0, "--repeats", 1, "--device", "cpu"),
    )
    assert done.status == 0, done.error
    assert "times as long as ours" in done.out


# --- Other networks


def test_a_peer_and_ours_take_turns_in_processes_of_their_own(case, monkeypatch):
    """A call of the peer is five frames; its row, the table and the ratio are of one."""
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1")
    seconds = iter([1.0, 20.0, 3.0, 55.0])
    turns = []

    def in_own_process(function, timed, effort):
        theirs = timed.network == "cutie-base"
        turns.append((timed.network, effort.warm_up, effort.repeats))
        return [
            new_row(
                timed.part,
                timed.settings,
                [next(seconds)],
                unit="frame",
                units=5 if theirs else 1,
                flop=2000 if theirs else 300,
                peak_bytes=len(turns),
                peak_flop_rate=1.0,
                share_of_peak=1.0,
                details={},
            )
        ]

    monkeypatch.setattr(benchmark, "_in_own_process", in_own_process)
    effort = Effort(warm_up=2, repeats=2, seconds=0)
    rows = measure(replace(case("step"), against="cutie-base"), effort)
    assert [name for name, *_ in turns[1::2]] == ["cutie-base"] * 2
    assert {tuple(effort) for _, *effort in turns} == {(2, 1)}
    assert [row["settings"]["network"] for row in rows] == ["tiny", "cutie-base"]
    assert [row["seconds"]["median"] for row in rows] == [2.0, 7.5]
    assert [row["units"] / row["units_per_second"] for row in rows] == [2.0, 7.5]
    assert [row["flop"] for row in rows] == [300, 400]
    assert [row["peak_bytes"] for row in rows] == [3, 4]
    assert tell_ratios(rows) == ["cutie-base takes 3.75 times as long as tiny"]
    machine = {"machine": {"cpu": "", "gpus": [], "cores": 2}}
    shown = table({"rows": rows, "software": {"torch": "", "revision": ""}, **machine})
    cells = [line.split() for line in shown.splitlines()[-2:]]
    told = [(float(ms), float(rate)) for _, _, ms, _, _, _, rate, *_ in cells]
    assert told == [(2000, 0.5), (7500, 0.1333)]


@pytest.mark.slow
def test_a_process_of_its_own_that_is_killed_is_told():
    with pytest.raises(BenchmarkError, match="memory"):
        benchmark._in_own_process(signal.raise_signal, signal.SIGKILL)


def test_a_peer_that_is_not_installed(run_script, monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    done = run_script("benchmark.py", "network", "--against", "cutie-small")
    assert done.status == 1
    assert "pip install rf-cutie" in done.error
    assert done.error.count("\n") == 1


@pytest.mark.slow
def test_cutie_runs_with_random_weights(case):
    pytest.importorskip("cutie", reason="rf-cutie is not installed: pip install '.[peers]'")
    theirs = replace(case("network"), network="cutie-small")
    with pytest.raises(BenchmarkError, match="16×16"):
        measure(theirs, ONCE)
    config = theirs.config.model_copy(update={"input_size": (96, 96)})
    (row,) = measure(replace(theirs, config=config), ONCE)
    assert row["units"] == 5
    assert row["flop"] > 1e9


# --- The evaluation


@pytest.fixture
def trees(tmp_path):
    """Masks and predictions of three videos; in two of them, a frame is scored, in one two."""
    for video, frames, objects in (("ant", 4, 1), ("bear", 3, 2), ("cat", 3, 1)):
        for frame in range(frames):
            for tree, shift in (("annotations", 0), ("predictions", 3 if frame else 0)):
                labels = np.zeros((40, 60), np.uint8)
                for label in range(1, objects + 1):
                    labels[8:24, 4 + 24 * label - 20 + shift : 24 * label + shift] = label
                write_labels(tmp_path / tree / video / f"{frame:05d}.png", labels)
    return {
        "annotations": tmp_path / "annotations",
        "predictions": tmp_path / "predictions",
        "year": 2017,
        "sequences": None,
    }


def test_both_evaluations_agree_and_are_timed(run_script, trees):
    options = [
        word for name in ("annotations", "predictions") for word in (f"--{name}", trees[name])
    ]
    done = run_script(
        *("benchmark.py", "evaluation", *options, "--year", 2017, "--repeats", 2, "--warm-up", 0)
    )
    assert done.status == 0, done.error
    assert "times as long as ranet" in done.out
    assert "all values equal" in done.out
    ours, plain = measure(Case("evaluation", {"workers": 2}, trees), ONCE)
    for row, name in ((ours, "ranet"), (plain, "straightforward")):
        assert row["settings"]["implementation"] == name
        assert row["settings"]["scored frames"] == row["units"] == 4
        assert row["settings"]["workers"] == 2
        assert row["details"]["objects"] == 4


def test_another_value_is_a_mistake_of_this_project(trees, monkeypatch):
    monkeypatch.setattr(benchmark, "_plain_f_measure", lambda found, truth: -1.0)
    with pytest.raises(AssertionError, match="ant"):
        measure(Case("evaluation", {"workers": 1}, trees), ONCE)
