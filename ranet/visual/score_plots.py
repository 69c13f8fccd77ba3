"""Scores as plots for papers: grouped bars, and curves over the frames of a video."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ranet.files import atomic_path

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#aa4499", "#a67c00", "#56b4e9")
"""Colours of what is compared, in this order; also told apart by those who see fewer colours."""

PAPER = "#8a8a8a"
"""The colour of published numbers."""

_WIDTH = 7.0  # inches
_DOTS_PER_INCH = 200
_BAR = 0.8  # of the space of a group


@dataclass(frozen=True)
class Bars:
    """A number for each name, of one of those compared."""

    label: str  # in the legend
    values: Sequence[float | None]  # None: no bar
    colour: str


@dataclass(frozen=True)
class Curve:
    """A number for each frame."""

    label: str
    values: Sequence[float | None]  # None: a gap
    colour: str
    dashed: bool = False


def draw_bars(
    path: str | Path, names: Sequence[str], bars: Sequence[Bars], *, title: str, x_label: str
) -> None:
    """Write a PNG of horizontal bars, a group for each name, the first at the top.

    Args:
        path: the file.
        names: of the groups.
        bars: at least one; each has a value for each of ``names``.
        title: above.
        x_label: what the values are.

    Raises:
        OutputError: the file cannot be written.
    """
    height = 1.3 + len(names) * (0.12 + 0.16 * len(bars))
    figure, axes = _figure(height, title)
    thickness = _BAR / len(bars)
    for number, one in enumerate(bars):
        centres = np.arange(len(names)) + (number - (len(bars) - 1) / 2) * thickness
        values = [np.nan if value is None else value for value in one.values]
        drawn = axes.barh(
            centres, values, 0.9 * thickness, color=one.colour, label=_plain(one.label)
        )
        axes.bar_label(
            drawn, ["" if np.isnan(v) else f" {v:.1f} " for v in values], fontsize="x-small"
        )
    axes.set_yticks(range(len(names)), [_plain(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel(x_label)
    axes.margins(x=0.12)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.grid(visible=True, axis="x", alpha=0.3)
    _finish(figure, axes, path)


def draw_curves(
    path: str | Path, frames: Sequence[str], curves: Sequence[Curve], *, title: str, y_label: str
) -> None:
    """Write a PNG of percentages over the frames of a video.

    Args:
        path: the file.
        frames: their names.
        curves: each has a value, 0 to 100, for each frame.
        title: above.
        y_label: what the values are.

    Raises:
        OutputError: the file cannot be written.
    """
    figure, axes = _figure(3.0, title)
    for curve in curves:
        values = [np.nan if value is None else value for value in curve.values]
        style = "--" if curve.dashed else "-"
        axes.plot(values, style, color=curve.colour, label=_plain(curve.label), linewidth=1.5)
    shown = range(0, len(frames), max(1, len(frames) // 8))
    axes.set_xticks(shown, [_plain(frames[index]) for index in shown])
    axes.set_xlim(0, max(len(frames) - 1, 1))
    axes.set_ylim(0, 102)
    axes.set(xlabel="frame", ylabel=y_label)
    axes.grid(visible=True, alpha=0.3)
    _finish(figure, axes, path)


def _figure(height: float, title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH, height), dpi=_DOTS_PER_INCH, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(_plain(title), fontsize="medium")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)  # the grid, under what is drawn
    return figure, axes


def _plain(name: str) -> str:
    """A name as it is: no formula between dollars, and shown though it begins with ``_``."""
    name = name.replace("$", r"\$")
    return f"\u200b{name}" if name.startswith("_") else name


def _finish(figure: Figure, axes: Axes, path: str | Path) -> None:
    """Legend below the axes, where it hides nothing; then the file."""
    handles, labels = axes.get_legend_handles_labels()
    columns = min(len(labels), 4)
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize="small")
    with atomic_path(path) as temporary:
        FigureCanvasAgg(figure).print_png(temporary)
