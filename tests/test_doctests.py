"""The examples in docstrings and documents are run as they stand there."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest
from moving_squares import moving

from ranet.datasets.image_io import write_image, write_labels

ROOT = Path(__file__).parents[1]
PROMPT = ">>> "
MODULES = sorted(p for p in (ROOT / "ranet").rglob("*.py") if PROMPT in p.read_text("utf-8"))
DOCUMENTS = sorted(p for p in (ROOT / "docs").glob("*.md") if PROMPT in p.read_text("utf-8"))
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.fixture(autouse=True)
def surf(tmp_path, monkeypatch):
    """What the examples take for granted: a video beside them, of three small frames."""
    monkeypatch.chdir(tmp_path)
    frames = moving((96, 160), 3, {1: (30, 40)}, side=36)
    for number, (frame, labels) in enumerate(frames):
        write_image(tmp_path / "surf" / f"{number:05d}.png", frame)
        write_labels(tmp_path / "annotations" / "surf" / f"{number:05d}.png", labels)
    write_labels(tmp_path / "surf_first.png", frames[0][1])


def module_name(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("name", list(map(module_name, MODULES)))
def test_examples_of_a_module(name):
    done = doctest.testmod(import_module(name), optionflags=OPTIONS)
    assert done.attempted
    assert not done.failed


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_examples_of_a_document(path):
    done = doctest.testfile(str(path), module_relative=False, optionflags=OPTIONS, encoding="utf-8")
    assert done.attempted
    assert not done.failed


def test_there_are_examples():
    assert {"ranet", "ranet.api"} <= set(map(module_name, MODULES))
    assert "python.md" in {path.name for path in DOCUMENTS}
