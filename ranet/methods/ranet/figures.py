"""What the network saw, compared, ranked, merged and answered in one frame, and figures of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from ranet.visual.contact_sheet import (
    SheetRow,
    Strip,
    contact_sheet,
    sheet_rows,
    similarity_colours,
)
from ranet.visual.panels import (
    View,
    aspect,
    outline,
    show,
    show_crop,
    show_frame,
    show_map,
    show_probability,
    titled_figure,
    video_sheet,
    write_figures,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

_MAP_COLUMNS = 16  # of the sheet of kept maps
_ZERO_MAP = 225  # grey
_FEATURES, _COLUMNS = 16, 8  # of the sheet of merged features


class Region(NamedTuple):
    """The foreground or the background of the object: its template positions and their maps."""

    weights: np.ndarray
    """gh×gw float32 in [0, 1]: how much a position belongs to the region."""
    scores: np.ndarray
    """gh×gw float32: r of Eq. 2; of several regions, the largest."""
    maps: np.ndarray
    """R×h/16×w/16 float32: those kept, best first; zero maps fill the end."""
    merged: np.ndarray
    """C×h/8×w/8 float32: what the merge module makes of them."""

    @property
    def filled(self) -> int:
        """How many of the R maps are not zero."""
        return int(self.maps.any(axis=(1, 2)).sum())


class Pixel(NamedTuple):
    """A chosen position of the template."""

    row: int
    """Row of the template grid."""
    column: int
    """Column of the template grid."""
    of_object: bool
    """It lies rather on the object than beside it."""


@dataclass(frozen=True)
class Explanation:
    """One frame of a video, from the network's inputs to its result.

    The network saw h×w pixels of each frame; gh×gw is its template grid, R the maps it keeps.
    """

    object_id: int
    """Id of the object explained."""
    frame_number: int
    """Number of the current frame; the template is 0."""
    template: View
    """The frame in which the objects were marked."""
    current: View
    """The frame explained, with the labels and the mask of the frame before."""
    similarity: np.ndarray
    """gh×gw×h/16×w/16 float32 in [-1, 1] (Eq. 1)."""
    pixels: tuple[Pixel, ...]
    """Template positions whose similarity maps are shown."""
    foreground: Region
    """On the object."""
    background: Region
    """Beside the object."""
    probability: np.ndarray
    """h×w float32: of the object, in the current crop."""
    labels: np.ndarray
    """H×W uint8: the result, on the canvas."""

    def draw(self, strips: Sequence[Strip], out: str | Path) -> None:
        """Write figures like the paper's Figures 4 and 7 and the supplement's Figure 3, as PNG.

        Args:
            strips: the video as the network has segmented it, and as others have.
            out: the folder; figures that are in it are replaced.

        Raises:
            OutputError: a figure cannot be written.
            RANetError: matplotlib is not installed.
        """
        figures = {
            "1_frames": _frames(self),
            "2_similarity_maps": _similarity_maps(self),
            "3_ranking_scores": _ranking_scores(self),
            "4_foreground_maps": _kept_maps(self, self.foreground, "foreground"),
            "4_background_maps": _kept_maps(self, self.background, "background"),
            "5_merged_features": _merged_features(self),
            "6_result": _result(self),
            "7_video": video_sheet(strips),
            "summary": _summary(self),
        }
        write_figures(figures, out)

    @property
    def regions(self) -> dict[str, Region]:
        """Foreground and background, by name."""
        return {"foreground": self.foreground, "background": self.background}

    def similarity_of(self, pixel: Pixel) -> np.ndarray:
        """The similarity map of a template position: h/16×w/16."""
        return np.asarray(self.similarity[pixel.row, pixel.column])

    def centre(self, pixel: Pixel) -> tuple[float, float]:
        """(x, y) of a template position in the template's crop."""
        rows, columns = self.similarity.shape[:2]
        height, width = self.template.crop.shape[:2]
        return (pixel.column + 0.5) * width / columns, (pixel.row + 0.5) * height / rows

    def peak(self, pixel: Pixel) -> tuple[float, float]:
        """(x, y) in the current crop of what resembles a template position most."""
        similarity = self.similarity_of(pixel)
        row, column = np.unravel_index(similarity.argmax(), similarity.shape)
        height, width = self.current.crop.shape[:2]
        rows, columns = similarity.shape
        return float(column + 0.5) * width / columns, float(row + 0.5) * height / rows


def _frames(e: Explanation) -> "Figure":
    height = 5 * (aspect(e.current.frame) + aspect(e.current.crop)) + 1.2
    figure = titled_figure(10, height, "What the network is given")
    (template, current), crops = figure.subplots(2, 2)
    show_frame(template, e.template, e.template.labels, "template, frame 0: marked objects")
    before = f"current frame {e.frame_number}: objects of the frame before"
    show_frame(current, e.current, e.current.labels, before)
    for axes, view in zip(crops, (e.template, e.current), strict=True):
        show_crop(axes, view, e.object_id, f"its crop, with the mask of object {e.object_id}")
    return figure


