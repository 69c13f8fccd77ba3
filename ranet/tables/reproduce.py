"""The paper's tables with our results in them: the only file here that knows all the others."""

import logging
from collections.abc import Sequence
from pathlib import Path

from ranet.tables.ablation import ablation
from ranet.tables.comparison import comparison, figure6
from ranet.tables.grid import Grid
from ranet.tables.online_learning import online_learning
from ranet.tables.results import Result, find_results

_logger = logging.getLogger(__name__)

TABLES = (1, 2, 3, 4, 5, 6)


def reproduce(
    tables: Sequence[int], folders: Sequence[Path], out: Path | None = None
) -> list[Grid]:
    """Put what was measured beside what the paper has published.

    Args:
        tables: numbers of the tables, of :data:`TABLES`.
        folders: with results of ``scripts/eval_davis.py`` in or below them; may be none.
        out: folder for ``table<n>.md``, ``table<n>.csv`` and, with Table 1, ``figure6.png``.

    Returns:
        The tables. Cells without a result say so. Results that fit nowhere are told in the log.

    Raises:
        DataError: a folder holds no result, or a file is none.
        OutputError: something cannot be written.
    """
    results, unfit = find_results(folders)
    grids, used = [], []
    for number in tables:
        grid, found = _table(number, results)
        grids.append(grid)
        used += [result.folder for result in found]
    for result in results:
        if result.folder not in used:
            unfit[result.folder] = "it belongs to no row of these tables"
    for folder, reason in unfit.items():
        _logger.info("not used: %s: %s", folder, reason)
    if out is not None:
        for grid in grids:
            grid.write(out)
        if 1 in tables:
            figure6(results, out / "figure6.png")
    return grids


def _table(number: int, results: Sequence[Result]) -> tuple[Grid, list[Result]]:
    if number <= 3:
        return comparison(number, results)
    return ablation(number, results) if number <= 5 else online_learning(results)
