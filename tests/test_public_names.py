"""``import ranet``: quick, and the same for those who run it and those who read its types."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ranet

ROOT = Path(__file__).parents[1]


def test_importing_loads_nothing_of_the_others():
    asked = "import sys, ranet; dir(ranet); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"torch", "numpy", "cv2", "matplotlib", "pydantic", "yaml"}
    assert {name for name in done.stdout.split() if name.startswith("ranet")} == {"ranet"}


def test_every_name_can_be_used():
    for name in ranet.__all__:
        assert getattr(ranet, name) is not None
    assert set(ranet.__all__) < set(dir(ranet))


def test_type_checkers_see_the_same_names():
    (block,) = (
        node
        for node in ast.parse(Path(ranet.__file__).read_text("utf-8")).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    declared = {
        alias.name: statement.module for statement in block.body for alias in statement.names
    }
    assert declared == {**ranet._HOMES, "visual": "ranet"}
    assert sorted(declared, key=str.casefold) == sorted(ranet.__all__, key=str.casefold)


def test_pictures_can_be_drawn():
    assert callable(ranet.visual.overlay)


def test_an_unknown_name_is_told():
    with pytest.raises(AttributeError, match="no attribute 'segmentvideo'"):
        _ = ranet.segmentvideo
