"""Tables 1 to 3: RANet among other methods, our results right below its own rows; and Figure 6."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ranet.tables.grid import NOT_MEASURED, Grid, number
from ranet.tables.published import OURS, Comparison, Method, published
from ranet.tables.results import Result, describe, is_the_papers_network
from ranet.visual.plots import Series, draw_trade_off
from ranet.wording import count, size_text

_WITHOUT_VIDEO_FINE_TUNING = 2
"""The number of the table of networks that have seen still images only."""

_TIME_NOTE = (
    "Times of ours: median network step, synchronised, plus online learning spread over the "
    "frames; the paper's are of a Titan Xp, measured without synchronising."
)


def comparison(table_number: int, results: Sequence[Result]) -> tuple[Grid, list[Result]]:
    """Table 1, 2 or 3.

    Args:
        table_number: which.
        results: any; those that fit are taken.

    Returns:
        The table, and the results that are in it.
    """
    table = published().comparisons[table_number]
    with_online = all(method.online is not None for method in table.methods)
    rows, used = [], []
    for method in table.methods:
        rows.append([method.name, *_online(method, with_online), *_published_cells(table, method)])
        if not method.name.startswith(OURS):
            continue
        ours = [r for r in results if _fits(r, table_number, method)]
        for of_one_network in _by_network(ours) or [{}]:
            cells = _our_cells(table, of_one_network)
            rows.append([_label(method, of_one_network), *_online(method, with_online), *cells])
        used += ours
    grid = Grid(
        name=f"table{table_number}",
        title=f"Table {table_number}. {table.title}",
        header=_header(table, with_online),
        rows=rows,
        notes=[*map(describe, used), *([_TIME_NOTE] if table.time else [])],
    )
    return grid, used


def figure6(results: Sequence[Result], path: Path) -> None:
    """Figure 6: J&F-Mean against frames a second on DAVIS-2016 val, of the methods of Table 1.

    Raises:
        OutputError: the PNG cannot be written.
    """
    table = published().comparisons[1]
    (benchmark,) = table.benchmarks
    at = table.measures.index("J&F-Mean")
    theirs = [m for m in table.methods if m.scores[benchmark][at] is not None]
    ours = [
        r
        for r in results
        if r.frame_ms and any(_fits(r, 1, m) for m in theirs if m.name.startswith(OURS))
    ]
    draw_trade_off(
        path,
        [
            Series(
                "published",
                [(1000 / m.ms, m.scores[benchmark][at]) for m in theirs],
                [m.name for m in theirs],
            ),
            Series(
                "measured here",
                [(1000 / r.frame_ms, 100 * r.measures["J&F-Mean"]) for r in ours],
                [_point_name(r) for r in ours],
                ours=True,
            ),
        ],
        title="DAVIS-2016 val (the paper's Figure 6)",
        x_label="frames a second",
        y_label="J&F-Mean (%)",
    )


def _fits(result: Result, table_number: int, method: Method) -> bool:
    """Whether a result belongs below a row of RANet's."""
    trained = (
        result.only == "static"
        if table_number == _WITHOUT_VIDEO_FINE_TUNING
        else result.fully_trained
    )
    return (
        trained
        and is_the_papers_network(result)
        and result.benchmark in method.scores
        and (result.online is not None) == method.online
    )


def _by_network(results: Sequence[Result]) -> list[dict[str, Result]]:
    """One row each: results of one checkpoint on different benchmarks share it."""
    rows: list[dict[str, Result]] = []
    for result in results:
        row = next((row for row in rows if _belongs_to(result, row)), None)
        if row is None:
            rows.append(row := {})
        row[result.benchmark] = result
    return rows


def _belongs_to(result: Result, row: dict[str, Result]) -> bool:
    same = {other.checkpoint_sha256 for other in row.values()} == {result.checkpoint_sha256}
    return same and result.benchmark not in row


def _header(table: Comparison, with_online: bool) -> list[str]:
    several = len(table.benchmarks) > 1
    return [
        "Method",
        *(["OL"] if with_online else []),
        *(["ms a frame"] if table.time else []),
        *(
            f"{benchmark} {measure}" if several else measure
            for benchmark in table.benchmarks
            for measure in table.measures
        ),
    ]


def _online(method: Method, with_online: bool) -> list[str]:
    return [("✓" if method.online else "✗")] if with_online else []


def _published_cells(table: Comparison, method: Method) -> list[str]:
    scores = [number(s) for benchmark in table.benchmarks for s in method.scores[benchmark]]
    return [f"{method.ms:.0f}", *scores] if table.time else scores


def _our_cells(table: Comparison, row: dict[str, Result]) -> list[str]:
    return [cell for benchmark in table.benchmarks for cell in _cells(table, row.get(benchmark))]


def _cells(table: Comparison, result: Result | None) -> Iterator[str]:
    if table.time:
        yield (
            NOT_MEASURED if result is None or result.frame_ms is None else f"{result.frame_ms:.0f}"
        )
    for measure in table.measures:
        yield NOT_MEASURED if result is None else result.percent(measure)


def _label(method: Method, row: dict[str, Result]) -> str:
    """Which network a row is of, and how it was run; the notes have the folders."""
    if not row:
        return f"{method.name}, ours"
    return f"{method.name}, ours: {'; '.join(dict.fromkeys(map(_network, row.values())))}"


def _network(result: Result) -> str:
    name = f"{result.checkpoint.stem}, {result.architecture['backbone']}"
    name += f", {size_text(result.inference['input_size'])}"
    if result.online is not None:
        name += f", {count(result.online['steps'], 'step')}"
    return f"{name} ({result.subset})" if result.subset else name


def _point_name(result: Result) -> str:
    name = result.checkpoint.stem + ("" if result.online is None else "+OL")
    return f"{name}\n{result.subset}" if result.subset else name
