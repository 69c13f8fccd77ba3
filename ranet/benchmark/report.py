"""Rows as they come: told, kept in a file, and at the end shown in a table."""

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ranet.benchmark.results import Results, speed_up, without_partner
from ranet.benchmark.rows import Row
from ranet.tables.grid import Grid
from ranet.wording import aligned_table, bullets

_logger = logging.getLogger(__name__)

_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))

_MISSING = "–"


def collect(rows: Iterable[Row], results: Results, json_file: Path | None) -> None:
    """Take in rows as they are measured; each is in the file before the next is begun.

    Args:
        rows: measured when they are asked for.
        results: where they go.
        json_file: is written anew with each; None: none is.

    Raises:
        OutputError: the file cannot be written.
    """
    for row in rows:
        results.rows.append(row)
        _logger.info("%s", _one_line(row))
        if json_file:
            results.write(json_file)


def table(results: Results, baseline: Results | None = None, *, markdown: bool = False) -> str:
    """All rows, for a terminal or as Markdown; what all of them have in common is told above.

    Args:
        results: at least one row.
        baseline: earlier results: how many times as fast each row is as its partner there.
        markdown: which of the two.
    """
    columns = _columns(results.rows, baseline)
    common = {
        name: cells[0]
        for name, cells in columns.items()
        if len(cells) > 1 and set(cells) == {cells[0]} and name not in _ALWAYS
    }
    shown = {name: cells for name, cells in columns.items() if name not in common}
    header, rows = list(shown), list(zip(*shown.values(), strict=True))
    title = _title(results)
    notes = [f"{name} {value}" for name, value in common.items()]
    if markdown:
        return Grid("benchmark", title, header, rows, notes).markdown()
    in_common = [", ".join(notes)] if notes else []
    return "\n".join([title, *in_common, "", *aligned_table([header, *rows]), ""])


def tell_partners(results: Results, baseline: Results, source: Path) -> list[str]:
    """Lines about what could not be compared, and about another machine or software."""
    lines = []
    for what, before, now in (
        ("machine", baseline.machine, results.machine),
        ("software", baseline.software, results.software),
    ):
        changed = [
            f"{name}: {before.get(name)} then, {now.get(name)} now"
            for name in dict.fromkeys([*before, *now])
            if before.get(name) != now.get(name)
        ]
        if changed:
            lines.append(f"{source} was measured with another {what}:\n{bullets(changed)}")
    for what, rows in (
        (f"{source} has no row with the settings of", without_partner(results.rows, baseline)),
        (f"Rows of {source} that were not measured now", without_partner(baseline.rows, results)),
    ):
        if rows:
            lines.append(f"{what}:\n{bullets([_name(row) for row in rows])}")
    return lines


def with_prefix(value: float, unit: str) -> str:
    """Three digits: ``263 GFLOP``."""
    for factor, prefix in _PREFIXES:
        if value >= factor:
            return f"{value / factor:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"


_FIGURES: dict[str, Callable[[Row], str | None]] = {
    "ms": lambda row: row.seconds and f"{1000 * row.seconds.median:.2f}",
    "quartiles": lambda row: (
        row.seconds and f"{1000 * row.seconds.lower:.2f} … {1000 * row.seconds.upper:.2f}"
    ),
    "a second": lambda row: row.seconds and f"{row.units_per_second:.4g} {row.unit}s",
    "parameters": lambda row: row.parameters and with_prefix(row.parameters, "").rstrip(),
    "work": lambda row: row.flop and with_prefix(row.flop, "FLOP"),
    "rate": lambda row: row.flop_rate and with_prefix(row.flop_rate, "FLOP/s"),
    "matrix product": lambda row: row.peak_flop_rate and with_prefix(row.peak_flop_rate, "FLOP/s"),
    "share": lambda row: row.share_of_peak and f"{100 * row.share_of_peak:.0f} %",
    "memory": lambda row: row.peak_bytes and with_prefix(row.peak_bytes, "B"),
}
"""Columns; ms and work are of a call: of all videos, of a whole video, of a batch, of a round."""

_ALWAYS = {"part", "ms", "quartiles", "a second", "share"}
"""Columns that are shown even if all their cells are the same."""


def _columns(rows: Sequence[Row], baseline: Results | None) -> dict[str, list[str]]:
    """Cells by the names of the columns that have any."""
    settings = dict.fromkeys(name for row in rows for name in row.settings)
    columns = {"part": [row.part for row in rows]}
    columns |= {name: [str(row.settings.get(name, "")) for row in rows] for name in settings}
    for name, figure in _FIGURES.items():
        cells = [figure(row) for row in rows]
        if any(cells):
            columns[name] = [cell or _MISSING for cell in cells]
    problems = [row.problem or "" for row in rows]
    if any(problems):
        columns["problem"] = problems
    if baseline is not None:
        ratios = [speed_up(row, baseline) for row in rows]
        columns["speed-up"] = [_MISSING if r is None else f"{r:.2f} ×" for r in ratios]
    return columns


def _title(results: Results) -> str:
    machine, software = results.machine, results.software
    names = [machine["cpu"], *machine["gpus"]]
    return (
        f"{', '.join(names)}; {machine['cores']} usable cores; torch {software['torch']}; "
        f"revision {software['revision']}"
    )


def _one_line(row: Row) -> str:
    if row.seconds is None:
        return f"{_name(row)}: {row.problem}"
    problem = f" ({row.problem})" if row.problem else ""
    return f"{_name(row)}: {1000 * row.seconds.median:.2f} ms{problem}"


def _name(row: Row) -> str:
    return f"{row.part} ({', '.join(f'{name} {value}' for name, value in row.settings.items())})"
