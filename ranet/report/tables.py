"""The parts of a report that need no script: numbers, bars, differences, times, configuration."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ranet.report.markup import Markup, element, joined, table
from ranet.report.runs import Run, gain, papers
from ranet.wording import count

_MISSING = "–"
_TIE = 0.0005  # J&F; less is not told apart by a table in per cent with one decimal

_TIMES = {
    "step_ms": "ms a frame, network step",
    "online_ms": "ms a frame, online learning",
    "frame_ms": "ms a frame, both",
    "end_to_end_ms": "ms a frame, end to end",
}
_OF_ONLINE_LEARNING = ("online_ms", "frame_ms")


def measures_table(runs: Sequence[Run]) -> Markup:
    """The seven numbers and the time, beside the paper's."""
    published = papers(runs)
    header = ["", *published, *(run.name for run in runs)]
    rows = [
        _row(
            measure,
            *(_percent(theirs.measures.get(measure)) for theirs in published.values()),
            *(_percent(run.scores.averages[measure]) for run in runs),
        )
        for measure in runs[0].scores.averages
    ]
    times = [_milliseconds(run.times.get("frame_ms")) for run in runs]
    theirs = [_milliseconds(theirs.ms) for theirs in published.values()]
    rows.append(_row("ms a frame", *theirs, *times))
    return table("Measures in per cent", header, rows, class_="numbers")


def caveats(runs: Sequence[Run]) -> list[str]:
    """What to know before numbers are compared."""
    notes = [
        note
        for run in runs
        if run.published
        for note in run.published.caveats(len(run.scores.videos))
    ]
    for run in runs[1:]:
        if run.scores.videos.keys() != runs[0].scores.videos.keys():
            notes.append(
                f"{runs[0].name} and {run.name} were scored on different sequences: their averages "
                "cannot be compared, only the sequences that both have."
            )
    unscored = [name for run in runs for name in run.scores.videos if not run.sequence_scores(name)]
    notes += [f"{name} has no frame that counts, and is left out." for name in unscored]
    return list(dict.fromkeys(notes))


def sequences_table(runs: Sequence[Run], names: Sequence[str]) -> Markup:
    """A bar of J&F for each sequence and run."""
    header = ["Sequence", *(["Run"] if len(runs) > 1 else []), "J&F", "", "J", "F", "ms a frame"]
    rows = []
    for place, name in enumerate(names):
        link = element("a", name, href=f"#sequence-{place}")
        title = element("th", link, scope="rowgroup", rowspan=len(runs))
        for index, run in enumerate(runs):
            label = [_run_name(index, run)] if len(runs) > 1 else []
            cells = [*label, *_sequence_cells(index, run, name)]
            rows.append(element("tr", *([title] if index == 0 else []), *map(_cell, cells)))
    return table("By J&F, in per cent", header, rows, class_="bars")


def differences_table(runs: Sequence[Run], names: Sequence[str]) -> Markup:
    """What the other runs gain on the first, the largest gain of the second on top."""
    first, others = runs[0], runs[1:]
    gains = {name: [gain(first, run, name) for run in others] for name in names}
    largest = max((abs(g) for row in gains.values() for g in row if g is not None), default=0.0)
    ordered = sorted(
        names, key=lambda n: -2.0 if gains[n][0] is None else gains[n][0], reverse=True
    )
    header = ["Sequence", *(run.name for run in runs)]
    header += [part for run in others for part in ("", f"{run.name} − {first.name}")] + ["Best"]
    rows = []
    for name in ordered:
        scores = [_percent(run.overall(name)) for run in runs]
        bars = [
            part
            for index, one in enumerate(gains[name], start=1)
            for part in (_gain_bar(one, largest, index), _signed(one))
        ]
        link = element("a", name, href=f"#sequence-{names.index(name)}")
        rows.append(_row(link, *scores, *bars, _best(runs, name)))
    return table("J&F of each sequence, and differences", header, rows, class_="differences")


def wins(runs: Sequence[Run], names: Sequence[str]) -> str:
    """In how many sequences each run is best."""
    best = [winners(runs, name) for name in names if all(r.overall(name) is not None for r in runs)]
    counts = [f"{run.name} wins {sum(one == [run] for one in best)}" for run in runs]
    ties = sum(len(one) > 1 for one in best)
    return f"Of {count(best, 'sequence')} {', '.join(counts)}; ties: {ties}."


def winners(runs: Sequence[Run], name: str) -> list[Run]:
    """The runs with the best J&F of a sequence; several where they are the same."""
    scores = [(score, run) for run in runs if (score := run.overall(name)) is not None]
    best = max(score for score, _ in scores)
    return [run for score, run in scores if best - score < _TIE]


