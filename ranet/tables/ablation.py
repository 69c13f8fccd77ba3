"""Tables 4 and 5: what each part is worth, in J-Mean on DAVIS-2016 val."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from ranet.tables.grid import NOT_MEASURED, Grid, number
from ranet.tables.published import published
from ranet.tables.results import Result, describe, is_the_papers_network
from ranet.wording import size_text

_BENCHMARK, _MEASURE = "2016 val", "J-Mean"

_OF_MATCHING = {"ranking": "w/ RAM", "unranked": "w/o Ranking", "maximum": "Maximum"}

_PAPERS = {
    "objects": "single",
    "template_grid": [15, 27],
    "ranked": 256,
    "ranking_gradient": "straight_through",
    "width": 1.0,
}
"""The paper's architecture; a row of ours says where it differs."""


def ablation(table_number: int, results: Sequence[Result]) -> tuple[Grid, list[Result]]:
    """Table 4 or 5; a row of ours holds networks that differ in nothing but the variant.

    Args:
        table_number: which.
        results: any; those that fit are taken. Where several are of one variant (another seed,
            say), the cell holds them all.

    Returns:
        The table, and the results that are in it.
    """
    table, variant_of = published().ablations[table_number], _VARIANT[table_number]
    groups: dict[str, dict[str, list[Result]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        variant = variant_of(result)
        if variant is not None and _is_measured_alike(result):
            groups[_label(result, table_number)][variant].append(result)
    rows = [[method.name, *map(number, method.scores)] for method in table.methods]
    for label, group in (groups or {"RANet, ours": {}}).items():
        rows.append([label, *(_cell(group.get(variant, [])) for variant in table.variants)])
    used = [r for group in groups.values() for found in group.values() for r in found]
    grid = Grid(
        name=f"table{table_number}",
        title=f"Table {table_number}. {table.title}: {_MEASURE} on DAVIS-{_BENCHMARK}",
        header=["Method", *table.variants],
        rows=rows,
        notes=[describe(result) for result in used],
    )
    return grid, used


def _is_measured_alike(result: Result) -> bool:
    """Offline, on the right split, and told of the previous mask if trained with one."""
    told = result.inference["previous_mask"] != "none" or not result.previous_mask
    return result.benchmark == _BENCHMARK and result.online is None and told


def _ranking_variant(result: Result) -> str | None:
    """The column of Table 4."""
    return _OF_MATCHING.get(result.matching) if result.previous_mask else None


def _training_variant(result: Result) -> str | None:
    """The column of Table 5: one thing is left out, or nothing."""
    if is_the_papers_network(result):
        without = {"video": "-IP", "static": "-VF"}
        return without[result.only] if result.only else "origin" if result.fully_trained else None
    if not result.fully_trained:
        return None
    if result.matching == "concatenation" and result.previous_mask:
        return "-CL"
    if result.matching == "ranking" and not result.previous_mask:
        return "-PM"
    return None


_VARIANT: Mapping[int, Callable[[Result], str | None]] = {
    4: _ranking_variant,
    5: _training_variant,
}


def _label(result: Result, table_number: int) -> str:
    """What the variants of one row share; Table 5 compares stages of training, Table 4 does not."""
    shared = [result.architecture["backbone"], size_text(result.inference["input_size"])]
    for name, papers in _PAPERS.items():
        if result.architecture[name] != papers:
            shared.append(f"{name} {result.architecture[name]}")
    if table_number == 4 and not result.fully_trained:
        shared.append(f"{result.only} data only")
    return f"RANet, ours: {', '.join(shared)}"


def _cell(results: Sequence[Result]) -> str:
    if not results:
        return NOT_MEASURED
    return " / ".join(r.percent(_MEASURE) + (f" ({r.subset})" if r.subset else "") for r in results)