def _similarity_maps(e: Explanation) -> "Figure":
    """The paper's Figure 4, left, with background pixels too."""
    rows = [pixels for pixels in _by_region(e.pixels) if pixels]
    columns = max(map(len, rows))
    crop, maps = 3.6, 2.7 * columns + 0.8  # inches
    figure = titled_figure(
        crop + maps,
        2 * crop * aspect(e.current.crop) + 1.4,
        f"Where in frame {e.frame_number} chosen pixels of the template are found (Eq. 1)",
    )
    left, right = figure.subfigures(1, 2, width_ratios=[crop, maps], squeeze=False)[0]
    template, current = left.subplots(2, 1)
    show_crop(template, e.template, e.object_id, "template: chosen pixels")
    show(current, e.current.crop, "current frame: where each is found")
    for number, pixel in enumerate(e.pixels, start=1):
        _mark(template, e.centre(pixel), number, pixel.of_object)
        _mark(current, e.peak(pixel), number, pixel.of_object)
    grid = right.subplots(len(rows), columns, squeeze=False)
    for axes_row, pixels in zip(grid, rows, strict=True):
        images = _show_similarities(axes_row, pixels, e)
    right.colorbar(images[0], ax=grid, shrink=0.7, label="similarity")
    return figure


def _ranking_scores(e: Explanation) -> "Figure":
    """The scores of the paper's Figure 3."""
    height = 4.3 * aspect(e.template.crop) + 1.2
    figure = titled_figure(14, height, "Ranking scores of the template's positions (Eq. 2)")
    template, *others = figure.subplots(1, 3)
    show_crop(template, e.template, e.object_id, f"template, with object {e.object_id}")
    high = max(e.foreground.scores.max(), e.background.scores.max())
    for axes, (name, region) in zip(others, e.regions.items(), strict=True):
        image = _show_scores(axes, e, region, name, high)
    figure.colorbar(image, ax=others, shrink=0.8, label="score r")
    return figure


def _result(e: Explanation) -> "Figure":
    height = 4.3 * max(aspect(e.current.crop), aspect(e.current.frame)) + 1.2
    figure = titled_figure(14, height, f"The result in frame {e.frame_number}")
    previous, probability, result = figure.subplots(1, 3)
    show_crop(previous, e.current, e.object_id, f"crop, with object {e.object_id} before")
    show_probability(probability, e.probability, e.object_id)
    show_frame(result, e.current, e.labels, "all objects, in the frame")
    return figure


def _summary(e: Explanation) -> "Figure":
    """One page, in the order of the paper's Figure 2."""
    height = 3.4 * (4 * aspect(e.current.crop) + aspect(e.current.frame)) + 2.6
    title = f"Object {e.object_id} in frame {e.frame_number}: from template to result"
    figure = titled_figure(14, height, title)
    given, similar, *ranked, result = figure.subplots(5, 4)
    show_crop(given[0], e.template, e.object_id, "template, with its object")
    show_crop(given[1], e.current, e.object_id, "current frame, with the mask before")
    on_object, beside = _by_region(e.pixels)
    half = len(similar) // 2
    pixels = [*on_object[: len(similar) - min(half, len(beside))], *beside][: len(similar)]
    _show_similarities(similar, pixels, e, numbers=range(1, len(pixels) + 1))
    for number, pixel in enumerate(pixels, start=1):
        _mark(given[0], e.centre(pixel), number, pixel.of_object)
    for row, axes, (name, region) in zip(ranked, given[2:], e.regions.items(), strict=True):
        _show_scores(axes, e, region, f"{name} scores")
        _show_ranked(row, e, region, name)
    show_frame(result[0], e.template, e.template.labels, "template, in its frame")
    show_frame(result[1], e.current, e.current.labels, "frame, with the masks before")
    show_probability(result[2], e.probability, e.object_id)
    show_frame(result[3], e.current, e.labels, "result")
    return figure


def _kept_maps(e: Explanation, region: Region, name: str) -> np.ndarray:
    """All R maps in order, as the merge module receives them (Fig. 3, Eq. 3)."""
    high = region.maps.max()
    pictures = [
        similarity_colours(one, low=0, high=high)
        if one.any()
        else np.full(one.shape, _ZERO_MAP, np.uint8)
        for one in region.maps
    ]
    kept, filled = len(pictures), region.filled
    zero = f"; from {filled + 1} on they are zero (grey)" if filled < kept else ""
    title = (
        f"Frame {e.frame_number}, object {e.object_id}: "
        f"the {kept} {name} maps that are kept, best first{zero}. "
    )
    rows = []
    for first in range(0, kept, _MAP_COLUMNS):
        last = min(first + _MAP_COLUMNS, kept)
        ranks = f"Ranks {first + 1} – {last}"
        rows.append(SheetRow(ranks if first else title + ranks, pictures[first:last]))
    return contact_sheet(rows, image_width=96)


