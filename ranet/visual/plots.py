"""Plots as PNG files: bars, curves over frames, accuracy against speed.

matplotlib, the optional extra ``ranet[plots]``, is loaded when a figure is drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ranet.errors import RANetError
from ranet.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#aa4499", "#a67c00", "#56b4e9")
"""Colours of what is compared, in this order; also told apart by those who see fewer colours."""

PAPER = "#8a8a8a"
"""The colour of published numbers."""

NEEDS_MATPLOTLIB = "Figures need matplotlib: install it with `pip install -e '.[plots]'`."

_INCHES = 7.0  # wide
_MARKER, _OUR_MARKER = 5, 11  # points

# Where a name may stand beside its point: offset in points, horizontal and vertical alignment.
_PLACES = (
    ((5, -1), "left", "bottom"),
    ((-5, -1), "right", "bottom"),
    ((5, 1), "left", "top"),
    ((-5, 1), "right", "top"),
    ((0, 5), "center", "bottom"),
    ((0, -5), "center", "top"),
    ((10, 9), "left", "bottom"),
    ((-10, 9), "right", "bottom"),
    ((10, -9), "left", "top"),
    ((-10, -9), "right", "top"),
)


@dataclass(frozen=True)
class Scores:
    """A number for each name or frame, of one of those compared."""

    label: str  # in the legend
    values: Sequence[float | None]  # None: no bar, a gap in the curve
    colour: str
    dashed: bool = False  # of a curve


@dataclass(frozen=True)
class Series:
    """Points that belong together.

    Attributes:
        label: in the legend.
        points: (speed or time, above zero; accuracy in per cent).
        names: what to write beside each point; empty: nothing.
        ours: measured here; otherwise published.
        joined: by a line, in the order given.
    """

    label: str
    points: Sequence[tuple[float, float]]
    names: Sequence[str] = ()
    ours: bool = False
    joined: bool = False


def has_matplotlib() -> bool:
    """Whether figures can be drawn here."""
    return find_spec("matplotlib") is not None


def check_matplotlib() -> None:
    """Raise RANetError unless figures can be drawn here: for commands that draw at their end."""
    if not has_matplotlib():
        raise RANetError(NEEDS_MATPLOTLIB)


def new_figure(width: float, height: float, dots_per_inch: int) -> "Figure":
    """An empty figure of that size in inches, drawn without any display.

    Raises:
        RANetError: matplotlib is not installed.
    """
    check_matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=dots_per_inch, layout="constrained")


def draw_bars(
    path: str | Path, names: Sequence[str], bars: Sequence[Scores], *, title: str, x_label: str
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
    figure, axes = _score_figure(1.3 + len(names) * (0.12 + 0.16 * len(bars)), title)
    thickness = 0.8 / len(bars)  # of the space of a group
    for number, one in enumerate(bars):
        centres = np.arange(len(names)) + (number - (len(bars) - 1) / 2) * thickness
        values, label = _with_gaps(one.values), _plain(one.label)
        drawn = axes.barh(centres, values, 0.9 * thickness, color=one.colour, label=label)
        texts = ["" if np.isnan(value) else f" {value:.1f} " for value in values]
        axes.bar_label(drawn, texts, fontsize="x-small")
    axes.set_yticks(range(len(names)), [_plain(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel(x_label)
    axes.margins(x=0.12)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.grid(visible=True, axis="x", alpha=0.3)
    _write_with_legend(figure, axes, path)


def draw_curves(
    path: str | Path, frames: Sequence[str], curves: Sequence[Scores], *, title: str, y_label: str
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
    figure, axes = _score_figure(3.0, title)
    for curve in curves:
        values, style = _with_gaps(curve.values), "--" if curve.dashed else "-"
        axes.plot(values, style, color=curve.colour, label=_plain(curve.label), linewidth=1.5)
    shown = range(0, len(frames), max(1, len(frames) // 8))
    axes.set_xticks(shown, [_plain(frames[index]) for index in shown])
    axes.set_xlim(0, max(len(frames) - 1, 1))
    axes.set_ylim(0, 102)
    axes.set(xlabel="frame", ylabel=y_label)
    axes.grid(visible=True, alpha=0.3)
    _write_with_legend(figure, axes, path)


def draw_trade_off(
    path: str | Path, series: Sequence[Series], *, title: str, x_label: str, y_label: str
) -> None:
    """Write a PNG of accuracy (linear) against speed or time (logarithmic).

    Args:
        path: the file.
        series: drawn in this order; those without points are left out.
        title: above.
        x_label: of the speed or time.
        y_label: of the accuracy.

    Raises:
        OutputError: the file cannot be written.
        ValueError: a series has names, but not one for each point.
    """
    figure = new_figure(_INCHES, 4.6, dots_per_inch=150)
    axes = figure.add_subplot()
    axes.set_xscale("log")
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.margins(x=0.15, y=0.1)  # room for the names
    drawn = [one for one in series if one.points]
    for one in drawn:
        axes.plot(
            *zip(*one.points, strict=True),
            marker="*" if one.ours else "o",
            markersize=_OUR_MARKER if one.ours else _MARKER,
            linestyle="-" if one.joined else "none",
            color="tab:red" if one.ours else "tab:blue",
            label=one.label,
        )
    _write_names(figure, axes, drawn)
    if drawn:
        axes.legend(loc="best", fontsize="small")
    _write(figure, path)


def _write_names(figure: "Figure", axes: "Axes", series: Sequence[Series]) -> list["Annotation"]:
    """Names beside their points, each where it touches the fewest points and names before it."""
    from matplotlib.transforms import Bbox

    figure.draw_without_rendering()  # where things are is asked for now
    taken = []
    for one in series:
        half = (_OUR_MARKER if one.ours else _MARKER) / 2 * figure.dpi / 72
        places = axes.transData.transform(one.points)
        taken += [Bbox.from_bounds(x, y, 0, 0).padded(half) for x, y in places]
    written = []
    for one in series:
        for name, point in zip(one.names, one.points, strict=bool(one.names)):
            tried = [
                axes.annotate(
                    name,
                    point,
                    xytext=offset,
                    textcoords="offset points",
                    horizontalalignment=horizontal,
                    verticalalignment=vertical,
                    fontsize="x-small",
                )
                for offset, horizontal, vertical in _PLACES
            ]
            boxes = [text.get_window_extent() for text in tried]
            best = min(range(len(tried)), key=lambda n: boxes[n].count_overlaps(taken))
            taken.append(boxes[best])
            written.append(tried.pop(best))
            for text in tried:
                text.remove()
    return written


def _score_figure(height: float, title: str) -> tuple["Figure", "Axes"]:
    figure = new_figure(_INCHES, height, dots_per_inch=200)
    axes = figure.add_subplot()
    axes.set_title(_plain(title), fontsize="medium")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)  # the grid, under what is drawn
    return figure, axes


def _with_gaps(values: Sequence[float | None]) -> list[float]:
    return [np.nan if value is None else value for value in values]


def _plain(name: str) -> str:
    """A name as it is: no formula between dollars, and shown though it begins with ``_``."""
    name = name.replace("$", r"\$")
    return f"\u200b{name}" if name.startswith("_") else name


def _write_with_legend(figure: "Figure", axes: "Axes", path: str | Path) -> None:
    """The legend goes below the axes, where it hides nothing."""
    handles, labels = axes.get_legend_handles_labels()
    columns = min(len(labels), 4)
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize="small")
    _write(figure, path)


def _write(figure: "Figure", path: str | Path) -> None:
    with atomic_path(path) as temporary:
        figure.savefig(temporary)
