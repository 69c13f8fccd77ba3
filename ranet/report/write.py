"""Results in, one page and its plots out: :func:`write_report`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ranet.files import check_outside, make_folder, write_text
from ranet.report.choices import USUAL, Pictures
from ranet.report.page import page
from ranet.report.pictures import Picture, find_files
from ranet.report.plots import write_plots
from ranet.report.runs import Run, read_runs, sequences_of
from ranet.report.worst import BadFrame, worst_frames
from ranet.wording import count


@dataclass(frozen=True)
class Written:
    """What was written."""

    page: Path
    plots: tuple[Path, ...]
    bytes: int
    """Size of the page."""
    shown: int
    """How many frames can be looked at."""
    frames: int
    """How many there are."""

    def __str__(self) -> str:
        return (
            f"{self.page}: {self.bytes / 1e6:.3g} MB, pictures of {self.shown} of "
            f"{count(self.frames, 'frame')}; {count(self.plots, 'plot')} in {self.plots[0].parent}"
        )


def write_report(
    folders: Sequence[str | Path],
    out: str | Path,
    *,
    names: Sequence[str] | None = None,
    pictures: Pictures | None = USUAL,
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
    kept = _pictures(runs, sequences, worst, pictures) if pictures else None
    out = make_folder(out)
    plots = write_plots(out / "plots", runs, sequences)
    path = out / "report.html"
    write_text(path, page(runs, sequences, worst, kept))
    frames = {name: len(v.frames) for run in runs for name, v in run.scores.videos.items()}
    return Written(
        path,
        tuple(plots),
        bytes=path.stat().st_size,
        shown=sum(map(len, kept.values())) if kept else 0,
        frames=sum(frames.values()),
    )


def _pictures(
    runs: Sequence[Run], names: Sequence[str], worst: Sequence[BadFrame], pictures: Pictures
) -> dict[str, list[Picture]]:
    files = find_files(runs, names, pictures)
    kept = {}
    for name in names:
        bad = {one.frame for one in worst if one.sequence == name}
        frames = sorted(bad.union(files[name].chosen(pictures.every)))
        kept[name] = [files[name].picture(f, pictures, contours=f in bad) for f in frames]
    return kept
