"""The notebooks run from their first cell to the last, and are kept without what comes out."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from moving_squares import moving
from notebook_runs import execute, printed

from ranet.datasets.image_io import write_image, write_labels
from ranet.datasets.video_io import open_frames

pytestmark = pytest.mark.slow

nbformat = pytest.importorskip("nbformat", reason="needs nbclient (pip), which brings nbformat")

FOLDER = Path(__file__).parents[1] / "notebooks"
NAMES = ["segment_my_video", "train_ablate_evaluate"]


def opened(name: str) -> Any:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def set_parameters(notebook: Any, assignments: str) -> None:
    """Add lines to the cell of parameters, as papermill would."""
    (cell,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    cell.source += f"\n{assignments}"


def change(notebook: Any, text: str, other: str) -> None:
    """Write something else in the one cell that holds a text."""
    (cell,) = [cell for cell in code_cells(notebook) if text in cell.source]
    cell.source = cell.source.replace(text, other)


def shorten(notebook: Any, changes: dict[str, str]) -> None:
    """Have a training take seconds: each text is replaced by the other, once."""
    for long, short in changes.items():
        (cell,) = [cell for cell in code_cells(notebook) if long in cell.source]
        cell.source = cell.source.replace(long, short)


def pictures(notebook: Any) -> int:
    return sum("image/png" in o.get("data", {}) for c in code_cells(notebook) for o in c.outputs)


def only_folder(of: Path) -> Path:
    (found,) = of.iterdir()
    return found


def test_these_are_all_notebooks() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_it_is_kept_without_outputs(name: str) -> None:
    notebook = opened(name)
    nbformat.validate(notebook)
    assert [cell.source for cell in code_cells(notebook) if cell.outputs] == []
    assert [cell.source for cell in code_cells(notebook) if cell.execution_count] == []
    assert notebook.metadata.kernelspec.name == "python3"


@pytest.mark.parametrize("name", NAMES)
def test_its_links_lead_somewhere(name: str) -> None:
    prose = "".join(cell.source for cell in opened(name).cells if cell.cell_type == "markdown")
    links = re.findall(r"\]\(([^)]+)\)", prose)
    assert links
    assert [link for link in links if not (FOLDER / link).exists()] == []


def test_a_video_is_segmented_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of the notebook, and then, in the same kernel, the reader's own video."""
    for number, (frame, labels) in enumerate(moving((96, 160), 3, {1: (30, 40)}, side=36)):
        write_image(tmp_path / "surf" / f"img{number}.png", frame)
        write_labels(tmp_path / f"mask{number}.png", labels)
    notebook, again = opened("segment_my_video"), opened("segment_my_video")
    own = {"VIDEO": tmp_path / "surf", "MASK": tmp_path / "mask0.png", "OUT": tmp_path / "out"}
    set_parameters(again, "\n".join(f"{key} = {str(path)!r}" for key, path in own.items()))
    notebook.cells += again.cells
    execute(notebook, tmp_path, monkeypatch)
    assert printed(notebook, "stderr") == ""
    assert printed(notebook).count("val-0000_1: J 0.") == 1
    assert pictures(notebook) == 4 + 4
    out = only_folder(tmp_path / "tmp")
    assert len(list((out / "masks/val-0000").glob("*.png"))) == 12
    assert sum(1 for _ in open_frames(out / "overlay.mp4")) == 12
    masks = (tmp_path / "out/masks/my_video").iterdir()
    assert sorted(path.stem for path in masks) == ["img0", "img1", "img2"]
    assert list((tmp_path / "here").iterdir()) == []


def test_networks_are_trained_and_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = opened("train_ablate_evaluate")
    change(notebook, "train=16, val=3, frames=10", "train=2, val=1, frames=4")
    change(notebook, '"steps": 40', '"steps": 2')
    change(notebook, '"log_every": 5', '"log_every": 1')
    execute(notebook, tmp_path, monkeypatch)
    assert printed(notebook, "stderr") == ""
    assert pictures(notebook) == 5
    out = only_folder(tmp_path / "tmp")
    trained = {path.parent.name for path in out.glob("training/*/model.pt")}
    assert trained == {"ranking", "maximum"}
    scored = {path.parent.name for path in out.glob("results/*/davis.json")}
    assert scored == {*trained, "copying"}
    assert (out / "report/report.html").stat().st_size > 10_000
    assert list((tmp_path / "here").iterdir()) == []


def test_a_cell_that_fails_fails_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel is this Python, in a folder of its own."""
    errors = pytest.importorskip("nbclient.exceptions", reason="needs nbclient (pip)")
    where = "import os, sys; print(sys.executable, os.getcwd())"
    cells = [nbformat.v4.new_code_cell(text) for text in (where, "1 / 0", "print('two')")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    with pytest.raises(errors.CellExecutionError, match="ZeroDivisionError"):
        execute(notebook, tmp_path, monkeypatch)
    assert printed(notebook) == f"{sys.executable} {tmp_path / 'here'}\n"
