"""Bars, curves, and accuracy against speed."""

import sys
from pathlib import Path

import pytest
from PIL import Image

from ranet.errors import OutputError, RANetError
from ranet.visual import plots
from ranet.visual.plots import COLOURS, Scores, Series, draw_bars, draw_curves, draw_trade_off

BARS = {"title": "A title", "x_label": "J&F-Mean (%)"}
CURVES = {"title": "A title", "y_label": "per cent"}
TRADE_OFF = {"title": "A title", "x_label": "seconds a frame", "y_label": "J&F-Mean (%)"}


def of_colour(path: Path, colour: str) -> int:
    """Pixels of exactly this colour."""
    wanted = tuple(bytes.fromhex(colour[1:]))
    with Image.open(path) as image:
        counts = {found: n for n, found in image.convert("RGB").getcolors(1 << 20)}
    return counts.get(wanted, 0)


def ink(path: Path) -> int:
    """Pixels that are not white."""
    with Image.open(path) as image:
        return sum(n for n, colour in image.convert("L").getcolors() if colour < 250)


def test_longer_bars_have_more_of_their_colour_and_the_unknown_has_none(tmp_path: Path) -> None:
    path = tmp_path / "bars.png"
    bars = [Scores("a", [30.0, None], COLOURS[0]), Scores("b", [30.0, 80.0], COLOURS[1])]
    draw_bars(path, ["x", "y"], bars, **BARS)
    assert 0 < 1.5 * of_colour(path, COLOURS[0]) < of_colour(path, COLOURS[1])


def test_a_gap_in_a_curve_is_not_drawn_over(tmp_path: Path) -> None:
    frames = [f"{frame:05d}" for frame in range(30)]
    gap = [50.0] * 10 + [None] * 10 + [50.0] * 10
    whole, parted = Scores("J", [60.0] * 30, COLOURS[0]), Scores("F", gap, COLOURS[1])
    draw_curves(tmp_path / "c.png", frames, [whole, parted], **CURVES)
    pixels = [of_colour(tmp_path / "c.png", colour) for colour in COLOURS[:2]]
    assert 0 < pixels[1] < 0.8 * pixels[0]


def test_names_are_no_formulas_and_are_all_in_the_legend(tmp_path: Path) -> None:
    names = ["$x$", "$", "_hidden", "<b>&\"'", r"\frac"]
    colours = dict(zip(names, COLOURS, strict=False))
    curves = [Scores(name, [10.0 * n] * 5, c) for n, (name, c) in enumerate(colours.items(), 1)]
    draw_curves(tmp_path / "c.png", names, curves, title="$", y_label="per cent")
    drawn = [of_colour(tmp_path / "c.png", colour) for colour in colours.values()]
    assert min(drawn) > 0.99 * max(drawn)


def test_points_names_and_lines_leave_ink(tmp_path: Path) -> None:
    points = [(0.03, 85.0), (0.3, 86.0), (4.0, 87.0)]
    pictures = {
        "nothing": [],
        "points": [Series("a", points)],
        "named": [Series("a", points, ["first", "second", "third"])],
        "joined": [Series("a", points, joined=True)],
        "ours": [Series("a", points, ours=True)],
    }
    for name, series in pictures.items():
        draw_trade_off(tmp_path / f"{name}.png", series, **TRADE_OFF)
    found = {name: ink(tmp_path / f"{name}.png") for name in pictures}
    assert 0 < found["nothing"] < found["points"]
    assert all(found[name] > found["points"] for name in ("named", "joined", "ours"))


def test_names_of_near_points_do_not_touch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []

    def keep(*arguments, place=plots._write_names):
        written.extend(place(*arguments))

    monkeypatch.setattr(plots, "_write_names", keep)
    points = [(1.0, 80.0), (1.02, 80.1), (1.04, 80.0), (0.5, 70.0), (30.0, 90.0)]
    names = ["one network", "another network", "a third network", "far", "away"]
    draw_trade_off(tmp_path / "x.png", [Series("near", points, names, ours=True)], **TRADE_OFF)
    assert [text.get_text() for text in written] == names
    boxes = [text.get_window_extent() for text in written]
    assert all(box.count_overlaps(boxes) == 1 for box in boxes)  # itself


def test_a_name_too_few_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="argument"):
        draw_trade_off(tmp_path / "x.png", [Series("x", [(1, 2), (3, 4)], ["one"])], **TRADE_OFF)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/x\.png"):
        draw_bars(tmp_path / "file/x.png", ["x"], [Scores("a", [1.0], COLOURS[0])], **BARS)


def test_figures_name_the_extra_that_they_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(RANetError, match=r"\[plots\]"):
        draw_trade_off(tmp_path / "x.png", [], **TRADE_OFF)
    assert list(tmp_path.iterdir()) == []
