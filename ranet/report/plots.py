"""The main plots of a report as PNG files, for papers."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ranet.report.runs import Run, gain, published_results
from ranet.visual.plots import COLOURS, PAPER, Scores, draw_bars, draw_curves
from ranet.wording import count


def write_plots(folder: Path, runs: Sequence[Run], names: Sequence[str]) -> list[Path]:
    """Write ``measures.png``, ``sequences.png``, of several runs ``differences.png``, and curves.

    Raises:
        OutputError: a file cannot be written.
    """
    first, measures = runs[0], list(runs[0].scores.averages)
    files = [folder / "measures.png", folder / "sequences.png"]
    title, bars = measure_bars(runs)
    draw_bars(files[0], measures, bars, title=title, x_label="per cent")
    bars = [
        Scores(run.name, [_percent(run.overall(name)) for name in names], colour)
        for run, colour in zip(runs, COLOURS, strict=False)
    ]
    draw_bars(files[1], names, bars, title="J&F of each sequence", x_label="J&F-Mean (%)")
    if len(runs) > 1:
        files.append(folder / "differences.png")
        bars = [
            Scores(run.name, [_percent(gain(first, run, name)) for name in names], colour)
            for run, colour in zip(runs[1:], COLOURS[1:], strict=False)
        ]
        title = f"J&F of each sequence, compared with {first.name}"
        draw_bars(files[2], names, bars, title=title, x_label="difference (percentage points)")
    return files + [_draw_sequence(folder / "curves" / f"{name}.png", runs, name) for name in names]


def measure_bars(runs: Sequence[Run]) -> tuple[str, list[Scores]]:
    """Title and bars of the measures; they say how many sequences each is of."""
    numbers = [count(run.scores.videos, "sequence") for run in runs]
    title, alike = f"DAVIS-{runs[0].scores.year} {runs[0].set_name}", len(set(numbers)) == 1
    bars = []
    for theirs in published_results(runs):
        values = [_percent(theirs.measures.get(measure)) for measure in runs[0].scores.averages]
        label = f"{theirs.source} ({count(theirs.sequences, 'sequence')})"
        bars.append(Scores(label, values, PAPER))
    for run, colour, number in zip(runs, COLOURS, numbers, strict=False):
        label = run.name if alike else f"{run.name} ({number})"
        bars.append(Scores(label, [_percent(v) for v in run.scores.averages.values()], colour))
    return f"{title}: {numbers[0]}" if alike else title, bars


def _draw_sequence(path: Path, runs: Sequence[Run], name: str) -> Path:
    """J and F over the frames, the mean over the objects."""
    curves, frames = [], ()
    for run, colour in zip(runs, COLOURS, strict=False):
        video = run.scores.videos.get(name)
        if video is None:
            continue
        frames = video.frames
        for measure in ("J", "F"):
            objects = [getattr(one, measure).per_frame for one in video.objects.values()]
            means = [
                None if None in values else _percent(float(np.mean(values)))
                for values in zip(*objects, strict=True)
            ]
            label = f"{measure}, {run.name}" if len(runs) > 1 else measure
            curves.append(Scores(label, means, colour, dashed=measure == "F"))
    draw_curves(path, frames, curves, title=name, y_label="per cent")
    return path


def _percent(fraction: float | None) -> float | None:
    return None if fraction is None else 100 * fraction
