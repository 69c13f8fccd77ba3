"""``ranet``: one name for all commands."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from scripts_in_process import SCRIPTS

import ranet
from ranet.commands import program
from ranet.commands.parser import NAMES, command_parser, file_name

ROOT = Path(ranet.__file__).parents[1]


@pytest.fixture
def call(monkeypatch, capsys):
    """Run ``ranet`` with these words; gives status, output, and what went to standard error."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["ranet", *words])
        with pytest.raises(SystemExit) as leaving:
            program.main()
        captured = capsys.readouterr()
        return leaving.value.code or 0, captured.out, captured.err

    return run


def test_help_lists_every_command_with_a_line_and_loads_none():
    asked = "import sys; from ranet.commands.program import help_text; print(help_text()); "
    asked += "print('loaded:', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True
    )
    text, loaded = done.stdout.split("loaded:")
    for name in NAMES:
        (line,) = [line for line in text.splitlines() if line.startswith(f"  {name} ")]
        assert line.endswith("."), line
        assert len(program.summary(name)) <= 80, line
    assert not {"torch", "numpy", "cv2"} & set(loaded.split())


HEAVY = {"torch", "numpy", "cv2", "PIL", "pydantic", "yaml", "tqdm", "matplotlib", "av"}

ASKS = """
import contextlib, io, json, os, sys
from ranet.commands import program
said = {}
for name in json.loads(sys.argv[1]):
    for words in (["--help"], ["--no-such-option"], ["positional", "--out"]):
        before = set(sys.modules)
        sys.argv = ["ranet", name, *words]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            try:
                program.main()
            except SystemExit as leaving:
                status = leaving.code
        said[f"{name} {words[0]}"] = [status, sorted(set(sys.modules) - before)]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def asked():
    """By command and first word: the status, and the modules that were loaded to tell it."""
    done = subprocess.run(
        [sys.executable, "-c", ASKS, json.dumps(NAMES)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", NAMES)
def test_help_and_wrong_words_are_told_before_anything_heavy_is_loaded(asked, name):
    for word, expected in [("--help", 0), ("--no-such-option", 2), ("positional", 2)]:
        status, loaded = asked[f"{name} {word}"]
        assert status == expected
        assert not HEAVY & set(loaded)


def test_a_wrong_configuration_is_told_before_torch_is_loaded():
    words = ["train", "--config", "configs/quickstart.yaml", "stepps=3"]
    asks = f"""
import sys
from ranet.commands import program
sys.modules["torch"] = None
sys.argv = ["ranet", *{words!r}]
program.main()
"""
    done = subprocess.run([sys.executable, "-c", asks], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "steps" in done.stderr


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "10000"),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "passive"}, None),
    ],
)
def test_threads_wait_shortly_unless_told_otherwise(given, expected):
    """The variable is set before torch, which has it read, is there."""
    asked = "import os, sys; from ranet.commands import program; "
    asked += "program._run = lambda words: print('torch' in sys.modules, "
    asked += "os.environ.get('GOMP_SPINCOUNT')); program.main()"
    environment = {k: v for k, v in os.environ.items() if k not in program._WAITING} | given
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stdout) == (0, f"False {expected}\n"), done.stderr


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_help_is_shown(call, words):
    status, out, _ = call(*words)
    assert status == 0
    assert out.startswith("usage: ranet COMMAND")
    assert "Examples:" in out


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_help_with_examples(call, name):
    status, out, _ = call(name, "--help")
    assert status == 0
    assert out.startswith(f"usage: ranet {name} ")
    assert f"\n    ranet {name} " in out


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_a_script_whose_help_names_the_script(run_script, name):
    done = run_script(file_name(name), "--help")
    assert done.status == 0, done.error
    assert done.out.startswith(f"usage: python scripts/{file_name(name)} ")
    assert f"\n    python scripts/{file_name(name)} " in done.out
    assert f"ranet {name} " not in done.out.replace(f"-m ranet {name} ", "")


@pytest.mark.parametrize("name", NAMES)
def test_a_script_only_names_its_command(name):
    text = (SCRIPTS / file_name(name)).read_text("utf-8")
    assert text == (
        f'#!/usr/bin/env python3\n"""``ranet {name}`` as a script."""\n\n'
        "from ranet.commands.program import run_as_script\n\n"
        f'if __name__ == "__main__":\n    run_as_script("{name}")\n'
    )


def test_the_words_of_a_command_reach_it(call, tmp_path):
    out = tmp_path / "videos"
    status, said, _ = call("make-synthetic", "--out", str(out), "--train", "0", "--val", "0")
    assert status == 2
    status, said, _ = call(
        *("make-synthetic", "--out", str(out), "--train", "0", "--val", "1"),
        *("--frames", "2", "--size", "96", "160", "--workers", "1"),
    )
    assert status == 0
    assert said == f"{out}: 1 video written\n"


def test_an_error_in_the_input_is_a_message_and_status_1(call):
    status, _, error = call("train", "--config", "nowhere.yaml")
    assert status == 1
    assert error.startswith("error: Cannot read the configuration nowhere.yaml: No such file")


def test_an_unknown_command_is_told_the_nearest(call):
    status, _, error = call("trian")
    assert status == 2
    assert "no command 'trian'. Did you mean 'train'? See ranet --help." in error


def test_the_version_is_told(call):
    assert call("--version") == (0, f"ranet {ranet.__version__}\n", "")


def test_python_m_ranet_is_the_same():
    done = subprocess.run(
        [sys.executable, "-m", "ranet", "--version"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout == f"ranet {ranet.__version__}\n"


def test_overrides_may_stand_anywhere(call):
    words = ("a=1", "--config", str(ROOT / "configs/debug.yaml"), "steps=3", "--resume", "c=2")
    status, _, error = call("train", *words)
    assert status == 1
    assert "a: unknown" in error
    assert "c: unknown" in error
    assert "\n  steps" not in error


def test_examples_name_the_other_scripts_too():
    parser = command_parser("python scripts/train.py", "As ranet check-data says: ranet small.")
    assert "As python scripts/check_data.py says: ranet small." in parser.format_help()


@pytest.mark.parametrize(
    "command", [["export-checkpoint"], ["convert-released-weights", "--objects=multi"]]
)
def test_a_network_is_not_replaced_by_what_is_made_of_it(call, tmp_path, command):
    network = tmp_path / "network.safetensors"
    network.write_bytes(b"weights")
    status, _, error = call(*command, str(network), "--out", str(network))
    assert status == 2
    assert "network.safetensors is read, and would be replaced by an output" in error
    assert network.read_bytes() == b"weights"


def test_a_network_that_is_named_is_not_replaced_either(call, tmp_path, monkeypatch):
    network = tmp_path / "ranet_small.safetensors"
    network.write_bytes(b"weights")
    monkeypatch.setattr("ranet.methods.checkpoints._FOLDER", tmp_path)
    words = ("ranet-small", "--out", str(network), "--overwrite")
    status, _, error = call("export-checkpoint", *words)
    assert status == 2
    assert "ranet_small.safetensors is read" in error
    assert network.read_bytes() == b"weights"
