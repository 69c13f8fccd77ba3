"""Graphs as files: ONNX, for onnxruntime and whatever else reads it, and torch's own."""

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ranet.errors import RANetError
from ranet.export.programs import Graph
from ranet.files import atomic_path, atomic_write, make_folder

OPSET = 20
"""Of the operators in the files; onnxruntime 1.17 and later know it."""


def write_onnx(
    programs: Mapping[str, Graph], out: str | Path, facts: Mapping[str, str]
) -> list[Path]:
    """Write each graph as ``<name>.onnx``.

    Args:
        programs: of :func:`~ranet.export.programs.export_programs`.
        out: the folder; files of these names are replaced.
        facts: for those who find the files: their metadata.

    Returns:
        The files.

    Raises:
        OutputError: a file cannot be written.
        RANetError: the packages for ONNX are not installed.
    """
    _check_installed()
    out = make_folder(out)
    paths = []
    for name, graph in programs.items():
        content = _onnx_model(graph, facts)
        paths.append(out / f"{name}.onnx")
        with atomic_write(paths[-1]) as file:
            file.write(content)
    return paths


def write_pt2(programs: Mapping[str, Graph], out: str | Path) -> list[Path]:
    """Write each graph as ``<name>.pt2``, which ``torch.export.load`` reads.

    Raises:
        OutputError: a file cannot be written.
    """
    out = make_folder(out)
    paths = []
    for name, graph in programs.items():
        paths.append(out / f"{name}.pt2")
        with atomic_path(paths[-1]) as temporary:
            torch.export.save(graph.program, temporary)
    return paths


def _onnx_model(graph: Graph, facts: Mapping[str, str]) -> bytes:
    """A graph in ONNX's format."""
    with _without_chatter():
        exported = torch.onnx.export(
            graph.program.run_decompositions(_decompositions()),
            dynamo=True,
            opset_version=OPSET,
            input_names=graph.inputs,
            output_names=graph.outputs,
            verbose=False,
        )
    assert exported is not None  # by dynamo
    exported.model.metadata_props.update(facts)
    content: bytes = exported.model_proto.SerializeToString()
    return content


@contextlib.contextmanager
def _without_chatter() -> Iterator[None]:
    """Keep from the user what the exporter tells of itself; errors are raised all the same."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def _check_installed() -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise RANetError(
            f"Writing ONNX needs a package that is not installed ({error}). Install the extra: "
            "`pip install -e '.[export]'`."
        ) from error


def _decompositions() -> dict[torch._ops.OperatorBase, Callable[..., object]]:
    """torch's own, and one for an operator that ONNX lacks."""
    table = torch.export.default_decompositions()
    table[torch.ops.aten.adaptive_max_pool2d.default] = _adaptive_max_pool2d
    return table


def _adaptive_max_pool2d(x: Tensor, size: Sequence[int]) -> tuple[Tensor, Tensor]:
    """``F.adaptive_max_pool2d`` as maxima over slices: rows, then columns.

    Args:
        x: …×H×W.
        size: (h, w).

    Returns:
        …×h×w; and in the place of the indices, which nobody asks for, zeros.
    """
    for dim, parts in zip((-2, -1), size, strict=True):
        length = x.shape[dim]
        bounds = [(n * length // parts, -(-(n + 1) * length // parts)) for n in range(parts)]
        x = torch.stack([x.narrow(dim, a, b - a).amax(dim) for a, b in bounds], dim)
    return x, torch.zeros_like(x, dtype=torch.int64)
