"""How things look: their shapes and materials, and what makes two things look alike."""

from dataclasses import dataclass

import cv2
import numpy as np

from ranet.datasets.synthetic.chance import log_uniform
from ranet.datasets.synthetic.compositing import lay_over
from ranet.datasets.synthetic.palettes import (
    Palette,
    distinct_palette,
    random_palette,
    related_palette,
)
from ranet.datasets.synthetic.shapes import SHAPES, Part, bar
from ranet.datasets.synthetic.sprites import Manner, draw_sprite
from ranet.datasets.synthetic.textures import WILD_PATTERNS, Shape, Style, noise, random_style

_BACKDROP_SCALE = 1.5  # of the frame's sides: room for the camera to move
_SCENERY_SHAPES = ("blob", "polygon", "star")


@dataclass(frozen=True)
class Look:
    """A kind of shape, one individual of it, and its two materials."""

    kind: str
    parts: list[Part]
    styles: tuple[Style, Style]  # the main one, and the accent's


def object_looks(
    rng: np.random.Generator, count: int, backdrop: list[Palette], side: int
) -> list[Look]:
    """Looks of the objects of a video: mostly unlike each other and the backdrop.

    Some have the backdrop's colours, and some are of one kind and differ in colour alone.

    Args:
        rng: source of everything random.
        count: how many.
        backdrop: palettes of the backdrop.
        side: shorter side of the frame in pixels; patterns scale with it.
    """
    looks: list[Look] = []
    taken = list(backdrop)
    for _ in range(count):
        hidden = rng.random() < 0.1
        main = related_palette(rng, backdrop[0]) if hidden else distinct_palette(rng, taken)
        accent = distinct_palette(rng, [main])
        taken.append(main)
        if looks and rng.random() < 0.3:
            first = looks[0]
            styles = (first.styles[0].in_colours(main), first.styles[1].in_colours(accent))
            looks.append(Look(first.kind, first.parts, styles))
            continue
        cell = side * log_uniform(rng, 0.02, 0.1)
        kind = str(rng.choice(list(SHAPES)))
        styles = (random_style(rng, main, cell), random_style(rng, accent, cell))
        looks.append(Look(kind, SHAPES[kind](rng), styles))
    return looks


def look_alike(rng: np.random.Generator, look: Look) -> Look:
    """A thing of the same kind that differs in its main material, and perhaps in more."""
    main, accent = look.styles
    difference = rng.choice(["both", "main", "pattern"], p=[0.62, 0.28, 0.1])
    if difference == "pattern":
        main = main.repatterned(rng)
    else:
        main = main.in_colours(distinct_palette(rng, [main.palette]))
    if difference == "both":
        accent = accent.in_colours(distinct_palette(rng, [accent.palette]))
    parts = look.parts if rng.random() < 0.5 else SHAPES[look.kind](rng)
    return Look(look.kind, parts, (main, accent))


def scenery_look(rng: np.random.Generator, backdrop: list[Palette], side: int) -> Look:
    """A simple thing, as often as not in the backdrop's colours."""
    base = backdrop[rng.integers(len(backdrop))]
    palette = related_palette(rng, base) if rng.random() < 0.5 else random_palette(rng)
    cell = side * log_uniform(rng, 0.02, 0.1)
    styles = (random_style(rng, palette, cell), random_style(rng, random_palette(rng), cell))
    kind = str(rng.choice(_SCENERY_SHAPES))
    return Look(kind, SHAPES[kind](rng), styles)


def pole_look(rng: np.random.Generator, side: int) -> Look:
    """A pole or a trunk."""
    style = random_style(rng, random_palette(rng), side * rng.uniform(0.02, 0.08))
    return Look("bar", bar(rng), (style, style))


def paint_backdrop(
    rng: np.random.Generator, palettes: list[Palette], size: tuple[int, int]
) -> np.ndarray:
    """A large surface of two materials, strewn with things, perhaps out of focus.

    Args:
        rng: source of everything random.
        palettes: of the two materials.
        size: height and width of the frame.

    Returns:
        h×w×3 uint8 RGB, larger than the frame.
    """
    shape = (int(_BACKDROP_SCALE * size[0]), int(_BACKDROP_SCALE * size[1]))
    side = min(size)
    first, second = (
        random_style(rng, palette, side * log_uniform(rng, 0.03, 0.2), WILD_PATTERNS).paint(
            rng, shape
        )
        for palette in palettes
    )
    image = cv2.blendLinear(first, second, *_two_regions(rng, shape))
    for _ in range(rng.integers(0, 16)):
        _strew(rng, image, palettes, side)
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.8, 3) * side / 240)
    return image


def _two_regions(rng: np.random.Generator, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Shares of two materials at every pixel: below and above a horizon, or in patches."""
    relief = noise(rng, shape, shape[1] / rng.uniform(2, 5), octaves=4)
    if rng.random() < 0.5:
        height = np.linspace(0, 1, shape[0], dtype=np.float32)[:, None]
        relief = height + 0.25 * (relief - 0.5) + 0.5 - rng.uniform(0.3, 0.6)
    share = np.clip((relief - 0.5) * rng.uniform(8, 60) + 0.5, 0, 1).astype(np.float32)
    return share, 1 - share


def _strew(rng: np.random.Generator, image: np.ndarray, palettes: list[Palette], side: int) -> None:
    """Put a small thing somewhere on the backdrop, for good."""
    look = scenery_look(rng, palettes, side)
    area = side**2 * log_uniform(rng, 0.004, 0.06)
    manner = Manner(relief=rng.uniform(0, 0.6))
    sprite = draw_sprite(rng, look.parts, look.styles, area=area, frames=1, manner=manner)
    piece, _ = sprite.pose(0)
    height, width = (min(a, b) for a, b in zip(piece.shape[:2], image.shape[:2], strict=True))
    top = int(rng.integers(0, image.shape[0] - height + 1))
    left = int(rng.integers(0, image.shape[1] - width + 1))
    lay_over(image, piece[:height, :width], np.s_[top : top + height, left : left + width])
