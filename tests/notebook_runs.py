"""Executes notebooks in a folder of their own, with a kernel of the very Python that runs this."""

import os
from pathlib import Path
from typing import Any

import pytest

LIMIT = 900
"""Seconds after which a cell hangs; none takes nearly as long."""


def execute(notebook: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run all cells, which keep their outputs; the test is skipped where something is missing.

    Args:
        notebook: as nbformat reads it.
        folder: for all that is written: the working directory is ``folder/here``, and temporary
            files go to ``folder/tmp``.
        monkeypatch: takes back what is set for the kernel.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
    """
    nbclient = pytest.importorskip("nbclient", reason="needs nbclient (pip)")
    kernels = pytest.importorskip("ipykernel.kernelspec", reason="needs ipykernel (pip)")
    for name in ("here", "tmp"):
        (folder / name).mkdir(parents=True)
    # A kernel that the user has installed under the same name may be of another environment.
    kernels.write_kernel_spec(folder / "jupyter" / "kernels" / "python3")
    monkeypatch.setenv("JUPYTER_PATH", str(folder / "jupyter"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(folder / "runtime"))
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    monkeypatch.setenv("TMPDIR", str(folder / "tmp"))
    # torch makes this folder as soon as it is imported, among the temporary files if not told.
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(folder / "inductor"))
    client = nbclient.NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=LIMIT,
        resources={"metadata": {"path": str(folder / "here")}},
    )
    client.execute(env=dict(os.environ))


def printed(notebook: Any, stream: str = "stdout") -> str:
    """What the cells of an executed notebook have written to a stream."""
    return "".join(
        output["text"]
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.get("name") == stream
    )
