"""What is in a scene: objects, their look-alikes, scenery, and what passes in front of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ranet.datasets.synthetic.materials import (
    PATTERNS,
    WILD_PATTERNS,
    Palette,
    Shape,
    Style,
    distinct_palette,
    noise,
    random_palette,
    random_style,
    related_palette,
)
from ranet.datasets.synthetic.motion import VideoMotion, draw_motion, log_uniform
from ranet.datasets.synthetic.scene import Layer, Scene, footprint
from ranet.datasets.synthetic.shapes import SHAPES, Part, bar
from ranet.datasets.synthetic.sprites import Sprite, draw_sprite, lay_over

_TRIES = 12  # to find a place where everything still shows
_SMALLEST, _LARGEST = 0.035, 0.2  # share of the frame that an object covers
_CROWD = 0.5  # share of the frame that all objects together cover at most
_BACKDROP_SCALE = 1.5  # of the frame's sides: room for the camera to move
_SCENERY_SHAPES = ("blob", "polygon", "star")
_ROLLING_KINDS = ("blob", "polygon", "ring", "star")


@dataclass(frozen=True)
class Look:
    """A kind of shape, one individual of it, and its two materials."""

    kind: str
    parts: list[Part]
    styles: tuple[Style, Style]  # the main one, and the accent's


def draw_scene(
    rng: np.random.Generator,
    *,
    frames: int,
    size: tuple[int, int],
    max_objects: int,
    clutter: float = 1.0,
) -> Scene:
    """A random scene whose objects can all be seen in the first frame.

    Args:
        rng: source of everything random.
        frames: length of the video.
        size: height and width in pixels.
        max_objects: there are 1…``max_objects`` objects; fewer than were drawn where the frame
            has no room for another.
        clutter: share of the look-alikes, obstacles and scenery that really enter, 0 to 1.

    Returns:
        The scene.
    """
    motion = draw_motion(rng, frames=frames, size=size)
    palettes = [random_palette(rng) for _ in range(2)]
    layers = _Layers(size)
    shown: list[Look] = []
    while not shown:  # hardly ever twice: a thin shape can be invisible in a tiny frame
        looks = object_looks(rng, int(rng.integers(1, max_objects + 1)), palettes, min(size))
        shown = [look for look in looks if _add_object(rng, motion, layers, look, len(looks))]
    for _ in range(rng.binomial(rng.integers(1, 4), clutter)):
        _add_look_alike(rng, motion, layers, shown)
    for _ in range(rng.binomial(rng.choice(3, p=[0.4, 0.4, 0.2]), clutter)):
        _add_obstacle(rng, motion, layers)
    for layer in scenery(rng, motion, palettes, clutter):
        layers.insert(layer, 0)
    return Scene(
        size=size,
        backdrop=paint_backdrop(rng, palettes, size),
        camera=motion.camera,
        layers=tuple(layers.layers),
    )


class _Layers:
    """The layers so far, from back to front, and what each covers of the first frame."""

    def __init__(self, size: tuple[int, int]):
        self.size = size
        self.layers: list[Layer] = []
        self._masks: list[np.ndarray] = []

    @property
    def objects(self) -> int:
        return sum(layer.label > 0 for layer in self.layers)

    def insert(self, layer: Layer, depth: int) -> bool:
        """Insert a layer at ``depth`` if at least two thirds of every object still show."""
        layers = [*self.layers[:depth], layer, *self.layers[depth:]]
        mask = footprint(layer, 0, self.size)
        masks = [*self._masks[:depth], mask, *self._masks[depth:]]
        covered = np.zeros(self.size, bool)
        for each, whole in zip(reversed(layers), reversed(masks), strict=True):
            if each.label and 3 * np.count_nonzero(whole & ~covered) < 2 * np.count_nonzero(whole):
                return False
            covered |= whole
        self.layers, self._masks = layers, masks
        return True


def _add_object(
    rng: np.random.Generator, motion: VideoMotion, layers: _Layers, look: Look, objects: int
) -> bool:
    """Add an object that shows in the first frame; False if there is no place for it."""
    largest = min(_LARGEST, _CROWD / objects)
    share = log_uniform(rng, min(_SMALLEST, largest / 2), largest)
    label = layers.objects + 1
    for attempt in range(_TRIES):
        area = share * motion.area * 0.92**attempt
        sprite = moving_sprite(rng, look, area, len(motion.times))
        start = _free_point(rng, motion, layers)
        placement = motion.walking(rng, _diameter(area), at=0.0, through=start)
        layer = Layer(sprite, placement, label, _shadow(rng, area))
        inside = np.count_nonzero(footprint(layer, 0, motion.size))
        if 0.7 * area <= inside <= 1.25 * area and layers.insert(layer, _any_depth(rng, layers)):
            return True
    return False


def _add_look_alike(
    rng: np.random.Generator, motion: VideoMotion, layers: _Layers, looks: list[Look]
) -> None:
    """Add something like one of the objects, that comes its way at some time or keeps away."""
    chosen = int(rng.integers(len(looks)))
    area = motion.area * log_uniform(rng, 0.025, 0.14)
    frames = len(motion.times)
    sprite = moving_sprite(rng, look_alike(rng, looks[chosen]), area, frames)
    path = next(layer.placement.position for layer in layers.layers if layer.label == chosen + 1)
    meets = rng.random() < 0.6
    for _ in range(_TRIES):
        at, point = 0, _free_point(rng, motion, layers)
        if meets:
            at = int(rng.uniform(0.2, 1) * (frames - 1))
            point = path[at, 0] + rng.normal(0, 0.35, 2) * _diameter(area)
        placement = motion.walking(rng, _diameter(area), at=at, through=point)
        layer = Layer(sprite, placement, shadow=_shadow(rng, area))
        if layers.insert(layer, _any_depth(rng, layers)):
            return


def _add_obstacle(rng: np.random.Generator, motion: VideoMotion, layers: _Layers) -> None:
    """Add a pole or a bush before everything, which something passes behind."""
    pole = rng.random() < 0.6
    side = min(motion.size)
    look = _pole_look(rng, side) if pole else _scenery_look(rng, [random_palette(rng)], side)
    share = rng.uniform(0.06, 0.2) if pole else rng.uniform(0.01, 0.06)
    sprite = _still_sprite(rng, look, share * motion.area, len(motion.times))
    for _ in range(_TRIES):
        frame = int(rng.uniform(0.25, 1) * (len(motion.times) - 1))
        mover = layers.layers[rng.integers(len(layers.layers))]
        place = mover.placement.position[frame, 0]
        placement = motion.standing(place, at=frame, nearness=rng.uniform(1.2, 2.0))
        if layers.insert(Layer(sprite, placement), len(layers.layers)):
            return


def scenery(
    rng: np.random.Generator, motion: VideoMotion, palettes: list[Palette], clutter: float
) -> Iterator[Layer]:
    """Up to two large things between the backdrop and all that moves, from front to back.

    Args:
        rng: source of everything random.
        motion: of the video.
        palettes: of the backdrop.
        clutter: the share of them that really enters.
    """
    for _ in range(rng.binomial(rng.integers(0, 3), clutter)):
        area = rng.uniform(0.02, 0.15) * motion.area
        look = _scenery_look(rng, palettes, min(motion.size))
        sprite = _still_sprite(rng, look, area, len(motion.times))
        point = rng.uniform(-0.1, 1.1, 2) * motion.extent
        yield Layer(sprite, motion.standing(point, at=0, nearness=rng.uniform(1.0, 1.3)))


def moving_sprite(rng: np.random.Generator, look: Look, area: float, frames: int) -> Sprite:
    """A sprite that may bend and roll."""
    return draw_sprite(
        rng,
        look.parts,
        look.styles,
        area=area,
        frames=frames,
        bend=rng.choice([0.0, rng.uniform(0.03, 0.1)], p=[0.35, 0.65]),
        roll=rng.uniform(0.2, 0.6) if look.kind in _ROLLING_KINDS and rng.random() < 0.4 else 0.0,
        relief=rng.uniform(0, 0.8),
    )


def _still_sprite(rng: np.random.Generator, look: Look, area: float, frames: int) -> Sprite:
    """A sprite that keeps its shape."""
    relief = rng.uniform(0, 0.8)
    return draw_sprite(rng, look.parts, look.styles, area=area, frames=frames, relief=relief)


def _diameter(area: float) -> float:
    """Of the disk of that area."""
    return 2 * float(np.sqrt(area / np.pi))


def _any_depth(rng: np.random.Generator, layers: _Layers) -> int:
    return int(rng.integers(len(layers.layers) + 1))


def _shadow(rng: np.random.Generator, area: float) -> tuple[float, float] | None:
    """In one of four cases, a shadow to one side and below."""
    if rng.random() >= 0.25:
        return None
    return float(rng.uniform(-0.2, 0.2) * _diameter(area)), float(0.12 * _diameter(area))


def _free_point(rng: np.random.Generator, motion: VideoMotion, layers: _Layers) -> np.ndarray:
    """Of some points of the frame's inner part, the one farthest from where the others start."""
    candidates = rng.uniform(0.2, 0.8, (6, 2)) * motion.extent
    if not layers.layers:
        return candidates[0]
    others = np.stack([layer.placement.position[0, 0] for layer in layers.layers])
    gaps = np.linalg.norm(candidates[:, None] - others, axis=-1).min(axis=1)
    return candidates[np.argmax(gaps)]


