"""What ``ranet benchmark`` has measured: its file of results, and the table of its rows."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ranet.errors import BenchmarkError
from ranet.tables.grid import Grid
from ranet.wording import aligned_table, bullets, differences

FORMAT = "ranet-benchmark-1"

RATIO = "seconds_of_other_over_ours"
"""A detail of two rows of work that was done in turn: by their medians, of a unit of each."""

_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_MISSING = "–"

Row = dict[str, Any]
"""What was measured of a case, by name:

* ``part``: what kind of work; ``settings``: what decides how long it takes; rows of two files are
  partners if both are equal;
* ``unit``, ``units``: what a call works through, ``"frame"`` for instance, and how many of them;
* ``parameters``: numbers that the network has learned; ``flop``: of a call, None: none that count;
* ``seconds``: of a call: ``calls``, ``fastest``, ``lower`` quartile, ``median``, ``upper``
  quartile, ``slowest``; None where ``problem`` says why there is nothing;
* ``units_per_second``, ``flop_rate``: at the median;
* ``peak_flop_rate``: FLOP a second of a large matrix product on the same device, with the same
  threads and numbers; ``share_of_peak``: of that, 0…1, the median of rounds of both in turn;
* ``peak_bytes``, ``memory_counted``: :func:`ranet.device.peak_memory` during the calls;
* ``problem``: why it could not be measured, or which of its settings were without effect;
* ``details``: further things to know, such as the configuration.
"""

_ENTRIES = (
    *("part", "settings", "unit", "units", "seconds", "units_per_second", "flop_rate"),
    *("parameters", "flop", "peak_flop_rate", "share_of_peak", "peak_bytes", "memory_counted"),
    *("problem", "details"),
)


def new_row(
    part: str, settings: Mapping[str, Any], seconds: Sequence[float] = (), **entries: Any
) -> Row:
    """A row, in which what is neither given nor follows is None.

    Args:
        part: what kind of work.
        settings: of the work.
        seconds: of each call.
        entries: by their names in :data:`Row`.
    """
    row: Row = {**dict.fromkeys(_ENTRIES), **entries, "part": part, "settings": dict(settings)}
    if seconds:
        ends = np.quantile(seconds, [0, 0.25, 0.5, 0.75, 1]).tolist()
        spread = zip(("fastest", "lower", "median", "upper", "slowest"), ends, strict=True)
        row["seconds"] = {"calls": len(seconds), **dict(spread)}
        row["units_per_second"] = row["units"] / ends[2]
        row["flop_rate"] = row["flop"] and row["flop"] / ends[2]
    return row


def with_ratio(rows: Iterable[Row]) -> list[Row]:
    """Two rows, ours first, and in both of them how they compare, if both were timed."""
    ours, other = rows
    if not (ours["seconds"] and other["seconds"]):
        return [ours, other]
    ratio = {RATIO: ours["units_per_second"] / other["units_per_second"]}
    return [{**row, "details": row["details"] | ratio} for row in (ours, other)]


def tell_ratios(rows: Iterable[Row]) -> list[str]:
    """How the second of each two rows of :func:`with_ratio` compares with the first."""
    compared = [row for row in rows if RATIO in (row["details"] or {})]
    names = [
        row["settings"].get("implementation") or row["settings"]["network"] for row in compared
    ]
    return [
        f"{other} takes {row['details'][RATIO]:.2f} times as long as {ours}"
        for ours, other, row in zip(names[::2], names[1::2], compared[::2], strict=True)
    ]


def read_results(path: Path) -> dict[str, Any]:
    """Results that ``--json`` wrote.

    Raises:
        BenchmarkError: the file cannot be read, or holds something else.
    """
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
        if results["format"] != FORMAT:
            raise ValueError(f"its format is {results['format']!r}")
        rows = [{name: row[name] for name in _ENTRIES} for row in results["rows"]]
        told = {name: dict(results[name]) for name in ("machine", "software")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchmarkError(
            f"{path} should hold results of `ranet benchmark --json`, format {FORMAT!r}, but "
            f"cannot be read as such: {error!r}."
        ) from error
    return {**told, "rows": rows}


def name_of(row: Row) -> str:
    """``network (device cpu, objects 1)``."""
    told = ", ".join(f"{name} {value}" for name, value in row["settings"].items())
    return f"{row['part']} ({told})"


def told(row: Row) -> str:
    """``12.30 ms (ran without compile)``."""
    problem = row["problem"]
    if row["seconds"] is None:
        return str(problem)
    return f"{_milliseconds(row, 'median')} ms" + (f" ({problem})" if problem else "")


def speed_up(row: Row, others: Sequence[Row]) -> float | None:
    """How many times as fast a row is as its partner; None if one did not run as it says."""
    partner = _partner(row, others)
    if partner is None or row["problem"]:
        return None
    return row["units_per_second"] / partner["units_per_second"]


def _partner(row: Row, others: Sequence[Row]) -> Row | None:
    """The row with the same part and settings, if it was measured with these."""
    same = (o for o in others if all(o[key] == row[key] for key in ("part", "settings")))
    return next((other for other in same if not other["problem"]), None)


def table(
    results: Mapping[str, Any], baseline: Mapping[str, Any] | None = None, *, markdown: bool = False
) -> str:
    """All rows, for a terminal or as Markdown; what all of them have in common is told above.

    Args:
        results: at least one row.
        baseline: earlier results: how many times as fast each row is as its partner there.
        markdown: which of the two.
    """
    machine, software = results["machine"], results["software"]
    title = (
        f"{', '.join([machine['cpu'], *machine['gpus']])}; {machine['cores']} usable cores; "
        f"torch {software['torch']}; revision {software['revision']}"
    )
    every = results["rows"]
    settings = dict.fromkeys(name for row in every for name in row["settings"])
    columns = {"part": [row["part"] for row in every]}
    columns |= {name: [str(row["settings"].get(name, "")) for row in every] for name in settings}
    for name, figure in _FIGURES.items():
        if any(cells := [figure(row) for row in every]):
            columns[name] = [cell or _MISSING for cell in cells]
    if any(row["problem"] for row in every):
        columns["problem"] = [row["problem"] or "" for row in every]
    if baseline is not None:
        ratios = [speed_up(row, baseline["rows"]) for row in every]
        columns["speed-up"] = [_MISSING if r is None else f"{r:.2f} ×" for r in ratios]
    notes = [
        f"{name} {columns.pop(name)[0]}"
        for name, cells in list(columns.items())
        if len(every) > 1 and len(set(cells)) == 1 and name not in _ALWAYS
    ]
    header, rows = list(columns), list(zip(*columns.values(), strict=True))
    if markdown:
        return Grid("benchmark", title, header, rows, notes).markdown()
    in_common = [", ".join(notes)] if notes else []
    return "\n".join([title, *in_common, "", *aligned_table([header, *rows]), ""])


def _milliseconds(row: Row, *names: str) -> str | None:
    """Of a call: ``12.30``, or ``12.10 … 12.90`` of two; None if it was not timed."""
    seconds = row["seconds"]
    return seconds and " … ".join(f"{1000 * seconds[name]:.2f}" for name in names)


def _prefixed(name: str, unit: str) -> Callable[[Row], str | None]:
    """Three digits: ``263 GFLOP``."""

    def told(row: Row) -> str | None:
        if (value := row[name]) is None:
            return None
        factor, prefix = next((each for each in _PREFIXES if value >= each[0]), (1, ""))
        return f"{value / factor:.3g} {prefix}{unit}".rstrip()

    return told


_FIGURES: dict[str, Callable[[Row], str | None]] = {
    "ms": lambda row: _milliseconds(row, "median"),
    "quartiles": lambda row: _milliseconds(row, "lower", "upper"),
    "a second": lambda row: row["seconds"] and f"{row['units_per_second']:.4g} {row['unit']}s",
    "parameters": _prefixed("parameters", ""),
    "work": _prefixed("flop", "FLOP"),
    "rate": _prefixed("flop_rate", "FLOP/s"),
    "matrix product": _prefixed("peak_flop_rate", "FLOP/s"),
    "share": lambda row: row["share_of_peak"] and f"{100 * row['share_of_peak']:.0f} %",
    "memory": _prefixed("peak_bytes", "B"),
}
"""Columns; ms and work are of a call: of all videos, of a whole video, of a batch, of a round."""

_ALWAYS = {"part", "ms", "quartiles", "a second", "share"}
"""Columns that are shown even if all their cells are the same."""


def tell_partners(
    results: Mapping[str, Any], baseline: Mapping[str, Any], source: Path
) -> list[str]:
    """Lines about what could not be compared, and about another machine or software."""
    lines = []
    for what in ("machine", "software"):
        changed = [
            f"{name}: {before} then, {now} now"
            for name, before, now in differences(baseline[what], results[what])
        ]
        if changed:
            lines.append(f"{source} was measured with another {what}:\n{bullets(changed)}")
    for what, rows, others in (
        (f"{source} has no row with the settings of", results["rows"], baseline["rows"]),
        (f"Rows of {source} that were not measured now", baseline["rows"], results["rows"]),
    ):
        alone = [name_of(row) for row in rows if _partner(row, others) is None]
        if alone:
            lines.append(f"{what}:\n{bullets(alone)}")
    return lines
