"""Table 6: what online learning brings, and what it costs, on DAVIS-2016 val."""

from collections import defaultdict
from collections.abc import Sequence

from ranet.tables.grid import NOT_MEASURED, Grid, number
from ranet.tables.published import published
from ranet.tables.results import Result, describe, is_the_papers_network

_BENCHMARK, _MEASURE = "2016 val", "J&F-Mean"


def online_learning(results: Sequence[Result]) -> tuple[Grid, list[Result]]:
    """Table 6 as a list of points, because ours have other numbers of steps.

    Args:
        results: any; those of networks that were measured with online learning are taken, without
            it too.

    Returns:
        The table, and the results that are in it.
    """
    table = published().online_learning
    rows = [
        [
            "RANet",
            "not published" if index else "0",
            "",
            f"{point.seconds:.3g}",
            number(point.score),
        ]
        for index, point in enumerate(table.points)
    ]
    used = _curves(results)
    rows += [_row(result) for result in used] or [["RANet, ours", *[NOT_MEASURED] * 4]]
    grid = Grid(
        name="table6",
        title=f"Table 6. {table.title}: DAVIS-{_BENCHMARK}",
        header=["Method", "steps a video", "what moves", "seconds a frame", _MEASURE],
        rows=rows,
        notes=[describe(result) for result in used],
    )
    return grid, used


def _curves(results: Sequence[Result]) -> list[Result]:
    """Results of each network that has one with online learning, from fast to slow."""
    by_network: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        if result.benchmark == _BENCHMARK and is_the_papers_network(result):
            by_network[result.checkpoint_sha256].append(result)
    return [
        result
        for curve in by_network.values()
        if any(r.online for r in curve)
        for result in sorted(curve, key=lambda r: (_setting(r)[1], _setting(r)[0]))
    ]


def _setting(result: Result) -> tuple[int, str]:
    """Steps, and which parameters move; offline: none."""
    if result.online is None:
        return 0, ""
    return result.online["steps"], result.online["parameters"]


def _row(result: Result) -> list[str]:
    steps, moving = _setting(result)
    time = NOT_MEASURED if result.frame_ms is None else f"{result.frame_ms / 1000:.3g}"
    subset = f" ({result.subset})" if result.subset else ""
    name = f"RANet, ours: {result.checkpoint.name}{subset}"
    return [name, str(steps), moving, time, result.percent(_MEASURE)]
