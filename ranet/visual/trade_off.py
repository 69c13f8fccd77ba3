"""Accuracy against speed, as the paper's Figure 6 and a curve of Table 6 show it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ranet.files import atomic_path

_INCHES = (7.0, 4.6)
_DOTS_PER_INCH = 150
_OURS, _PAPERS = "tab:red", "tab:blue"


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
    axes.autoscale_view()  # where the points are is asked for now
    _write_names(axes, drawn)
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
        markersize=11 if series.ours else 5,
        linestyle="-" if series.joined else "none",
        color=_OURS if series.ours else _PAPERS,
        label=series.label,
    )


def _write_names(axes: Axes, series: Sequence[Series]) -> None:
    """Names beside their points, on the side where there is more room."""
    points = [point for one in series for point in one.points]
    for one in series:
        for name, point in zip(one.names, one.points, strict=bool(one.names)):
            on_the_left = _nearest(axes, point, points) > point[0]
            axes.annotate(
                name,
                point,
                xytext=(-5 if on_the_left else 5, 2),
                textcoords="offset points",
                horizontalalignment="right" if on_the_left else "left",
                fontsize="x-small",
            )


def _nearest(
    axes: Axes, point: tuple[float, float], points: Sequence[tuple[float, float]]
) -> float:
    """The x of the point that is drawn nearest to ``point``; its own if there is no other."""
    x, y = axes.transData.transform(point)

    def distance(other: tuple[float, float]) -> float:
        other_x, other_y = axes.transData.transform(other)
        return float((other_x - x) ** 2 + (other_y - y) ** 2)

    return min((p for p in points if p != point), key=distance, default=point)[0]
