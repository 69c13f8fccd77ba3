"""Whole commands in turn; which of two is faster depends on the machine."""

import shlex
import sys
from pathlib import Path

import pytest
from tiny_ranet import tiny_ranet

from ranet.benchmark import contest
from ranet.benchmark.contest import Contest, our_command, tell_ratio
from ranet.benchmark.inference import InferenceCase
from ranet.benchmark.networks import Network, network_of_file
from ranet.benchmark.timing import Effort
from ranet.commands.places import CONFIGS
from ranet.config import InferenceConfig, load_config
from ranet.errors import BenchmarkError

ONCE = Effort(warm_up=0, repeats=1)

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


@pytest.fixture
def case():
    config = InferenceConfig(input_size=(48, 80), frame_size=(48, 80), device="cpu")
    return InferenceCase(Network("tiny", tiny_ranet), config, {"network": "tiny"}, frames=3)


def test_both_run_in_turn_on_the_same_video(case, tmp_path):
    log = tmp_path / "log"
    code = "import sys; open(sys.argv[1], 'a').write(sys.argv[2] + sys.argv[3] + '\\n')"
    ours, other = (python(code, str(log), name, "{frames}") for name in "AB")
    rows = Contest(ours, other, case).measure(Effort(warm_up=1, repeats=2))
    lines = log.read_text().split()
    assert [line[0] for line in lines] == list("ABABAB")
    assert len({line[1:] for line in lines}) == 1
    assert [(row.settings["implementation"], row.seconds.calls) for row in rows] == [
        *(("ours", 2), ("other", 2)),
    ]
    assert [row.details["command"] for row in rows] == [ours, other]
    assert rows[0].units == 3


def test_a_command_may_write_masks(case):
    rows = Contest(COPYING, COPYING, case).measure(ONCE)
    assert len(rows) == 2


def test_the_ratio_is_the_median_of_those_of_the_turns(case, monkeypatch):
    seconds = {"ours": [1.0, 2.0, 1.0], "other": [2.0, 5.0, 9.0]}
    monkeypatch.setattr(contest, "time_in_turn", lambda *args, **options: seconds)
    rows = Contest("true", "true", case).measure(ONCE)
    assert [row.seconds.median for row in rows] == [1.0, 5.0]
    assert tell_ratio(rows) == [
        "The other command takes 2.50 times as long as ours (median of the turns)."
    ]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("no-such-program {frames}", "cannot be started: No such file"),
        (python("import sys; sys.exit('the weights are missing')"), "the weights are missing"),
        (python("raise SystemExit(3)"), "ended with 3"),
        (python("print('told on stdout'); raise SystemExit(1)"), "told on stdout"),
        (python("pass", "{out}"), "wrote 0"),
    ],
)
def test_a_command_that_does_not_do_its_work(case, command, told):
    with pytest.raises(BenchmarkError, match=told) as failure:
        Contest("true", command, case).measure(ONCE)
    assert command in str(failure.value) or repr(command) in str(failure.value)


def test_only_the_end_of_a_long_complaint_is_told(case):
    code = "import sys; [print(f'line {n}', file=sys.stderr) for n in range(100)]; sys.exit(1)"
    with pytest.raises(BenchmarkError, match="line 99") as failure:
        Contest(python(code), "true", case).measure(ONCE)
    assert "line 50\n" not in str(failure.value)


def test_our_command_reads_the_same_network_and_configuration(case, tmp_path):
    with our_command(case, tmp_path / "segment.py") as command:
        words = shlex.split(command)
        values = dict(zip(words[2::2], words[3::2], strict=True))
        assert network_of_file(Path(values["--checkpoint"])).build().architecture == (
            tiny_ranet().architecture
        )
        assert load_config(InferenceConfig, values["--config"]) == case.config
        assert (values["--video"], values["--out"]) == ("{frames}", "{out}")


def test_the_option_compares_scripts_segment_with_another(run_script, checkpoint):
    done = run_script(
        *("benchmark.py", "--against", COPYING, "--checkpoint", checkpoint, "--size", "48x80"),
        *("--frames", 3, "--warm-up", 0, "--repeats", 1, "--device", "cpu"),
    )
    assert done.status == 0, done.error
    assert "times as long as ours" in done.out
    assert (CONFIGS.parent / "scripts" / "segment.py").is_file()
