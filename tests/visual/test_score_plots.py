"""Bars and curves of scores."""

from pathlib import Path

import pytest
from PIL import Image

from ranet.errors import OutputError
from ranet.visual.score_plots import COLOURS, Bars, Curve, draw_bars, draw_curves

BARS = {"title": "A title", "x_label": "J&F-Mean (%)"}
CURVES = {"title": "A title", "y_label": "per cent"}


def of_colour(path: Path, colour: str) -> int:
    """Pixels of exactly this colour."""
    wanted = tuple(bytes.fromhex(colour[1:]))
    with Image.open(path) as image:
        counts = {found: n for n, found in image.convert("RGB").getcolors(1 << 20)}
    return counts.get(wanted, 0)


def test_longer_bars_have_more_of_their_colour(tmp_path: Path) -> None:
    path = tmp_path / "bars.png"
    bars = [Bars("a", [10.0, 20.0], COLOURS[0]), Bars("b", [50.0, 80.0], COLOURS[1])]
    draw_bars(path, ["x", "y"], bars, **BARS)
    assert 0 < of_colour(path, COLOURS[0]) < of_colour(path, COLOURS[1])


def test_what_is_unknown_has_no_bar(tmp_path: Path) -> None:
    path = tmp_path / "bars.png"
    draw_bars(path, ["x", "y"], [Bars("a", [30.0, None], COLOURS[0])], **BARS)
    once = of_colour(path, COLOURS[0])
    draw_bars(path, ["x", "y"], [Bars("a", [30.0, 30.0], COLOURS[0])], **BARS)
    assert of_colour(path, COLOURS[0]) > 1.5 * once


def test_a_gap_in_a_curve_is_not_drawn_over(tmp_path: Path) -> None:
    frames = [f"{frame:05d}" for frame in range(30)]
    pixels = []
    for values in ([50.0] * 30, [50.0] * 10 + [None] * 10 + [50.0] * 10):
        draw_curves(tmp_path / "c.png", frames, [Curve("J", values, COLOURS[0])], **CURVES)
        pixels.append(of_colour(tmp_path / "c.png", COLOURS[0]))
    assert 0 < pixels[1] < 0.8 * pixels[0]


@pytest.mark.parametrize("name", ["$x$", "$", "_hidden", "<b>&\"'", r"\frac"])
def test_names_are_no_formulas(tmp_path: Path, name: str) -> None:
    bars = {"title": name, "x_label": "per cent"}
    draw_bars(tmp_path / "b.png", [name], [Bars(name, [30.0], COLOURS[0])], **bars)
    curve = Curve(name, [30.0, 40.0], COLOURS[0], dashed=True)
    draw_curves(tmp_path / "c.png", [name, "1"], [curve], title=name, y_label="per cent")
    assert of_colour(tmp_path / "b.png", COLOURS[0]) > 0


def test_the_legend_shows_names_that_begin_with_a_line(tmp_path: Path) -> None:
    sizes = []
    for name in ("_run", "run"):
        draw_bars(tmp_path / f"{name}.png", ["x"], [Bars(name, [30.0], COLOURS[0])], **BARS)
        sizes.append(of_colour(tmp_path / f"{name}.png", COLOURS[0]))
    assert abs(sizes[0] - sizes[1]) < 0.02 * sizes[1]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/x\.png"):
        draw_bars(tmp_path / "file/x.png", ["x"], [Bars("a", [1.0], COLOURS[0])], **BARS)
