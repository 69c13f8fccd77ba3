"""The paper's tables, with what ``scripts/eval_davis.py`` has measured beside its numbers."""

import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ranet.errors import DataError
from ranet.tables.grid import NOT_MEASURED, Grid, number
from ranet.tables.published import OURS, Method, published
from ranet.visual.plots import Series, check_matplotlib, draw_trade_off
from ranet.wording import count, size_text

_logger = logging.getLogger(__name__)

TABLES = (1, 2, 3, 4, 5, 6)

_Filled = tuple[list[str], list[list[str]], list["Result"]]  # header, rows, results in them

_TIME_NOTE = (
    "Times of ours: median network step, synchronised, plus online learning spread over the "
    "frames; the paper's are of a Titan Xp, measured without synchronising."
)

_PAPERS = {
    "objects": "single",
    "template_grid": [15, 27],
    "ranked": 256,
    "ranking_gradient": "straight_through",
    "width": 1.0,
}
"""The paper's architecture; a row of Tables 4 and 5 says where ours differs."""


@dataclass(frozen=True)
class Result:
    """A ``result.json``: one evaluation of a network."""

    folder: Path
    benchmark: str  # year and split, as in "2016 val"
    sequences: tuple[str, ...]  # that were scored
    measures: Mapping[str, float]  # as the DAVIS tool calls them; fractions
    frame_ms: float | None  # online learning included; None if too short to be timed
    inference: Mapping[str, Any]  # that section of the configuration
    architecture: Mapping[str, Any]  # of the network
    data: frozenset[str]  # kinds of training data, of all stages together
    stages: tuple[str, ...]  # names of the training runs, earliest first
    checkpoint: Path
    checkpoint_sha256: str
    device: str
    videos_at_once: float  # on average; the time of a step is divided among them

    @property
    def online(self) -> Mapping[str, Any] | None:
        """How online learning was configured; None: without."""
        return self.inference.get("online")

    @property
    def matching(self) -> str:
        """What stands at the place of the ranking."""
        return self.architecture["matching"]

    @property
    def previous_mask(self) -> bool:
        """Whether the network was trained with previous masks."""
        return self.architecture["previous_mask"]

    @property
    def is_the_papers_network(self) -> bool:
        """Whether nothing was left out of the network or of what it is told: no ablation."""
        told = self.previous_mask and self.inference["previous_mask"] != "none"
        return self.matching == "ranking" and told

    @property
    def fully_trained(self) -> bool:
        """On still images and on videos, or it does not tell."""
        return {"static", "video"} <= self.data or "unknown" in self.data

    @property
    def only(self) -> str | None:
        """The only kind of data it was trained on, if that is known and there is but one."""
        return next(iter(self.data)) if self.data in ({"static"}, {"video"}) else None

    @property
    def subset(self) -> str:
        """``" (10 of 20 sequences)"``; empty if all of the split were scored."""
        found, of = len(self.sequences), len(published().splits[self.benchmark])
        return "" if found == of else f" ({found} of {of} sequences)"

    def percent(self, measure: str) -> str:
        """A measure as the paper prints it."""
        return number(100 * self.measures[measure])

    def __str__(self) -> str:
        """A line for below a table: what was measured, and on what."""
        parts = [
            f"{self.checkpoint.name} ({self.architecture['backbone']})",
            f"trained in {' → '.join(self.stages)}",
            f"input {size_text(self.inference['input_size'])}",
            f"{self.device}, {self.inference['dtype']}",
        ]
        if self.videos_at_once > 1:
            parts.append(f"times are throughput, of {self.videos_at_once:.1f} videos at once")
        if self.online is not None:
            parts.append(f"online learning of {self.online['steps']} steps")
        if self.subset:
            only = f"{self.subset.strip(' ()')} only"
            parts.append(f"{only}: not to be compared with the paper's numbers")
        return f"{self.folder}: {'; '.join(parts)}."


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
        RANetError: ``figure6.png`` is to be drawn, but matplotlib is not installed.
    """
    with_figure = out is not None and 1 in tables
    if with_figure:
        check_matplotlib()
    results, unfit = find_results(folders)
    grids, used = [], []
    for n in tables:
        fill = _comparison if n <= 3 else _ablation if n <= 5 else _online_learning
        header, rows, found = fill(n, results)
        title = f"Table {n}. {published().tables[n].title}"
        notes = [*map(str, found), *([_TIME_NOTE] if n == 1 else [])]
        grids.append(Grid(f"table{n}", title, header, rows, notes))
        used += [result.folder for result in found]
    for result in results:
        if result.folder not in used:
            unfit[result.folder] = "it belongs to no row of these tables"
    for folder, reason in unfit.items():
        _logger.info("not used: %s: %s", folder, reason)
    if out is not None:
        for grid in grids:
            grid.write(out)
    if with_figure:
        _draw_figure6(results, out / "figure6.png")
    return grids


# --- results


def find_results(folders: Iterable[Path]) -> tuple[list[Result], dict[Path, str]]:
    """All results in or below some folders.

    Returns:
        The results, by folder; and why the others cannot stand in a table of the paper.

    Raises:
        DataError: a folder is missing or holds no result, or a file is no result.
    """
    found, unfit = {}, {}
    for folder in folders:
        paths = sorted(folder.rglob("result.json"))
        if not paths:
            raise DataError(
                f"No result.json in or below {folder}: ranet eval-davis --out writes it when "
                "a split is finished."
            )
        for path in paths:
            result = _read(path)
            if isinstance(result, Result):
                found[path.resolve()] = result
            else:
                unfit[path.parent] = result
    return [found[path] for path in sorted(found)], unfit


def _read(path: Path) -> Result | str:
    """The result in a file, or why it is none of the paper's kind."""
    try:
        content = json.loads(path.read_text())
        return _why_not(content) or _result(path.parent, content)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is not a result of ranet eval-davis ({type(error).__name__}: {error})."
        ) from error


