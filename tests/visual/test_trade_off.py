"""The plot of Figure 6 and of the curve of online learning."""

from pathlib import Path
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from ranet.errors import OutputError
from ranet.visual import trade_off
from ranet.visual.trade_off import Series, draw_trade_off

LABELS = {"title": "A title", "x_label": "seconds a frame", "y_label": "J&F-Mean (%)"}


def ink(path: Path) -> int:
    """Pixels that are not white."""
    with Image.open(path) as image:
        return sum(n for n, colour in image.convert("L").getcolors() if colour < 250)


def test_points_names_and_lines_leave_ink(tmp_path: Path) -> None:
    points = [(0.03, 85.0), (0.3, 86.0), (4.0, 87.0)]
    pictures = {
        "points": Series("a", points),
        "named": Series("a", points, ["first", "second", "third"]),
        "joined": Series("a", points, joined=True),
        "ours": Series("a", points, ours=True),
    }
    for name, series in pictures.items():
        draw_trade_off(tmp_path / f"{name}.png", [series], **LABELS)
    plain = ink(tmp_path / "points.png")
    assert plain > 0
    assert all(ink(tmp_path / f"{name}.png") > plain for name in ("named", "joined", "ours"))


def test_names_of_near_points_do_not_touch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = []

    class Canvas(FigureCanvasAgg):
        def print_png(self, *arguments: Any) -> None:
            figures.append(self.figure)
            super().print_png(*arguments)

    monkeypatch.setattr(trade_off, "FigureCanvasAgg", Canvas)
    points = [(1.0, 80.0), (1.02, 80.1), (1.04, 80.0), (0.5, 70.0), (30.0, 90.0)]
    names = ["one network", "another network", "a third network", "far", "away"]
    draw_trade_off(tmp_path / "x.png", [Series("near", points, names, ours=True)], **LABELS)
    texts = figures[0].axes[0].texts
    assert [text.get_text() for text in texts] == names
    boxes = [text.get_window_extent() for text in texts]
    assert all(box.count_overlaps(boxes) == 1 for box in boxes)  # itself


def test_the_same_is_drawn_twice(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        draw_trade_off(tmp_path / name, [Series("x", [(1.0, 50.0)])], **LABELS)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_nothing_to_draw_is_an_empty_plot(tmp_path: Path) -> None:
    draw_trade_off(tmp_path / "x.png", [Series("nothing", [])], **LABELS)
    assert ink(tmp_path / "x.png") > 0


def test_a_name_too_few_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="argument"):
        draw_trade_off(tmp_path / "x.png", [Series("x", [(1, 2), (3, 4)], ["one"])], **LABELS)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/x\.png"):
        draw_trade_off(tmp_path / "file/x.png", [], **LABELS)
