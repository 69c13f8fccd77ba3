"""What the DMVOS-style network saw, compared, voted for and answered in one frame, and figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ranet.visual.contact_sheet import Strip, contact_sheet, sheet_rows, similarity_colours
from ranet.visual.panels import (
    View,
    aspect,
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

_COLUMNS = 8  # of the sheet of maps
_ARROWS = 22  # along the longer side


@dataclass(frozen=True)
class Explanation:
    """One object in one frame of a video, from the network's inputs to its result.

    The network saw a crop of h×w pixels around the object; k best similarities are kept.
    """

    object_id: int
    """Id of the object explained."""
    frame_number: int
    """Number of the current frame; the template is 0."""
    template: View
    """The frame in which the objects were marked."""
    current: View
    """The frame explained, with the labels and the mask of the frame before."""
    foreground: np.ndarray
    """k×h/16×w/16 float32 in [-1, 1]: best similarities to the object, the largest first."""
    background: np.ndarray
    """k×h/16×w/16 float32: to what is not the object."""
    margin: np.ndarray
    """h/16×w/16 float32 in [0, 1]: P, how much more a pixel is like the object."""
    offset: np.ndarray
    """2×h/16×w/16 float32: from each pixel down and right to the centre it votes for, in units of
    the crop's sides."""
    centre: np.ndarray
    """2 float32: row and column of the object's centre in the frame before, in these units."""
    found: bool
    """Whether it was there at all; otherwise no vote counts."""
    nearness: np.ndarray
    """h/16×w/16 float32 in [0, 1]: D, how near the votes are to that centre."""
    probability: np.ndarray
    """h×w float32: of the object alone, in the current crop."""
    labels: np.ndarray
    """H×W uint8: the result, on the canvas."""

    def draw(self, strips: Sequence[Strip], out: str | Path) -> None:
        """Write figures as PNG.

        Args:
            strips: the video as the network has segmented it, and as others have.
            out: the folder; figures that are in it are replaced.

        Raises:
            OutputError: a figure cannot be written.
            RANetError: matplotlib is not installed.
        """
        height = 5 * aspect(self.current.crop)
        frames = titled_figure(
            10, 5 * aspect(self.current.frame) + height + 1.2, "What the network is given"
        )
        self._show_given(frames.subplots(2, 2))
        votes = titled_figure(10, height + 1.3, "Where each pixel sees the centre of its instance")
        arrows, nearness = votes.subplots(1, 2)
        self._show_votes(arrows)
        votes.colorbar(self._show_nearness(nearness), ax=[arrows, nearness], shrink=0.7)
        matched = titled_figure(14, 4.3 * aspect(self.current.crop) + 1.3, "Like the object?")
        panels = list(matched.subplots(1, 3))
        similarity, margin = self._show_matches(panels)
        matched.colorbar(similarity, ax=panels[:2], shrink=0.7, label="cosine similarity")
        matched.colorbar(margin, ax=panels[2:], shrink=0.7, label="P")
        result = titled_figure(
            14,
            4.3 * max(aspect(self.current.crop), aspect(self.current.frame)) + 1.2,
            f"The result in frame {self.frame_number}",
        )
        self._show_result(result.subplots(1, 3))
        figures = {
            "1_frames": frames,
            "2_votes": votes,
            "3_margin": matched,
            "4_best_maps": self._best_maps(),
            "5_result": result,
            "6_video": video_sheet(strips),
            "summary": self._summary(),
        }
        write_figures(figures, out)

    def _summary(self) -> "Figure":
        """One page, in the order in which it is computed."""
        height = 3.4 * (3 * aspect(self.current.crop) + aspect(self.current.frame)) + 2.6
        title = f"Object {self.object_id} in frame {self.frame_number}: from template to result"
        figure = titled_figure(11, height, title)
        given, matches, votes, result = figure.subplots(4, 3)
        show_crop(given[0], self.template, self.object_id, "template, with its object")
        show_crop(given[1], self.current, self.object_id, "current frame, with the mask before")
        show_frame(given[2], self.current, self.current.labels, "objects of the frame before")
        self._show_matches(matches)
        self._show_votes(votes[0])
        self._show_nearness(votes[1])
        show_map(votes[2], self.margin * self.nearness, "P·D", self.current, vmin=0, vmax=1)
        self._show_result(result)
        return figure

    def _show_given(self, panels: np.ndarray) -> None:
        (template, current), crops = panels
        show_frame(
            template, self.template, self.template.labels, "template, frame 0: marked objects"
        )
        before = f"current frame {self.frame_number}: objects of the frame before"
        show_frame(current, self.current, self.current.labels, before)
        for axes, view in zip(crops, (self.template, self.current), strict=True):
            title = f"crop of object {self.object_id}, with its mask"
            show_crop(axes, view, self.object_id, title)

    def _show_votes(self, axes: "Axes") -> None:
        """The offsets as arrows from pixels, coloured by how near they end, over the crop."""
        show_crop(axes, self.current, self.object_id, "votes for the centre of one's instance")
        height, width = self.current.crop.shape[:2]
        rows, columns = self.nearness.shape
        every = max(1, -(-max(rows, columns) // _ARROWS))
        picked = (slice(every // 2, None, every),) * 2
        x = (np.arange(columns) + 0.5) * width / columns
        y = (np.arange(rows) + 0.5) * height / rows
        down, right = self.offset[0] * height, self.offset[1] * width
        axes.quiver(
            *(part[picked] for part in (*np.meshgrid(x, y), right, down, self.nearness)),
            angles="xy",
            scale_units="xy",
            scale=1,
            cmap="viridis",
            clim=(0, 1),
            width=0.004,
        )
        self._mark_centre(axes)
        axes.set(xlim=(0, width), ylim=(height, 0))

    def _mark_centre(self, axes: "Axes") -> None:
        height, width = self.current.crop.shape[:2]
        row, column = self.centre
        axes.plot(column * width, row * height, "+", color="#ff5a36", markersize=13, mew=2.4)

    def _show_nearness(self, axes: "Axes") -> "AxesImage":
        note = "+: the centre before" if self.found else "not found before: no vote counts"
        title = f"centre map D ({note})"
        image = show_map(axes, self.nearness, title, self.current, vmin=0, vmax=1)
        self._mark_centre(axes)
        return image

    def _show_matches(self, panels: Sequence["Axes"]) -> tuple["AxesImage", "AxesImage"]:
        own, others, margin = panels
        best, limits = "best similarity to the ", {"vmin": -1.0, "vmax": 1.0}
        show_map(own, self.foreground[0], f"{best}object", self.current, **limits)
        similarity = show_map(others, self.background[0], f"{best}rest", self.current, **limits)
        return similarity, show_map(
            margin, self.margin, "margin map P", self.current, vmin=0, vmax=1
        )

    def _show_result(self, panels: Sequence["Axes"]) -> None:
        crop, probability, frame = panels
        show_crop(crop, self.current, self.object_id, f"crop, object {self.object_id} before")
        show_probability(probability, self.probability, self.object_id)
        show_frame(frame, self.current, self.labels, "all objects, in the frame")

    def _best_maps(self) -> np.ndarray:
        """All maps that enter the fusion: a pixel's best similarities, the largest first."""
        rows = []
        for name, maps in (("object", self.foreground), ("rest", self.background)):
            title = f"Frame {self.frame_number}: the {len(maps)} best similarities to the {name}. "
            pictures = [similarity_colours(one, low=-1, high=1) for one in maps]
            captions = [f"{number}" for number in range(1, len(maps) + 1)]
            rows += sheet_rows(title, pictures, captions, _COLUMNS)
        return contact_sheet(rows, image_width=180)
