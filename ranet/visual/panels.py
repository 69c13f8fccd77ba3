"""What figures that explain a method's result are made of: frames, crops, maps, contours.

matplotlib, the optional extra ``ranet[plots]``, is loaded when a figure is drawn.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ranet.datasets.image_io import write_image
from ranet.files import atomic_path, make_folder
from ranet.palette import PALETTE
from ranet.visual.contact_sheet import SheetRow, Strip, contact_sheet
from ranet.visual.overlay import overlay
from ranet.visual.plots import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage


class CropBox(NamedTuple):
    """A part of a frame, half-open, in pixels."""

    top: int
    left: int
    bottom: int
    right: int


class View(NamedTuple):
    """A frame, and the part of it that the network saw."""

    frame: np.ndarray
    """H×W×3 uint8 RGB, as it lies on its canvas."""
    labels: np.ndarray
    """H×W uint8: the objects that were known when the network looked at it."""
    box: CropBox
    """What was cropped."""
    crop: np.ndarray
    """h×w×3 uint8 RGB: the network's input."""
    mask: np.ndarray
    """h×w float32 in [0, 1]: of the object explained, in the crop."""


def titled_figure(width: float, height: float, title: str) -> "Figure":
    """A figure of that many inches with a title above."""
    figure = new_figure(width, height, dots_per_inch=130)
    figure.suptitle(title, fontsize="large", fontweight="bold")
    return figure


def write_figures(figures: "Mapping[str, Figure | np.ndarray]", out: str | Path) -> None:
    """Write ``<name>.png`` of each, a figure or H×W×3 uint8 RGB; older ones are replaced.

    Raises:
        OutputError: the folder or a file cannot be written.
    """
    out = make_folder(out)
    for name, figure in figures.items():
        path = out / f"{name}.png"
        if isinstance(figure, np.ndarray):
            write_image(path, figure)
            continue
        with atomic_path(path) as temporary:
            figure.savefig(temporary, bbox_inches="tight", pad_inches=0.1)


def aspect(image: np.ndarray) -> float:
    """Height over width."""
    return float(image.shape[0] / image.shape[1])


def show(
    axes: "Axes",
    picture: np.ndarray,
    title: str,
    *,
    size: Sequence[int] | None = None,
    **options: Any,
) -> "AxesImage":
    """A picture or a map, as large as ``size`` (height, width; None: its own); as ``imshow``."""
    height, width = (size or picture.shape)[:2]
    image = axes.imshow(picture, extent=(0, width, height, 0), **options)
    axes.set_title(title, fontsize="small")
    axes.set(xticks=[], yticks=[])
    return image


def show_frame(axes: "Axes", view: View, labels: np.ndarray, title: str) -> None:
    """A whole frame with objects on it, and the box that the network saw."""
    show(axes, overlay(view.frame, labels), title)
    top, left, bottom, right = view.box
    x, y = (left, right, right, left, left), (top, top, bottom, bottom, top)
    axes.plot(
        x, y, color="#ffd23f", linewidth=1.8, solid_joinstyle="miter", scalex=False, scaley=False
    )


def show_crop(axes: "Axes", view: View, object_id: int, title: str) -> None:
    """What the network saw of a frame, with the mask that it was given."""
    show(axes, view.crop, title)
    # Halfway to white, as in overlays.
    outline(axes, view.mask, tuple((PALETTE[object_id] // 2 + 127) / 255))


def show_map(
    axes: "Axes", values: np.ndarray, title: str, view: View, **limits: Any
) -> "AxesImage":
    """A map of a view's crop, smoothly enlarged."""
    return show(axes, values, title, size=view.crop.shape, interpolation="bilinear", **limits)


def show_probability(axes: "Axes", probability: np.ndarray, object_id: int) -> None:
    """h×w in [0, 1], in the crop."""
    title = f"probability of object {object_id}"
    show(axes, probability, title, vmin=0, vmax=1, cmap="magma")


def outline(axes: "Axes", mask: np.ndarray, colour: str | tuple[float, ...]) -> None:
    """The line around a mask; nothing where there is none."""
    if mask.min() < 0.5 < mask.max():
        height, width = mask.shape
        x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
        axes.contour(x, y, mask, levels=[0.5], colors=[colour], linewidths=1.6)


def video_sheet(strips: Sequence[Strip]) -> np.ndarray:
    """Frames of a video as networks have segmented them, a row each: H×W×3 uint8 RGB."""
    rows = []
    for strip in strips:
        pictures = list(map(overlay, strip.frames, strip.labels))
        rows.append(SheetRow(strip.network, pictures, [f"frame {n}" for n in strip.numbers]))
    return contact_sheet(rows)
