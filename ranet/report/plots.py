"""The main plots of a report as PNG files, for papers."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ranet.metrics import VideoResult
from ranet.report.runs import Run, gain, papers
from ranet.visual.plots import COLOURS, PAPER, Scores, draw_bars, draw_curves
from ranet.wording import count


def write_plots(folder: Path, runs: Sequence[Run], names: Sequence[str]) -> list[Path]:
    """Write the plots into a folder; returns their files.

    Raises:
        OutputError: a file cannot be written.
    """
    files = [_measures(folder, runs), _sequences(folder, runs, names)]
    if len(runs) > 1:
        files.append(_differences(folder, runs, names))
    return files + [_curves(folder, runs, name) for name in names]


def _measures(folder: Path, runs: Sequence[Run]) -> Path:
    """The seven numbers beside the paper's."""
    path, measures = folder / "measures.png", list(runs[0].scores.averages)
    title, bars = measures_bars(runs, measures)
    draw_bars(path, measures, bars, title=title, x_label="per cent")
    return path


def measures_bars(runs: Sequence[Run], measures: Sequence[str]) -> tuple[str, list[Scores]]:
    """Title and bars of a plot of these measures; they say how many sequences each is of."""
    numbers = [count(run.scores.videos, "sequence") for run in runs]
    title = f"DAVIS-{runs[0].scores.year} {runs[0].set_name}"
    alike = len(set(numbers)) == 1
    bars = [
        Scores(
            f"{name} ({count(theirs.sequences, 'sequence')})",
            [_percent(theirs.measures.get(measure)) for measure in measures],
            PAPER,
        )
        for name, theirs in papers(runs).items()
    ]
    for run, colour, number in zip(runs, COLOURS, numbers, strict=False):
        label = run.name if alike else f"{run.name} ({number})"
        bars.append(Scores(label, [_percent(run.scores.averages[m]) for m in measures], colour))
    return f"{title}: {numbers[0]}" if alike else title, bars


def _sequences(folder: Path, runs: Sequence[Run], names: Sequence[str]) -> Path:
    path = folder / "sequences.png"
    bars = [
        Scores(run.name, [_percent(run.overall(name)) for name in names], colour)
        for run, colour in zip(runs, COLOURS, strict=False)
    ]
    draw_bars(path, names, bars, title="J&F of each sequence", x_label="J&F-Mean (%)")
    return path


def _differences(folder: Path, runs: Sequence[Run], names: Sequence[str]) -> Path:
    """What each of the other runs gains on the first."""
    path, first = folder / "differences.png", runs[0]
    bars = [
        Scores(run.name, [_percent(gain(first, run, name)) for name in names], colour)
        for run, colour in zip(runs[1:], COLOURS[1:], strict=False)
    ]
    title = f"J&F of each sequence, compared with {first.name}"
    draw_bars(path, names, bars, title=title, x_label="difference (percentage points)")
    return path


def _curves(folder: Path, runs: Sequence[Run], name: str) -> Path:
    path, curves, frames = folder / "curves" / f"{name}.png", [], ()
    for run, colour in zip(runs, COLOURS, strict=False):
        video = run.scores.videos.get(name)
        if video is None:
            continue
        frames = video.frames
        for measure in ("J", "F"):
            label = f"{measure}, {run.name}" if len(runs) > 1 else measure
            values = _over_time(video, measure)
            curves.append(Scores(label, values, colour, dashed=measure == "F"))
    draw_curves(path, frames, curves, title=name, y_label="per cent")
    return path


def _over_time(video: VideoResult, measure: str) -> list[float | None]:
    """A measure of each frame, the mean over the objects."""
    objects = [getattr(one, measure).per_frame for one in video.objects.values()]
    frames = zip(*objects, strict=True)
    return [None if None in values else _percent(float(np.mean(values))) for values in frames]


def _percent(fraction: float | None) -> float | None:
    return None if fraction is None else 100 * fraction
