"""What the DMN-AOA-style network was offered, remembered, compared and answered, and figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ranet.datasets.image_io import write_image
from ranet.files import make_folder
from ranet.palette import PALETTE
from ranet.visual.contact_sheet import Strip
from ranet.visual.overlay import overlay
from ranet.visual.panels import (
    aspect,
    show,
    show_probability,
    titled_figure,
    video_sheet,
    write_figures,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

_COLUMNS = 4  # of proposals
_SHOWN = 8  # proposals, the cheapest

Box = tuple[float, float, float, float]
"""(top, left, bottom, right) in pixels of the canvas."""


class Remembered(NamedTuple):
    """A frame on the way, and what of it entered the template."""

    number: int
    """Of the frame."""
    frame: np.ndarray
    """H×W×3 uint8 RGB, as it lies on its canvas."""
    box: Box
    """Of the object in it."""
    relevance: np.ndarray | None
    """R×R float32, over that box: what is remembered of all frames sums to 1; None: the frame is
    not remembered, as the object was not found in it or later ones took its place."""


class Proposed(NamedTuple):
    """What was proposed, of the cheapest for the object first."""

    box: Box
    mask: np.ndarray
    """h/4×w/4 float32 in [0, 1], in the frame."""
    cost: float
    similarity: float
    """A in [−1, 1], after alignment."""
    overlap: float
    """With the object's last mask, in [0, 1]."""


class Aligned(NamedTuple):
    """A position of the template, and where the cheapest proposals have it."""

    row: int
    column: int
    """In the template's R×R grid."""
    weights: tuple[np.ndarray, ...]
    """Of each of the proposals R×R float32, summing to 1."""


