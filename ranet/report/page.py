"""Results in, one page and its plots out: :func:`write_report`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ranet.files import check_outside, make_folder, write_text
from ranet.metrics import VideoResult
from ranet.report import DEFAULT_PICTURES, Pictures
from ranet.report.pictures import BadFrame, Picture, pictures_of, worst_frames
from ranet.report.plots import write_plots
from ranet.report.runs import Run, gain, published_results, read_runs, sequences_of
from ranet.visual.plots import COLOURS, NEEDS_MATPLOTLIB, has_matplotlib
from ranet.wording import count

_ON_DARK = ("#4aa8e8", "#ff8a3d", "#2cc79a", "#e07bd0", "#e0b93a", "#9fd3ff")
"""The colours of the runs on a dark page, as many as `COLOURS`."""

_MISSING = "–"
_TIE = 0.0005  # J&F; less is not told apart by a table in per cent with one decimal


@dataclass(frozen=True)
class Written:
    """What was written."""

    page: Path
    plots: tuple[Path, ...]
    """Empty where matplotlib is not installed."""
    shown: int
    """How many frames can be looked at."""
    frames: int
    """How many there are."""

    @property
    def bytes(self) -> int:
        """Size of the page."""
        return self.page.stat().st_size

    def __str__(self) -> str:
        plots = f"no plots. {NEEDS_MATPLOTLIB}"
        if self.plots:
            plots = f"{count(self.plots, 'plot')} in {self.plots[0].parent}"
        return (
            f"{self.page}: {self.bytes / 1e6:.3g} MB, pictures of {self.shown} of "
            f"{count(self.frames, 'frame')}; {plots}"
        )


def write_report(
    folders: Sequence[str | Path],
    out: str | Path,
    *,
    names: Sequence[str] | None = None,
    pictures: Pictures | None = DEFAULT_PICTURES,
) -> Written:
    """Write ``report.html``, which needs no other file and no network, and plots as PNG.

    Args:
        folders: of results, as ``scripts/eval_davis.py`` or ``scripts/evaluate.py`` wrote them;
            several are compared, the first being what the others are measured against.
        out: the folder for ``report.html`` and ``plots/``; files of the same names are replaced.
        names: what to call the results; None: like their folders.
        pictures: which pictures there are; None: none, but all numbers and curves.

    Raises:
        DataError: results, images or masks are missing, or results cannot be compared.
        ConfigError: too many folders, or names that do not tell them apart.
        OutputError: something cannot be written, or ``out`` lies among the annotations.
    """
    runs = read_runs([Path(folder) for folder in folders], names)
    check_outside(out, [run.scores.annotations for run in runs])
    sequences = sequences_of(runs)
    worst = worst_frames(runs, pictures.worst) if pictures else []
    kept = pictures_of(runs, sequences, worst, pictures) if pictures else None
    out = make_folder(out)
    plots = write_plots(out / "plots", runs, sequences) if has_matplotlib() else []
    path = out / "report.html"
    write_text(path, _page(runs, sequences, worst, kept))
    frames = {name: len(v.frames) for run in runs for name, v in run.scores.videos.items()}
    return Written(
        path,
        tuple(plots),
        shown=sum(map(len, kept.values())) if kept else 0,
        frames=sum(frames.values()),
    )


def _page(
    runs: Sequence[Run],
    names: Sequence[str],
    worst: Sequence[BadFrame],
    pictures: dict[str, list[Picture]] | None,
) -> str:
    """The page; the worst frames are among the pictures, with contours."""
    environment = Environment(
        loader=PackageLoader("ranet.report"),
        autoescape=True,  # names of files and sequences are text, whatever stands in them
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    environment.filters |= {
        "counted": count,
        "percent": _percent,
        "signed": _signed,
        "ms": _milliseconds,
    }
    parts = {
        "numbers": "Numbers",
        "comparison": "Who wins where",
        "sequences": "Sequences",
        "worst-frames": "Worst frames",
        "over-time": "Over time",
        "time": "Time",
        "configuration": "Configuration and revision",
    }
    if len(runs) == 1:
        del parts["comparison"]
    if pictures is None:
        del parts["worst-frames"]
    gains = {name: [gain(runs[0], run, name) for run in runs[1:]] for name in names}
    return environment.get_template("report.html").render(
        file=lambda name: Markup(environment.loader.get_source(environment, name)[0]),
        light_colours=COLOURS,
        dark_colours=_ON_DARK,
        parts=parts,
        runs=runs,
        names=names,
        revisions=dict.fromkeys(run.facts.get("revision", "unknown") for run in runs),
        published=published_results(runs),
        notes=_notes(runs),
        wins=_wins(runs, names),
        gains=dict(sorted(gains.items(), key=_gain_of_the_second, reverse=True)),
        largest_gain=max((abs(g) for row in gains.values() for g in row if g), default=1.0),
        winners={name: _winners(runs, name) for name in names},
        times=_times(runs),
        facts=_facts(runs),
        data={
            "runs": [run.name for run in runs],
            "sequences": [_sequence(runs, n, pictures[n] if pictures else []) for n in names],
            "worst": [_bad_frame(bad, names, pictures[bad.sequence]) for bad in worst],
        },
    )


def _notes(runs: Sequence[Run]) -> list[str]:
    """What to know before numbers are compared."""
    notes = []
    for run in runs:
        notes += run.published.caveats(len(run.scores.videos)) if run.published else []
    notes += [
        f"{runs[0].name} and {run.name} were scored on different sequences: their averages "
        "cannot be compared, only the sequences that both have."
        for run in runs[1:]
        if run.scores.videos.keys() != runs[0].scores.videos.keys()
    ]
    unscored = [name for run in runs for name in run.scores.videos if run.overall(name) is None]
    notes += [f"{name} has no frame that counts, and is left out." for name in unscored]
    return list(dict.fromkeys(notes))


def _wins(runs: Sequence[Run], names: Sequence[str]) -> str:
    """In how many sequences each run is best."""
    common = [name for name in names if all(run.overall(name) is not None for run in runs)]
    best = [_winners(runs, name) for name in common]
    counts = [f"{run.name} wins {best.count([index])}" for index, run in enumerate(runs)]
    ties = sum(len(winners) > 1 for winners in best)
    return f"Of {count(best, 'sequence')} {', '.join(counts)}; ties: {ties}."


def _winners(runs: Sequence[Run], name: str) -> list[int]:
    """Which runs have the best J&F of a sequence; several where they are the same."""
    scores = {index: run.overall(name) for index, run in enumerate(runs)}
    scores = {index: score for index, score in scores.items() if score is not None}
    return [index for index, score in scores.items() if max(scores.values()) - score < _TIE]


def _gain_of_the_second(row: tuple[str, Sequence[float | None]]) -> float:
    """By which sequences are sorted; those that one of the runs lacks come last."""
    gains = row[1]
    return -2.0 if not gains or gains[0] is None else gains[0]


def _times(runs: Sequence[Run]) -> dict[str, list[str]]:
    """How long a frame takes, and on what: a row for each title."""

    def milliseconds(key: str) -> list[str]:
        return [_milliseconds(run.times.get(key)) for run in runs]

    rows = {"ms a frame, network step": milliseconds("step_ms")}
    if any(run.times.get("online_ms") for run in runs):
        rows["ms a frame, online learning"] = milliseconds("online_ms")
        rows["ms a frame, both"] = milliseconds("frame_ms")
    rows["ms a frame, end to end"] = milliseconds("end_to_end_ms")
    at_once = [run.times.get("videos_at_once") for run in runs]
    if set(at_once) - {None, 1}:
        rows["videos at once"] = [_MISSING if n is None else f"{n:.3g}" for n in at_once]
    rows["timed frames"] = [_text(run.times.get("timed_steps")) for run in runs]
    rows["device"] = [_text(run.facts.get("device")) for run in runs]
    memories = [run.facts.get("memory") for run in runs]
    rows["peak memory"] = [
        f"{one['peak_bytes'] / 2**20:.0f} MiB, {one['counted']}" if one else _MISSING
        for one in memories
    ]
    return rows


def _facts(runs: Sequence[Run]) -> dict[str, list[str]]:
    """Configuration, revision and whatever else is known, of each run: dotted names, values."""
    facts = [
        {"folder": str(run.folder), "masks": str(run.masks), **dict(_flat(run.facts))}
        for run in runs
    ]
    keys = dict.fromkeys(key for one in facts for key in one)
    return {key: [one.get(key, _MISSING) for one in facts] for key in keys}


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _flat(one, f"{name}.{key}".lstrip("."))
    elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        for index, one in enumerate(value):
            yield from _flat(one, f"{name}[{index}]")
    else:
        yield name, _text(value)


# --- for the scripts of the page


def _sequence(runs: Sequence[Run], name: str, pictures: Sequence[Picture]) -> dict[str, Any]:
    videos = [run.scores.videos.get(name) for run in runs]
    video = next(video for video in videos if video)
    return {
        "name": name,
        "frames": video.frames,
        "objects": [str(label) for label in video.objects],
        "overall": [run.overall(name) for run in runs],
        "scores": [_scores(run, video, name) for run, video in zip(runs, videos, strict=True)],
        "pictures": [{"frame": p.frame, "image": p.image, "layers": p.layers} for p in pictures],
    }


def _scores(run: Run, video: VideoResult | None, name: str) -> dict[str, Any] | None:
    if video is None:
        return None
    objects = video.objects.values()
    steps = run.step_ms.get(name, ())
    # Of videos of which only some frames are annotated, the steps cannot be told apart here.
    timed = len(steps) == len(video.frames) - 1 and any(steps)  # copying takes no step
    return {
        "J": [[_rounded(value) for value in one.J.per_frame] for one in objects],
        "F": [[_rounded(value) for value in one.F.per_frame] for one in objects],
        "ms": [None, *map(_rounded, steps)] if timed else None,
    }


def _bad_frame(bad: BadFrame, names: Sequence[str], pictures: Sequence[Picture]) -> dict[str, Any]:
    return {
        "sequence": names.index(bad.sequence),
        "frame": bad.frame,
        "score": _rounded(bad.score),
        "contours": next(p.contours for p in pictures if p.frame == bad.frame),
    }


# --- numbers and texts


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _percent(fraction: float | None) -> str:
    return _MISSING if fraction is None else f"{100 * fraction:.1f}"


def _signed(fraction: float | None) -> str:
    return _MISSING if fraction is None else f"{100 * fraction:+.1f}"


def _milliseconds(value: float | None) -> str:
    """Nothing, where no network ran: the time of copying is exactly 0."""
    return f"{value:.1f}" if value else _MISSING


def _text(value: Any) -> str:
    if value is None or value == []:
        return _MISSING
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
