"""Single panels of the figures that explain a frame: a picture, a map, a grid of scores."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from ranet.palette import PALETTE
from ranet.visual.explanation import Explanation, Pixel, Region, View
from ranet.visual.overlay import overlay

_DOTS_PER_INCH = 130
_ON_OBJECT, _BESIDE = "#ff5a36", "#1fa0ff"
_BOX_COLOUR = "#ffd23f"
_OUTSIDE_REGION = "0.88"


def titled_figure(width: float, height: float, title: str) -> Figure:
    """An empty figure of that size in inches."""
    figure = Figure(figsize=(width, height), dpi=_DOTS_PER_INCH, layout="constrained")
    figure.suptitle(title, fontsize="large", fontweight="bold")
    return figure


def aspect(image: np.ndarray) -> float:
    """Height over width."""
    height, width = image.shape[:2]
    return float(height / width)


def show(
    axes: Axes,
    picture: np.ndarray,
    title: str,
    *,
    size: Sequence[int] | None = None,
    limits: tuple[float | None, float | None] = (None, None),
    colours: str = "viridis",
    interpolation: str = "antialiased",
) -> AxesImage:
    """A picture or a map, as large as ``size`` (height, width; None: its own)."""
    height, width = (size or picture.shape)[:2]
    image = axes.imshow(
        picture,
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
        interpolation=interpolation,
        extent=(0, width, height, 0),
    )
    axes.set_title(title, fontsize="small")
    axes.set(xticks=[], yticks=[])
    return image


def show_frame(axes: Axes, view: View, labels: np.ndarray, title: str) -> None:
    """A whole frame with objects on it, and the box that the network saw."""
    show(axes, overlay(view.frame, labels), title)
    box = view.box
    axes.add_patch(
        Rectangle(
            (box.left, box.top),
            box.right - box.left,
            box.bottom - box.top,
            fill=False,
            edgecolor=_BOX_COLOUR,
            linewidth=1.8,
        )
    )


def show_crop(axes: Axes, view: View, object_id: int, title: str) -> None:
    """What the network saw of a frame, with the mask that it was given."""
    show(axes, view.crop, title)
    outline(axes, view.mask, colour=_object_colour(object_id))


def show_map(
    axes: Axes,
    values: np.ndarray,
    title: str,
    e: Explanation,
    limits: tuple[float | None, float | None] = (None, None),
) -> None:
    """A map of the current crop, smoothly enlarged."""
    show(axes, values, title, size=e.current.crop.shape, limits=limits, interpolation="bilinear")


def show_similarity(
    axes: Axes, e: Explanation, pixel: Pixel, number: int, limits: tuple[float, float]
) -> None:
    """The similarity map of a template position, a cross where it is largest."""
    where = "on the object" if pixel.of_object else "beside it"
    title = f"{number}: {where} (row {pixel.row}, column {pixel.column})"
    show_map(axes, e.similarity_of(pixel), title, e, limits)
    axes.plot(*peak(e, pixel), "+", color="white", markersize=9, markeredgewidth=1.6)


def show_scores(
    axes: Axes, e: Explanation, region: Region, name: str, high: float | None = None
) -> AxesImage:
    """Scores over the template grid; positions outside the region stay grey."""
    scores = np.ma.masked_where(region.weights == 0, region.scores)
    kept = min(len(region.maps), scores.count())
    axes.set_facecolor(_OUTSIDE_REGION)
    image = show(
        axes,
        scores,
        f"{name}: {scores.count()} of {scores.size} positions, {kept} kept",
        size=e.template.crop.shape,
        limits=(0, high),
        colours="magma",
        interpolation="nearest",
    )
    outline(axes, e.template.mask, colour="white")
    return image


def outline(axes: Axes, mask: np.ndarray, colour: str | tuple[float, ...]) -> None:
    """The line around a mask; nothing where there is none."""
    if mask.min() < 0.5 < mask.max():
        height, width = mask.shape
        x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
        axes.contour(x, y, mask, levels=[0.5], colors=[colour], linewidths=1.6)


def mark(axes: Axes, place: tuple[float, float], number: int, of_object: bool) -> None:
    """A numbered dot at (x, y)."""
    axes.text(
        *place,
        str(number),
        color="white",
        fontsize="x-small",
        fontweight="bold",
        horizontalalignment="center",
        verticalalignment="center",
        bbox={
            "boxstyle": "circle,pad=0.25",
            "facecolor": _ON_OBJECT if of_object else _BESIDE,
            "edgecolor": "white",
            "linewidth": 0.8,
        },
    )


def centre(e: Explanation, pixel: Pixel) -> tuple[float, float]:
    """(x, y) of a template position in the template's crop."""
    return _cell_centre((pixel.row, pixel.column), e.similarity.shape[:2], e.template.crop.shape)


def peak(e: Explanation, pixel: Pixel) -> tuple[float, float]:
    """(x, y) in the current crop of what resembles a template position most."""
    similarity = e.similarity_of(pixel)
    row, column = np.unravel_index(similarity.argmax(), similarity.shape)
    return _cell_centre((int(row), int(column)), similarity.shape, e.current.crop.shape)


def _cell_centre(
    cell: Sequence[int], grid: Sequence[int], size: Sequence[int]
) -> tuple[float, float]:
    y, x = ((at + 0.5) * side / cells for at, side, cells in zip(cell, size, grid, strict=False))
    return x, y


def _object_colour(object_id: int) -> tuple[float, ...]:
    """Its colour in the palette, halfway to white as in overlays."""
    return tuple((PALETTE[object_id] // 2 + 127) / 255)