def _benchmark(content: Mapping[str, Any]) -> str:
    config = content["settings"]["config"]
    return f"{config['year']} {config['split']}"


def _why_not(content: Mapping[str, Any]) -> str:
    """Why a result is none of the paper's kind; empty if it is."""
    if content["global"] is None:
        return "nothing of it could be scored"
    if content["settings"]["method"] != OURS:
        return f"it is of the {content['settings']['method']}"
    benchmark = _benchmark(content)
    if benchmark not in published().splits:
        return f"the paper has nothing on DAVIS-{benchmark}"
    others = sorted(set(content["sequences"]) - set(published().splits[benchmark]))
    return f"DAVIS-{benchmark} has no sequence {', '.join(others[:3])}" if others else ""


def _result(folder: Path, content: Mapping[str, Any]) -> Result:
    settings, times = content["settings"], content["times"]
    # Results from before there were ablations, online learning and stages lack these.
    stages = content.get("stages") or [{"name": "not told", "data": ["unknown"]}]
    return Result(
        folder=folder,
        benchmark=_benchmark(content),
        sequences=tuple(content["sequences"]),
        measures=content["global"],
        frame_ms=times.get("frame_ms", times["step_ms"]),
        inference=settings["config"]["inference"],
        architecture={"matching": "ranking", "previous_mask": True, **settings["architecture"]},
        data=frozenset(kind for stage in stages for kind in stage["data"]),
        stages=tuple(stage["name"] for stage in stages),
        checkpoint=Path(content["checkpoint"]),
        checkpoint_sha256=settings["checkpoint_sha256"],
        device=content["device"],
        videos_at_once=times.get("videos_at_once") or 1.0,
    )


# --- Tables 1 to 3: RANet among other methods, our results right below its own rows; Figure 6


def _comparison(table_number: int, results: Sequence[Result]) -> _Filled:
    table = published().tables[table_number]
    with_online = all(method.online is not None for method in table.methods)
    columns = [(b, measure) for b in table.benchmarks for measure in table.columns]

    def row(name: str, method: Method, ms: str, scores: Sequence[str]) -> list[str]:
        online = ["✓" if method.online else "✗"] if with_online else []
        return [name, *online, *([ms] if table.has_times else []), *scores]

    rows, used = [], []
    for method in table.methods:
        scores = [number(score) for b in table.benchmarks for score in method.scores[b]]
        rows.append(row(method.name, method, _whole(method.ms), scores))
        ours = [r for r in results if _belongs_below(method, table_number, r)]
        for group in _by_network(ours) or ([{}] if method.name.startswith(OURS) else []):
            name = "; ".join(dict.fromkeys(map(_network, group.values())))
            label = f"{method.name}, ours: {name}" if group else f"{method.name}, ours"
            ms = next((r.frame_ms for r in group.values()), None)
            cells = [group[b].percent(m) if b in group else NOT_MEASURED for b, m in columns]
            rows.append(row(label, method, _whole(ms), cells))
        used += ours
    several = len(table.benchmarks) > 1
    names = [f"{b} {measure}" if several else measure for b, measure in columns]
    online, ms = ["OL"] if with_online else [], ["ms a frame"] if table.has_times else []
    return ["Method", *online, *ms, *names], rows, used


def _belongs_below(method: Method, table_number: int, result: Result) -> bool:
    """Table 2 is of networks that have seen still images only."""
    trained = result.only == "static" if table_number == 2 else result.fully_trained
    return (
        method.name.startswith(OURS)
        and trained
        and result.is_the_papers_network
        and result.benchmark in method.scores
        and (result.online is not None) == method.online
    )


def _by_network(results: Sequence[Result]) -> list[dict[str, Result]]:
    """One row each: results of one checkpoint on different benchmarks share it."""
    rows: list[tuple[str, dict[str, Result]]] = []
    for result in results:
        for checkpoint, row in rows:
            if checkpoint == result.checkpoint_sha256 and result.benchmark not in row:
                row[result.benchmark] = result
                break
        else:
            rows.append((result.checkpoint_sha256, {result.benchmark: result}))
    return [row for _, row in rows]


def _network(result: Result) -> str:
    """Which network a row is of, and how it was run; the notes have the folders."""
    size = size_text(result.inference["input_size"])
    name = f"{result.checkpoint.stem}, {result.architecture['backbone']}, {size}"
    if result.online is not None:
        name += f", {count(result.online['steps'], 'step')}"
    return name + result.subset