def times_table(runs: Sequence[Run]) -> Markup:
    """How long a frame takes, and on what."""
    online = any(run.times.get("online_ms") for run in runs)
    rows = [
        _row(title, *(_milliseconds(run.times.get(key)) for run in runs))
        for key, title in _TIMES.items()
        if online or key not in _OF_ONLINE_LEARNING
    ]
    at_once = [run.times.get("videos_at_once") for run in runs]
    if set(at_once) - {None, 1}:
        rows.append(_row("videos at once", *map(_mean, at_once)))
    rows.append(_row("timed frames", *(_text(run.times.get("timed_steps")) for run in runs)))
    rows.append(_row("device", *(_text(run.facts.get("device")) for run in runs)))
    rows.append(_row("peak memory", *(_memory(run) for run in runs)))
    return table(
        "Milliseconds a frame, and memory",
        ["", *(run.name for run in runs)],
        rows,
        class_="numbers",
    )


def facts_table(runs: Sequence[Run]) -> Markup:
    """Configuration, revision and whatever else is known; what differs is marked."""
    facts = [{"folder": str(r.folder), "masks": str(r.masks), **dict(_flat(r.facts))} for r in runs]
    rows = []
    for key in dict.fromkeys(key for one in facts for key in one):
        values = [one.get(key, _MISSING) for one in facts]
        same = len(set(values)) == 1
        title = key if same else joined(key, " ", element("strong", "≠", title="differs"))
        cells = [element("th", title, scope="row"), *map(_cell, values)]
        rows.append(element("tr", *cells, class_=None if same else "differs"))
    header = ["", *(run.name for run in runs)]
    caption = "As the results tell" + ("; ≠ where they differ" if len(runs) > 1 else "")
    return table(caption, header, rows, class_="facts")


def _sequence_cells(index: int, run: Run, name: str) -> list[str]:
    scores = run.sequence_scores(name)
    if scores is None:
        return [_MISSING, "", _MISSING, _MISSING, _MISSING]
    times = run.sequence_times.get(name, {})
    numbers = [_percent(scores[measure]) for measure in ("J-Mean", "F-Mean")]
    bar = _bar(index, 0.0, scores["J&F-Mean"])
    return [_percent(scores["J&F-Mean"]), bar, *numbers, _milliseconds(times.get("frame_ms"))]


def _bar(index: int, begin: float, end: float) -> Markup:
    """A bar from one share of the room to another, in the colour of a run."""
    style = (
        f"left:{100 * begin:.2f}%;width:{100 * (end - begin):.2f}%;background:var(--run-{index})"
    )
    return element("span", element("span", style=style), class_="track", aria_hidden="true")


def _gain_bar(difference: float | None, largest: float, index: int) -> str:
    """To the right in the colour of the run that gains, to the left in that of the first."""
    if not difference:
        return _MISSING if difference is None else ""
    length = 0.5 * abs(difference) / largest
    return _bar(index, 0.5, 0.5 + length) if difference > 0 else _bar(0, 0.5 - length, 0.5)


def _best(runs: Sequence[Run], name: str) -> str:
    best = winners(runs, name)
    return _run_name(runs.index(best[0]), best[0]) if len(best) == 1 else "tie"


def _run_name(index: int, run: Run) -> Markup:
    mark = element(
        "span", class_="mark", style=f"background:var(--run-{index})", aria_hidden="true"
    )
    return joined(mark, run.name)


def _memory(run: Run) -> str:
    memory = run.facts.get("memory")
    return f"{memory['peak_bytes'] / 2**20:.0f} MiB, {memory['counted']}" if memory else _MISSING


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Dotted names and values as text."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _flat(one, f"{name}.{key}".lstrip("."))
    elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        for index, one in enumerate(value):
            yield from _flat(one, f"{name}[{index}]")
    else:
        yield name, _text(value)


def _row(title: str, *cells: str) -> Markup:
    return element("tr", element("th", title, scope="row"), *map(_cell, cells))


def _cell(content: str) -> Markup:
    return element("td", content)


def _percent(fraction: float | None) -> str:
    return _MISSING if fraction is None else f"{100 * fraction:.1f}"


def _signed(fraction: float | None) -> str:
    return _MISSING if fraction is None else f"{100 * fraction:+.1f}"


def _milliseconds(value: float | None) -> str:
    """Nothing, where no network ran: the time of copying is exactly 0."""
    return f"{value:.1f}" if value else _MISSING


def _mean(value: float | None) -> str:
    """An average of whole numbers."""
    return _MISSING if value is None else f"{value:.1f}".removesuffix(".0")


def _text(value: Any) -> str:
    if value is None or value == []:
        return _MISSING
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
