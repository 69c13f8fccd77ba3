"""scripts/benchmark.py of inference; how fast that is depends on the machine."""

import itertools
import json

import pytest
from tiny_ranet import tiny_ranet

from ranet.benchmark.drawn_videos import draw_video
from ranet.benchmark.flop import count_flop
from ranet.benchmark.inference import (
    InferenceCase,
    measure_inference,
    prepare_frame,
    prepare_network,
)
from ranet.benchmark.networks import Network
from ranet.benchmark.results import Results
from ranet.benchmark.timing import Effort
from ranet.config import InferenceConfig
from ranet.inference.acceleration import CompiledStep, Shortfall

ONCE = ("--warm-up", 0, "--repeats", 1, "--seconds", 0)
SMALL = ("--size", "64x96", "--frames", 3, *ONCE)


def test_every_part_gets_a_row(run_script, checkpoint, tmp_path):
    file = tmp_path / "results.json"
    done = run_script(
        *("benchmark.py", "network,frame,step,video", "--checkpoint", checkpoint, *SMALL),
        *("--device", "cpu", "--objects", 2, "--videos", "1,2", "--json", file),
    )
    assert done.status == 0, done.error
    rows = Results.read(file).rows
    # What is written is one video, whatever --videos says.
    expected = {"network": 2, "frame": 2, "step": 2, "video": 1}
    assert {part: sum(row.part == part for row in rows) for part in expected} == expected
    assert [row.units for row in rows] == [1, 2, 1, 2, 1, 2, 3]
    assert all(row.seconds.calls == 1 and row.flop and row.parameters for row in rows)
    told = {"network": "tiny.pt", "size": "64×96", "dtype": "float32", "objects": 2}
    assert told.items() <= rows[0].settings.items()
    assert rows[0].details["config"]["input_size"] == [64, 96]
    assert "device cpu" in done.out
    assert done.error.count(" ms\n") == len(rows)  # each is told when it is there


def test_more_objects_and_videos_are_more_work(checkpoint):
    def flop(**changes):
        config = InferenceConfig(input_size=(64, 96), frame_size=(64, 96), device="cpu")
        case = InferenceCase(Network("tiny", tiny_ranet), config, {}, **changes)
        with prepare_network(case) as network, prepare_frame(case) as frame:
            assert network.flop == count_flop(network.call) == count_flop(frame.call)
            return network.flop

    assert flop() < flop(objects=2) < 2 * flop()
    assert flop(videos=2) == 2 * flop()


def test_fields_of_the_configuration_vary(run_script, checkpoint, tmp_path):
    file = tmp_path / "results.json"
    options = ("benchmark.py", "frame", "--checkpoint", checkpoint, *SMALL)
    done = run_script(
        *options, "--vary", "crop=whole_frame,around_objects", "crop_scale=2", "--json", file
    )
    assert done.status == 0, done.error
    rows = Results.read(file).rows
    assert [row.settings["crop"] for row in rows] == ["whole_frame", "around_objects"]
    assert [row.details["config"]["crop"] for row in rows] == ["whole_frame", "around_objects"]
    assert {row.settings["crop_scale"] for row in rows} == {"2"}

    done = run_script(*options, "crop_scale=2", "crop=whole_frame", "--baseline", file)
    assert done.status == 0, done.error
    assert done.out.count(" ×") == 1
    assert f"Rows of {file} that were not measured now:" in done.out
    assert "crop around_objects" in done.out.split("not measured now:")[1]


@pytest.fixture
def no_compiler(monkeypatch):
    """torch.compile finds no compiler, as with CXX=/bin/false."""

    def fail(self, templates, image, probabilities):
        self._tell(Shortfall("compile", "torch.compile failed for want of a compiler"))
        return self._plain(templates, image, probabilities)

    monkeypatch.setattr(CompiledStep, "__call__", fail)


def test_rows_tell_what_did_not_happen(run_script, checkpoint, tmp_path, no_compiler):
    file = tmp_path / "results.json"
    done = run_script(
        *("benchmark.py", "network,step,video", "--checkpoint", checkpoint, *SMALL),
        *("--device", "cpu", "--videos", "1,2", "--vary", "compile=false,true", "--json", file),
    )
    assert done.status == 0, done.error
    rows = Results.read(file).rows
    assert len(rows) == 10
    for row in rows:
        asked = row.settings["compile"] == "true"
        assert row.problem == ("ran without compile" if asked else None)
        assert row.details["ran"] == {"compile": False, "cuda_graph": False}
        assert any("for want" in told for told in row.details["shortfalls"]) == asked
    assert done.out.count("ran without compile") == 5
    assert done.error.count("ms (ran without compile)") == 5
    assert "for want of a compiler" in done.error


