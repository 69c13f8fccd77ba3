"""The command line of the demo; what it then does is tested in test_demo.py."""

from pathlib import Path
from typing import Any

import pytest
from scripts_in_process import ScriptRunner


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The arguments of the demos that were run; none is."""
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr("ranet.demo.run_demo", lambda *arguments: calls.append(arguments))
    return calls


@pytest.mark.parametrize("name", ["demo", "a #1", "key: value", "[x]"])
def test_everything_is_below_the_folder_whatever_its_name(
    name: str, run_script: ScriptRunner, asked: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    out = tmp_path / name
    done = run_script("demo.py", "steps=3", "--out", out, "batch_size=2")
    assert (done.status, done.error) == (0, "")
    ((_, config, _, _, folder, _),) = asked
    assert (config.steps, config.batch_size) == (3, 2)
    assert config.data.sources[0].root == out / "data"
    assert config.output == out / "training"
    assert folder == out


def test_an_output_that_cannot_be_written(
    run_script: ScriptRunner, asked: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    done = run_script("demo.py", "--out", tmp_path / "file" / "demo")
    assert (done.status, done.error.count("error: ")) == (1, 1)
    assert f"{tmp_path / 'file'} is not a folder" in done.error
    assert asked == []


def test_a_mistake_in_an_override_is_told_before_anything_is_made(
    run_script: ScriptRunner, asked: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    done = run_script("demo.py", "--out", tmp_path / "demo", "stepps=3")
    assert done.status == 1
    assert "unknown key; did you mean 'steps'?" in done.error
    assert list(tmp_path.iterdir()) == asked == []