def _merged_features(e: Explanation) -> np.ndarray:
    """The paper's Figure 4, right."""
    rows = []
    for name, region in e.regions.items():
        channels = _telling_channels(region.merged, e.probability)
        title = (
            f"Frame {e.frame_number}, {name} after the merge module: the {len(channels)} of "
            f"{len(region.merged)} features that tell object {e.object_id} best from the rest. "
        )
        pictures = [similarity_colours(region.merged[channel]) for channel in channels]
        captions = [f"channel {channel}" for channel in channels]
        rows += sheet_rows(title, pictures, captions, _COLUMNS)
    return contact_sheet(rows, image_width=180)


def _telling_channels(merged: np.ndarray, probability: np.ndarray) -> list[int]:
    """Channels by how far their mean on the object is from that elsewhere, in deviations."""
    small = cv2.resize(probability, merged.shape[:0:-1], interpolation=cv2.INTER_AREA)
    inside = small > 0.5
    if inside.all() or not inside.any():
        return list(range(min(_FEATURES, len(merged))))
    difference = merged[:, inside].mean(axis=1) - merged[:, ~inside].mean(axis=1)
    contrast = np.abs(difference) / np.maximum(merged.std(axis=(1, 2)), np.finfo(np.float32).tiny)
    return [int(channel) for channel in np.argsort(-contrast, kind="stable")[:_FEATURES]]


def _by_region(pixels: Sequence[Pixel]) -> tuple[list[Pixel], list[Pixel]]:
    """On the object, and beside it."""
    return [p for p in pixels if p.of_object], [p for p in pixels if not p.of_object]


# --- single panels


def _show_similarities(
    row: Sequence["Axes"],
    pixels: Sequence[Pixel],
    e: Explanation,
    numbers: Sequence[int] | None = None,
) -> list["AxesImage"]:
    """The maps of template positions, a cross where each is largest; places left stay empty.

    ``numbers``: of the positions; None: as the explanation has them.
    """
    shown = [e.similarity_of(pixel) for pixel in e.pixels]
    limits = {"vmin": float(np.min(shown)), "vmax": float(np.max(shown))}
    images = []
    for axes in row[len(pixels) :]:
        axes.set_axis_off()
    numbers = numbers or [e.pixels.index(pixel) + 1 for pixel in pixels]
    for axes, pixel, number in zip(row, pixels, numbers, strict=False):
        where = "on the object" if pixel.of_object else "beside it"
        title = f"{number}: {where} (row {pixel.row}, column {pixel.column})"
        images.append(show_map(axes, e.similarity_of(pixel), title, e.current, **limits))
        axes.plot(*e.peak(pixel), "+", color="white", markersize=9, markeredgewidth=1.6)
    return images


def _show_scores(
    axes: "Axes", e: Explanation, region: Region, name: str, high: float | None = None
) -> "AxesImage":
    """Scores over the template grid; positions outside the region stay grey."""
    scores = np.ma.masked_where(region.weights == 0, region.scores)
    kept = min(len(region.maps), scores.count())
    axes.set_facecolor("0.88")
    image = show(
        axes,
        scores,
        f"{name}: {scores.count()} of {scores.size} positions, {kept} kept",
        size=e.template.crop.shape,
        vmin=0,
        vmax=high,
        cmap="magma",
        interpolation="nearest",
    )
    outline(axes, e.template.mask, "white")
    return image


def _show_ranked(row: Sequence["Axes"], e: Explanation, region: Region, name: str) -> None:
    """Maps of the first half of the ranks, the best one first, and a merged feature."""
    high = float(region.maps.max())
    for axes, rank in zip(row, (0, region.filled // 4, region.filled // 2), strict=False):
        show_map(
            axes, region.maps[rank], f"{name} map, rank {rank + 1}", e.current, vmin=0, vmax=high
        )
    channel = _telling_channels(region.merged, e.probability)[0]
    show_map(row[-1], region.merged[channel], f"{name}, merged: channel {channel}", e.current)


def _mark(axes: "Axes", place: tuple[float, float], number: int, of_object: bool) -> None:
    """A numbered dot at (x, y)."""
    box = {"boxstyle": "circle,pad=0.25", "edgecolor": "white", "linewidth": 0.8}
    axes.text(
        *place,
        str(number),
        color="white",
        fontsize="x-small",
        fontweight="bold",
        horizontalalignment="center",
        verticalalignment="center",
        bbox={**box, "facecolor": "#ff5a36" if of_object else "#1fa0ff"},
    )