def _whole(ms: float | None) -> str:
    return NOT_MEASURED if ms is None else f"{ms:.0f}"


def _draw_figure6(results: Sequence[Result], path: Path) -> None:
    """J&F-Mean against frames a second on DAVIS-2016 val, of the methods of Table 1."""
    table = published().tables[1]
    (benchmark,) = table.benchmarks
    at = table.columns.index("J&F-Mean")
    theirs = [m for m in table.methods if m.scores[benchmark][at] is not None]
    ours = [r for r in results if r.frame_ms and any(_belongs_below(m, 1, r) for m in theirs)]
    series = [
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
    ]
    labels = {"x_label": "frames a second", "y_label": "J&F-Mean (%)"}
    draw_trade_off(path, series, title="DAVIS-2016 val (the paper's Figure 6)", **labels)


def _point_name(result: Result) -> str:
    online = "+OL" if result.online is not None else ""
    return result.checkpoint.stem + online + result.subset.replace(" ", "\n", 1)


# --- Tables 4 and 5: what each part is worth, in J-Mean on DAVIS-2016 val


def _ablation(table_number: int, results: Sequence[Result]) -> _Filled:
    """A row of ours holds networks that differ in nothing but the variant.

    Where several are of one variant (another seed, say), the cell holds them all.
    """
    table = published().tables[table_number]
    variant_of = _ranking_variant if table_number == 4 else _training_variant
    groups: dict[str, dict[str, list[Result]]] = defaultdict(lambda: defaultdict(list))
    used = []
    for result in results:
        told = result.inference["previous_mask"] != "none" or not result.previous_mask
        alike = result.benchmark == "2016 val" and result.online is None and told
        variant = variant_of(result) if alike else None
        if variant is not None:
            groups[_shared(result, table_number)][variant].append(result)
            used.append(result)
    rows = [[method.name, *map(number, method.scores["2016 val"])] for method in table.methods]
    for label, group in (groups or {"": {}}).items():
        cells = [
            " / ".join(r.percent("J-Mean") + r.subset for r in group.get(variant, []))
            for variant in table.columns
        ]
        rows.append([f"RANet, ours{label}", *(cell or NOT_MEASURED for cell in cells)])
    return ["Method", *table.columns], rows, used


def _ranking_variant(result: Result) -> str | None:
    """The column of Table 4."""
    columns = {"ranking": "w/ RAM", "unranked": "w/o Ranking", "maximum": "Maximum"}
    return columns.get(result.matching) if result.previous_mask else None


def _training_variant(result: Result) -> str | None:
    """The column of Table 5: one thing is left out, or nothing."""
    if result.is_the_papers_network and result.only:
        return {"video": "-IP", "static": "-VF"}[result.only]
    if not result.fully_trained:
        return None
    columns = {
        ("ranking", True): "origin",
        ("concatenation", True): "-CL",
        ("ranking", False): "-PM",
    }
    return columns.get((result.matching, result.previous_mask))


def _shared(result: Result, table_number: int) -> str:
    """What the variants of one row share; Table 5 compares stages of training, Table 4 does not."""
    shared = [result.architecture["backbone"], size_text(result.inference["input_size"])]
    for name, papers in _PAPERS.items():
        if result.architecture[name] != papers:
            shared.append(f"{name} {result.architecture[name]}")
    if table_number == 4 and not result.fully_trained:
        shared.append(f"{result.only} data only")
    return f": {', '.join(shared)}"


# --- Table 6: what online learning brings, and what it costs, on DAVIS-2016 val


def _online_learning(table_number: int, results: Sequence[Result]) -> _Filled:
    """A list of points, because ours have other numbers of steps.

    Of networks that were measured with online learning, results without it are taken, too.
    """
    table = published().tables[table_number]
    rows = [
        [
            method.name,
            "not published" if method.online else "0",
            "",
            f"{method.ms / 1000:.3g}",
            number(method.scores["2016 val"][0]),
        ]
        for method in table.methods
    ]
    by_network: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        if result.benchmark == "2016 val" and result.is_the_papers_network:
            by_network[result.checkpoint_sha256].append(result)
    curves = [curve for curve in by_network.values() if any(r.online for r in curve)]
    used = [result for curve in curves for result in sorted(curve, key=_steps)]
    for result in used:
        steps, moving = _steps(result)
        seconds = NOT_MEASURED if result.frame_ms is None else f"{result.frame_ms / 1000:.3g}"
        name = f"RANet, ours: {result.checkpoint.name}{result.subset}"
        rows.append([name, str(steps), moving, seconds, result.percent("J&F-Mean")])
    header = ["Method", "steps a video", "what moves", "seconds a frame", "J&F-Mean"]
    return header, rows if used else [*rows, ["RANet, ours", *[NOT_MEASURED] * 4]], used


def _steps(result: Result) -> tuple[int, str]:
    """Of online learning, and which parameters move; offline: none."""
    online = result.online
    return (0, "") if online is None else (online["steps"], online["parameters"])
