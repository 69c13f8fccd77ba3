"""Accuracy against speed, as the paper's Figure 6 and a curve of Table 6 show it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from ranet.files import atomic_path

_INCHES = (7.0, 4.6)
_DOTS_PER_INCH = 150
_OURS, _PAPERS = "tab:red", "tab:blue"
_MARKER, _OUR_MARKER = 5, 11
"""Their sizes in points."""

_Place = tuple[tuple[float, float], Literal["left", "center", "right"], Literal["bottom", "top"]]
_PLACES: Sequence[_Place] = (
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
"""Where a name may stand: offset from its point in points, and what of it is there."""


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
    """
    figure = Figure(figsize=_INCHES, dpi=_DOTS_PER_INCH, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xscale("log")
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    axes.grid(visible=True, which="major", alpha=0.3)
    drawn = [one for one in series if one.points]
    axes.margins(x=0.15, y=0.1)  # room for the names
    for one in drawn:
        _draw(axes, one)
    _write_names(figure, axes, drawn)
    if drawn:
        axes.legend(loc="best", fontsize="small")
    with atomic_path(path) as temporary:
        FigureCanvasAgg(figure).print_png(temporary)


def _draw(axes: Axes, series: Series) -> None:
    x, y = zip(*series.points, strict=True)
    axes.plot(
        x,
        y,
        marker="*" if series.ours else "o",
        markersize=_OUR_MARKER if series.ours else _MARKER,
        linestyle="-" if series.joined else "none",
        color=_OURS if series.ours else _PAPERS,
        label=series.label,
    )


def _write_names(figure: Figure, axes: Axes, series: Sequence[Series]) -> None:
    """Names beside their points, each where it touches the fewest points and names before it."""
    figure.draw_without_rendering()  # where things are is asked for now
    taken = [_around(axes, point, one.ours) for one in series for point in one.points]
    for one in series:
        for name, point in zip(one.names, one.points, strict=bool(one.names)):
            tried = [_written(axes, name, point, place) for place in _PLACES]
            boxes = [text.get_window_extent() for text in tried]
            best = min(range(len(tried)), key=lambda n: boxes[n].count_overlaps(taken))
            taken.append(boxes[best])
            for text in tried[:best] + tried[best + 1 :]:
                text.remove()


def _written(axes: Axes, name: str, point: tuple[float, float], place: _Place) -> Annotation:
    offset, horizontal, vertical = place
    return axes.annotate(
        name,
        point,
        xytext=offset,
        textcoords="offset points",
        horizontalalignment=horizontal,
        verticalalignment=vertical,
        fontsize="x-small",
    )


def _around(axes: Axes, point: tuple[float, float], ours: bool) -> Bbox:
    """The square that a marker fills, in pixels."""
    x, y = axes.transData.transform(point)
    half = (_OUR_MARKER if ours else _MARKER) / 2
    return Bbox.from_bounds(x, y, 0, 0).padded(half * axes.figure.dpi / 72)