# --- how it looks


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
            coloured = zip(first.styles, (main, accent), strict=True)
            styles = tuple(replace(style, palette=palette) for style, palette in coloured)
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
        others = [name for name in PATTERNS if name != main.pattern]
        main = replace(main, pattern=str(rng.choice(others)))
    else:
        main = replace(main, palette=distinct_palette(rng, [main.palette]))
    if difference == "both":
        accent = replace(accent, palette=distinct_palette(rng, [accent.palette]))
    parts = look.parts if rng.random() < 0.5 else SHAPES[look.kind](rng)
    return Look(look.kind, parts, (main, accent))


def _scenery_look(rng: np.random.Generator, backdrop: list[Palette], side: int) -> Look:
    """A simple thing, as often as not in the backdrop's colours."""
    base = backdrop[rng.integers(len(backdrop))]
    palette = related_palette(rng, base) if rng.random() < 0.5 else random_palette(rng)
    cell = side * log_uniform(rng, 0.02, 0.1)
    styles = (random_style(rng, palette, cell), random_style(rng, random_palette(rng), cell))
    kind = str(rng.choice(_SCENERY_SHAPES))
    return Look(kind, SHAPES[kind](rng), styles)


def _pole_look(rng: np.random.Generator, side: int) -> Look:
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
    look = _scenery_look(rng, palettes, side)
    area = side**2 * log_uniform(rng, 0.004, 0.06)
    relief = rng.uniform(0, 0.6)
    sprite = draw_sprite(rng, look.parts, look.styles, area=area, frames=1, relief=relief)
    piece, _ = sprite.pose(0)
    height, width = (min(a, b) for a, b in zip(piece.shape[:2], image.shape[:2], strict=True))
    top = int(rng.integers(0, image.shape[0] - height + 1))
    left = int(rng.integers(0, image.shape[1] - width + 1))
    lay_over(image, piece[:height, :width], np.s_[top : top + height, left : left + width])
