"""Figures of an :class:`~ranet.visual.explanation.Explanation`, one PNG each, and a summary.

They follow the paper's Figures 4 and 7 and the supplement's Figure 3.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from ranet.datasets.image_io import write_image
from ranet.files import atomic_path, make_folder
from ranet.visual import explanation_panels as panels
from ranet.visual.contact_sheet import SheetRow, contact_sheet, similarity_colours
from ranet.visual.explanation import Explanation, Pixel, Region, Strip
from ranet.visual.overlay import overlay

_MAP_COLUMNS, _MAP_WIDTH = 16, 96  # pixels
_ZERO_MAP = 225  # grey
_FEATURES, _FEATURE_COLUMNS, _FEATURE_WIDTH = 16, 8, 180


def draw_explanation(explanation: Explanation, strips: Sequence[Strip], out: str | Path) -> None:
    """Write every figure to a folder.

    Args:
        explanation: what to show.
        strips: the video as the network has segmented it, and as others have.
        out: the folder; figures that are in it are replaced.

    Raises:
        OutputError: a figure cannot be written.
    """
    e, out = explanation, make_folder(out)
    figures = {
        "1_frames": _frames(e),
        "2_similarity_maps": _similarity_maps(e),
        "3_ranking_scores": _ranking_scores(e),
        "6_result": _result(e),
        "summary": _summary(e),
    }
    for name, figure in figures.items():
        FigureCanvasAgg(figure)  # what it is drawn with, here and without any display
        with atomic_path(out / f"{name}.png") as temporary:
            figure.savefig(temporary, bbox_inches="tight", pad_inches=0.1)
    sheets = {
        "4_foreground_maps": _kept_maps(e, e.foreground, "foreground"),
        "4_background_maps": _kept_maps(e, e.background, "background"),
        "5_merged_features": _merged_features(e),
        "7_video": strips_sheet(strips),
    }
    for name, sheet in sheets.items():
        write_image(out / f"{name}.png", sheet)


def _frames(e: Explanation) -> Figure:
    height = 5 * (panels.aspect(e.current.frame) + panels.aspect(e.current.crop)) + 1.2
    figure = panels.titled_figure(10, height, "What the network is given")
    (template, current), crops = figure.subplots(2, 2)
    panels.show_frame(template, e.template, e.template.labels, "template, frame 0: marked objects")
    panels.show_frame(
        current,
        e.current,
        e.current.labels,
        f"current frame {e.frame_number}: objects of the frame before",
    )
    for axes, view in zip(crops, (e.template, e.current), strict=True):
        panels.show_crop(
            axes, view, e.object_id, f"its crop, with the mask of object {e.object_id}"
        )
    return figure


def _similarity_maps(e: Explanation) -> Figure:
    """The paper's Figure 4, left, with background pixels too."""
    rows = [row for row in _by_region(e.pixels) if row]
    columns = max(map(len, rows))
    crop, map_width = 3.6, 2.7  # inches
    height = 2 * crop * panels.aspect(e.current.crop) + 1.4
    figure = panels.titled_figure(
        crop + map_width * columns + 0.8,
        height,
        f"Where in frame {e.frame_number} chosen pixels of the template are found (Eq. 1)",
    )
    left, right = figure.subfigures(
        1, 2, width_ratios=[crop, map_width * columns + 0.8], squeeze=False
    )[0]
    _draw_crops(left, e)
    grid = right.subplots(len(rows), columns, squeeze=False)
    limits = _limits(e)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes_row, pixels in zip(grid, rows, strict=True):
        for axes, pixel in zip(axes_row, pixels, strict=False):
            axes.set_axis_on()
            panels.show_similarity(axes, e, pixel, e.pixels.index(pixel) + 1, limits)
    right.colorbar(ScalarMappable(Normalize(*limits)), ax=grid, shrink=0.7, label="similarity")
    return figure


def _draw_crops(figure: Figure, e: Explanation) -> None:
    """Chosen pixels in the template, and what resembles them most in the current frame."""
    template, current = figure.subplots(2, 1)
    panels.show_crop(template, e.template, e.object_id, "template: chosen pixels")
    panels.show(current, e.current.crop, "current frame: where each is found")
    for number, pixel in enumerate(e.pixels, start=1):
        panels.mark(template, panels.centre(e, pixel), number, pixel.of_object)
        panels.mark(current, panels.peak(e, pixel), number, pixel.of_object)


def _by_region(pixels: Sequence[Pixel]) -> tuple[list[Pixel], list[Pixel]]:
    """On the object, and beside it."""
    return [p for p in pixels if p.of_object], [p for p in pixels if not p.of_object]


def _limits(e: Explanation) -> tuple[float, float]:
    """The least and the largest similarity of the chosen pixels."""
    maps = [e.similarity_of(pixel) for pixel in e.pixels]
    return float(np.min(maps)), float(np.max(maps))


def _ranking_scores(e: Explanation) -> Figure:
    """The scores of the paper's Figure 3."""
    height = 4.3 * panels.aspect(e.template.crop) + 1.2
    figure = panels.titled_figure(14, height, "Ranking scores of the template's positions (Eq. 2)")
    template, *others = figure.subplots(1, 3)
    panels.show_crop(template, e.template, e.object_id, f"template, with object {e.object_id}")
    high = max(e.foreground.scores.max(), e.background.scores.max())
    panels.show_scores(others[0], e, e.foreground, "foreground", high)
    image = panels.show_scores(others[1], e, e.background, "background", high)
    figure.colorbar(image, ax=others, shrink=0.8, label="score r")
    return figure


