"""Fixtures shared by all tests."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Tests run several at a time; threads of torch that wait for each other's core take far longer
# than one thread each. Scripts that tests start inherit this.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import pytest
from headless_chromium import headless_chromium
from scripts_in_process import ScriptRunner

# How long an example takes tells of the machine's other work.
hypothesis.settings.register_profile("any pace", deadline=None)
hypothesis.settings.load_profile("any pace")

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: at the end, one would keep one process of two waiting."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """What is loaded by now stays; looking through it takes a quarter of a second each time."""
    gc.collect()
    gc.freeze()


def _shared(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"needs the real data in {folder}, which is not here")
    return folder


@pytest.fixture
def run_script(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> ScriptRunner:
    """Runs a script of the project in this process: ``run_script("train.py", "--config", …)``."""
    return ScriptRunner(capsys, monkeypatch)


@pytest.fixture(scope="session")
def _chromium() -> Iterator[Any]:
    with headless_chromium() as driver:
        yield driver


@pytest.fixture
def browser(_chromium: Any) -> Any:
    """A headless Chromium (selenium's driver) on an empty page, its console log empty.

    ``headless_chromium.console_errors(browser)`` tells what a page complained about. The test is
    skipped where Chromium, its driver or selenium is missing.
    """
    _chromium.get("about:blank")
    _chromium.set_window_size(1280, 900)
    _chromium.get_log("browser")
    return _chromium


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