def test_a_graph_on_a_cpu_has_no_row_of_its_own(run_script, checkpoint, tmp_path):
    file = tmp_path / "results.json"
    done = run_script(
        *("benchmark.py", "network,frame", "--checkpoint", checkpoint, *SMALL),
        *("--device", "cpu", "--vary", "cuda_graph=false,true", "--json", file),
    )
    assert done.status == 0, done.error
    problems = [row.problem for row in Results.read(file).rows]
    assert problems == [None, "ran without cuda_graph"] * 2
    assert "no effect on the device cpu" in done.error


def test_a_compiled_row_says_so(checkpoint, monkeypatch):
    monkeypatch.setattr(CompiledStep, "_compiled", lambda self: self._plain)
    config = InferenceConfig(
        input_size=(64, 96), frame_size=(64, 96), device="cpu", compile=True, smallest_crop=16
    )
    case = InferenceCase(Network("tiny", tiny_ranet), config, {})
    row = measure_inference("frame", case, Effort(warm_up=0, repeats=1, seconds=0))
    assert row.problem is None
    assert row.details["ran"] == {"compile": True, "cuda_graph": False}


def test_a_trained_network_with_threads_in_markdown(run_script):
    done = run_script(
        *("benchmark.py", "network", "--network", "ranet-small", "--size", "64x96", *ONCE),
        *("--threads", 1, "--device", "cpu", "--markdown"),
    )
    assert done.status == 0, done.error
    assert "| network |" in done.out


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["netwrok"], 2, "PART should be one of all, training, evaluation, loader, or some of"),
        (["network,loader"], 2, "found 'loader' in 'network,loader'"),
        (["network", "--size", "480"], 2, "height and width such as 480x864"),
        (["network", "--objects", "0"], 2, "from 1 to 254"),
        (["network", "--vary", "compile"], 2, "such as compile=false,true"),
        (["video", "--ours", "true"], 2, "give both, or neither"),
        (["network", "--dtype", "float8"], 1, "dtype"),
        (["network", "--network", "huge"], 1, "no network named 'huge'"),
        (["network", "crop_size=2"], 1, "did you mean 'crop_scale'"),
        (["network", "--device", "cuda:99"], 1, "cuda:99"),
        (["network", "--baseline", "none.json"], 1, "none.json"),
        (["video", "--objects", "1,2", "--against", "true"], 1, "2 combinations"),
    ],
)
def test_mistakes_are_told_before_anything_is_measured(run_script, words, status, told):
    done = run_script("benchmark.py", *words)
    assert done.status == status
    assert told in done.error
    assert done.out == ""


def test_without_part_all_is_measured(run_script, monkeypatch, checkpoint):
    """But for training, which this test leaves out, as its network is the paper's."""
    monkeypatch.setattr("ranet.commands.benchmark.measure_all_training", lambda cases, effort: [])
    done = run_script("benchmark.py", "--checkpoint", checkpoint, *SMALL)
    assert done.status == 0, done.error
    assert [line.split()[0] for line in done.out.splitlines()[4:8]] == [
        *("network", "frame", "step", "video"),
    ]


def test_an_interruption_leaves_a_table_and_a_file(run_script, monkeypatch, checkpoint, tmp_path):
    monkeypatch.setattr("ranet.benchmark.inference.draw_video", interrupted_after_first())
    file = tmp_path / "results.json"
    done = run_script(
        *("benchmark.py", "network,frame", "--checkpoint", checkpoint, *SMALL, "--json", file)
    )
    assert done.status == 130
    assert "network" in done.out
    assert [row["part"] for row in json.loads(file.read_text())["rows"]] == ["network"]


def interrupted_after_first():
    videos = itertools.chain([draw_video], itertools.repeat(_interrupt))

    def draw(*args, **kwargs):
        return next(videos)(*args, **kwargs)

    return draw


def _interrupt(*args, **kwargs):
    raise KeyboardInterrupt


def test_the_help_shows_examples_and_the_options_of_each_part(run_script):
    done = run_script("benchmark.py", "--help")
    assert done.status == 0
    assert "python scripts/benchmark.py --json before.json" in done.out
    for swept in ("--objects (1,2,5,10", "--videos (1,8", "--vary, such as compile=false,true"):
        assert swept in done.out
    for part, option in [("network", "--vary"), ("training", "--batch"), ("loader", "--step-ms")]:
        assert option in run_script("benchmark.py", part, "--help").out