def _kept_maps(e: Explanation, region: Region, name: str) -> np.ndarray:
    """All R maps in order, as the merge module receives them (Fig. 3, Eq. 3)."""
    pictures = [_map_picture(one, region.maps.max()) for one in region.maps]
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
    return contact_sheet(rows, image_width=_MAP_WIDTH)


def _map_picture(similarity: np.ndarray, high: float) -> np.ndarray:
    if similarity.any():
        return similarity_colours(similarity, low=0, high=high)
    return np.full(similarity.shape, _ZERO_MAP, np.uint8)


def _merged_features(e: Explanation) -> np.ndarray:
    """The paper's Figure 4, right."""
    rows = []
    for region, name in ((e.foreground, "foreground"), (e.background, "background")):
        channels = _telling_channels(region.merged, e.probability)
        title = (
            f"Frame {e.frame_number}, {name} after the merge module: the {len(channels)} of "
            f"{len(region.merged)} features that tell object {e.object_id} best from the rest. "
        )
        for first in range(0, len(channels), _FEATURE_COLUMNS):
            shown = channels[first : first + _FEATURE_COLUMNS]
            rows.append(
                SheetRow(
                    "" if first else title,
                    [similarity_colours(region.merged[channel]) for channel in shown],
                    [f"channel {channel}" for channel in shown],
                )
            )
    return contact_sheet(rows, image_width=_FEATURE_WIDTH)


def _telling_channels(merged: np.ndarray, probability: np.ndarray) -> list[int]:
    """Channels by how far their mean on the object is from that elsewhere, in deviations."""
    small = cv2.resize(probability, merged.shape[:0:-1], interpolation=cv2.INTER_AREA)
    inside = small > 0.5
    if inside.all() or not inside.any():
        return list(range(min(_FEATURES, len(merged))))
    difference = merged[:, inside].mean(axis=1) - merged[:, ~inside].mean(axis=1)
    contrast = np.abs(difference) / np.maximum(merged.std(axis=(1, 2)), np.finfo(np.float32).tiny)
    return [int(channel) for channel in np.argsort(-contrast, kind="stable")[:_FEATURES]]


def _result(e: Explanation) -> Figure:
    height = 4.3 * max(panels.aspect(e.current.crop), panels.aspect(e.current.frame)) + 1.2
    figure = panels.titled_figure(14, height, f"The result in frame {e.frame_number}")
    previous, probability, result = figure.subplots(1, 3)
    panels.show_crop(previous, e.current, e.object_id, f"crop, with object {e.object_id} before")
    _show_probability(probability, e)
    panels.show_frame(result, e.current, e.labels, "all objects, in the frame")
    return figure


def _show_probability(axes: Axes, e: Explanation) -> None:
    panels.show(
        axes, e.probability, f"probability of object {e.object_id}", limits=(0, 1), colours="magma"
    )


def strips_sheet(strips: Sequence[Strip]) -> np.ndarray:
    """The paper's Figure 7; with several networks, the supplement's Figure 3."""
    return contact_sheet(
        [
            SheetRow(
                strip.network,
                [overlay(*pair) for pair in zip(strip.frames, strip.labels, strict=True)],
                [f"frame {number}" for number in strip.numbers],
            )
            for strip in strips
        ]
    )


def _summary(e: Explanation) -> Figure:
    """One page, in the order of the paper's Figure 2."""
    height = 3.4 * (4 * panels.aspect(e.current.crop) + panels.aspect(e.current.frame)) + 2.6
    figure = panels.titled_figure(
        14, height, f"Object {e.object_id} in frame {e.frame_number}: from template to result"
    )
    given, similar, *ranked, result = figure.subplots(5, 4)
    panels.show_crop(given[0], e.template, e.object_id, "template, with its object")
    panels.show_crop(given[1], e.current, e.object_id, "current frame, with the mask before")
    _summarise_similarity(given[0], similar, e)
    for axes, score_axes, region, name in zip(
        ranked, given[2:], (e.foreground, e.background), ("foreground", "background"), strict=True
    ):
        panels.show_scores(score_axes, e, region, f"{name} scores")
        _summarise_region(axes, e, region, name)
    panels.show_frame(result[0], e.template, e.template.labels, "template, in its frame")
    panels.show_frame(result[1], e.current, e.current.labels, "frame, with the masks before")
    _show_probability(result[2], e)
    panels.show_frame(result[3], e.current, e.labels, "result")
    return figure


def _summarise_similarity(template: Axes, row: Sequence[Axes], e: Explanation) -> None:
    """The maps of a few pixels on the object and beside it."""
    on_object, beside = _by_region(e.pixels)
    half = len(row) // 2
    pixels = [*on_object[: len(row) - min(half, len(beside))], *beside][: len(row)]
    for axes in row:
        axes.set_axis_off()
    for number, (axes, pixel) in enumerate(zip(row, pixels, strict=False), start=1):
        axes.set_axis_on()
        panels.mark(template, panels.centre(e, pixel), number, pixel.of_object)
        panels.show_similarity(axes, e, pixel, number, _limits(e))


def _summarise_region(row: Sequence[Axes], e: Explanation, region: Region, name: str) -> None:
    """Maps of the first half of the ranks, the best one first, and a merged feature."""
    limits = (0.0, float(region.maps.max()))
    for axes, rank in zip(row, (0, region.filled // 4, region.filled // 2), strict=False):
        panels.show_map(axes, region.maps[rank], f"{name} map, rank {rank + 1}", e, limits)
    channel = _telling_channels(region.merged, e.probability)[0]
    panels.show_map(row[-1], region.merged[channel], f"{name}, merged: channel {channel}", e)
