"""Fixtures shared by all tests."""

import os
from pathlib import Path

# Tests run several at a time; threads of torch that wait for each other's core take far longer
# than one thread each. Scripts that tests start inherit this.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from scripts_in_process import ScriptRunner

SHARED = Path(__file__).resolve().parents[2] / "shared"


def _shared(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"needs the real data in {folder}, which is not here")
    return folder


@pytest.fixture
def run_script(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> ScriptRunner:
    """Runs a script of the project in this process: ``run_script("train.py", "--config", …)``."""
    return ScriptRunner(capsys, monkeypatch)


@pytest.fixture
def shared_data() -> Path:
    """The folder of real videos and masks beside the clone; the test is skipped without it."""
    return _shared("data")


@pytest.fixture
def shared_parity() -> Path:
    """The folder of golden tensors beside the clone; the test is skipped without it."""
    return _shared("parity")


@pytest.fixture
def shared_papers() -> Path:
    """The folder of the papers' texts beside the clone; the test is skipped without it."""
    return _shared("papers")