@dataclass(frozen=True)
class Explanation:
    """One object in one frame of a video, from proposals to its result.

    The network saw the whole canvas of H×W pixels as h×w; regions have grids of R×R.
    """

    object_id: int
    """Id of the object explained."""
    frame_number: int
    """Number of the current frame; the annotated one is 0."""
    first: np.ndarray
    """H×W×3 uint8 RGB: the frame in which the objects were marked."""
    first_labels: np.ndarray
    """H×W uint8."""
    first_box: Box
    """Of the object in it."""
    current: np.ndarray
    """H×W×3 uint8 RGB."""
    labels_before: np.ndarray
    """H×W uint8, of the frame before."""
    last_box: Box
    """Of the object where it was found last."""
    looked_at: Box
    """Where it was looked for: what the memory was asked about."""
    proposals: tuple[Proposed, ...]
    """All there were, the cheapest for the object first."""
    nobody: float
    """What it cost to take none of them, −θ."""
    taken: int | None
    """Which of them it took."""
    kept_last: bool
    """Whether it took none, but kept its last mask."""
    remembered: tuple[Remembered, ...]
    """Frames on the way, spread evenly, the annotated one among them."""
    aligned: tuple[Aligned, ...]
    """Positions of the annotated frame's region on the object, in the cheapest proposals; empty
    without alignment."""
    coarse: np.ndarray
    """h/4×w/4 float32 in [0, 1]: the mask that was taken."""
    probability: np.ndarray
    """H×W float32: of the object after refinement and fusion."""
    labels: np.ndarray
    """H×W uint8: the result."""

    def draw(self, strips: Sequence[Strip], out: str | Path) -> None:
        """Write figures as PNG.

        Args:
            strips: the video as the network has segmented it, and as others have.
            out: the folder; figures that are in it are replaced.

        Raises:
            OutputError: a figure cannot be written.
            RANetError: matplotlib is not installed.
        """
        out, height = make_folder(out), aspect(self.current)
        frames = titled_figure(12, 6 * height + 1.2, "What the network is given")
        self._show_given(frames.subplots(1, 2))
        rows = max(1, -(-min(_SHOWN, len(self.proposals)) // _COLUMNS))
        proposals = titled_figure(
            15, rows * (3.75 * height + 0.5) + 0.8, f"Proposals for object {self.object_id}"
        )
        self._show_proposals(proposals.subplots(rows, _COLUMNS, squeeze=False).flat)
        result = titled_figure(15, 5 * height + 1.2, f"The result in frame {self.frame_number}")
        self._show_result(result.subplots(1, 3))
        memory = titled_figure(
            3.75 * len(self.remembered), 3.75 * height + 1.3, "What its template is read from"
        )
        panels = memory.subplots(1, len(self.remembered), squeeze=False)[0]
        memory.colorbar(self._show_memory(panels), ax=panels, shrink=0.8, label="relevance")
        figures = {
            "1_frames": frames,
            "2_proposals": proposals,
            "3_memory": memory,
            "5_result": result,
            "summary": self._summary(),
        }
        if self.aligned:
            across = 1 + len(self.aligned[0].weights)
            alignment = titled_figure(
                3.4 * across,
                3.6 * len(self.aligned) + 0.8,
                "Where a proposal has what the template has at +",
            )
            for point, panels in zip(
                self.aligned,
                alignment.subplots(len(self.aligned), across, squeeze=False),
                strict=True,
            ):
                self._show_alignment(point, panels)
            figures["4_alignment"] = alignment
        write_figures(figures, out)
        write_image(out / "6_video.png", video_sheet(strips))

    def _summary(self) -> "Figure":
        """One page, in the order in which it is computed."""
        height = 3.7 * 4 * aspect(self.current) + 3.2
        title = f"Object {self.object_id} in frame {self.frame_number}: from proposals to result"
        figure = titled_figure(11, height, title)
        given, memory, proposals, result = figure.subplots(4, 3)
        self._show_given(given[:2])
        self._show_boxes(given[2])
        self._show_memory(memory, self.remembered[:1] + self.remembered[1:][-2:])
        self._show_proposals(proposals)
        self._show_result(result)
        return figure

    def _show_given(self, panels: Sequence["Axes"]) -> None:
        first, current = panels
        show(first, overlay(self.first, self.first_labels), "frame 0: marked objects")
        _box(first, self.first_box, self._colour)
        before = f"frame {self.frame_number}: objects before, and where {self.object_id} is sought"
        show(current, overlay(self.current, self.labels_before), before)
        _box(current, self.last_box, self._colour)
        _box(current, self.looked_at, "#ffd23f", linestyle="--")

    def _show_boxes(self, axes: "Axes") -> None:
        """All proposals' boxes, the cheaper the brighter."""
        from matplotlib import colormaps

        show(axes, self.current // 2, f"{len(self.proposals)} proposals; bright: cheap")
        costs = np.array([proposal.cost for proposal in self.proposals])
        share = (costs.max() - costs) / max(np.ptp(costs), 1e-6) if len(costs) else costs
        for proposal, bright in reversed([*zip(self.proposals, share, strict=True)]):
            _box(axes, proposal.box, colormaps["viridis"](bright))

    def _show_proposals(self, panels: Any) -> None:
        """The cheapest, one a panel."""
        for number, axes in enumerate(panels):
            axes.set_axis_off()
            if number >= len(self.proposals):
                continue
            proposal = self.proposals[number]
            taken = "taken" if number == self.taken else f"{number + 1}."
            title = (
                f"{taken}: cost {proposal.cost:.2f}\n"
                f"similarity {proposal.similarity:.2f}, overlap {proposal.overlap:.2f}"
            )
            show(axes, self.current // 2 + 64, title)
            colour = "#ffd23f" if number == self.taken else "white"
            _contour(axes, proposal.mask, self.current.shape, colour)
            _box(axes, proposal.box, colour, linestyle="-" if number == self.taken else ":")

    def _show_memory(
        self, panels: Sequence["Axes"], frames: Sequence[Remembered] | None = None
    ) -> "AxesImage":
        """The relevance on the frames (the supplement's Figure 2)."""
        frames = self.remembered if frames is None else frames
        maps = [frame.relevance for frame in self.remembered if frame.relevance is not None]
        most = max((float(values.max()) for values in maps), default=1.0)
        image = None
        for axes in panels:
            axes.set_axis_off()
        for frame, axes in zip(frames, panels, strict=False):
            known = frame.relevance is not None
            share = f"{frame.relevance.sum():.0%} of it" if known else "not remembered"
            shown = show(axes, frame.frame, f"frame {frame.number}: {share}")
            _box(axes, frame.box, self._colour)
            if known:
                image = _heat(axes, frame.relevance, frame.box, frame.frame.shape, most)
        return shown if image is None else image

    def _show_alignment(self, point: Aligned, panels: Sequence["Axes"]) -> None:
        """A template's position, and its weights in proposals (the supplement's Figure 3)."""
        template, *others = panels
        side = len(point.weights[0])
        _region(template, self.first, self.first_box, "template, frame 0")
        _cross(template, point, self.first_box, side)
        for number, (axes, weights) in enumerate(zip(others, point.weights, strict=True)):
            proposal = self.proposals[number]
            taken = "taken" if number == self.taken else f"{number + 1}."
            title = f"proposal, {taken}: similarity {proposal.similarity:.2f}"
            _region(axes, self.current, proposal.box, title)
            _heat(axes, weights, proposal.box, self.current.shape, float(weights.max()))
            _cross(axes, point, proposal.box, side, faint=True)

    def _show_result(self, panels: Sequence["Axes"]) -> None:
        coarse, probability, frame = panels
        how = "its last mask" if self.kept_last else "no proposal"
        how = how if self.taken is None else "the proposal taken"
        show(coarse, self.coarse, f"coarse: {how}", size=self.current.shape, vmin=0, vmax=1)
        show_probability(probability, self.probability, self.object_id)
        show(frame, overlay(self.current, self.labels), "all objects, refined")

    @property
    def _colour(self) -> tuple[float, ...]:
        return tuple((PALETTE[self.object_id] // 2 + 127) / 255)  # as in overlays


def _box(axes: "Axes", box: Box, colour: Any, **style: Any) -> None:
    top, left, bottom, right = box
    x, y = (left, right, right, left, left), (top, top, bottom, bottom, top)
    axes.plot(x, y, color=colour, linewidth=1.6, scalex=False, scaley=False, **style)


def _contour(axes: "Axes", mask: np.ndarray, size: Sequence[int], colour: str) -> None:
    """A mask of a frame, at any stride, over the frame."""
    if mask.min() < 0.5 < mask.max():
        y, x = (
            (np.arange(cells) + 0.5) * side / cells
            for cells, side in zip(mask.shape, size, strict=False)
        )
        axes.contour(x, y, mask, levels=[0.5], colors=[colour], linewidths=1.6)


def _heat(
    axes: "Axes", values: np.ndarray, box: Box, size: Sequence[int], most: float
) -> "AxesImage":
    """R×R values over their box, blue where they are small, red where they are large."""
    top, left, bottom, right = box
    limits = axes.get_xlim(), axes.get_ylim()
    image = axes.imshow(
        values,
        extent=(left, right, bottom, top),
        cmap="jet",
        vmin=0,
        vmax=most,
        alpha=0.55,
        interpolation="bilinear",
    )
    axes.set(xlim=limits[0], ylim=limits[1])
    return image


def _region(axes: "Axes", frame: np.ndarray, box: Box, title: str) -> None:
    """A frame around a box."""
    show(axes, frame, title)
    top, left, bottom, right = box
    margin = 0.15 * max(bottom - top, right - left)
    axes.set(
        xlim=(max(0, left - margin), min(frame.shape[1], right + margin)),
        ylim=(min(frame.shape[0], bottom + margin), max(0, top - margin)),
    )
    _box(axes, box, "white", linestyle=":")


def _cross(axes: "Axes", point: Aligned, box: Box, side: int, *, faint: bool = False) -> None:
    """The position of a region's grid; faint: where it would be without alignment."""
    top, left, bottom, right = box
    x = left + (point.column + 0.5) * (right - left) / side
    y = top + (point.row + 0.5) * (bottom - top) / side
    axes.plot(
        x,
        y,
        "x" if faint else "+",
        color="white" if faint else "#ff5a36",
        markersize=8 if faint else 14,
        mew=1.4 if faint else 2.6,
    )
