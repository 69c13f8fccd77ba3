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
from ranet.datasets.synthetic.motion import VideoMotion, log_uniform
from ranet.datasets.synthetic.scene import Layer, Scene, footprint
from ranet.datasets.synthetic.shapes import SHAPES, Part, bar
from ranet.datasets.synthetic.sprites import Sprite, lay_over

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
    making = SceneInMaking(rng, frames, size)
    shown: list[Look] = []
    while not shown:  # hardly ever twice: a thin shape can be invisible in a tiny frame
        looks = making.object_looks(int(rng.integers(1, max_objects + 1)))
        shown = [look for look in looks if making.add_object(look, len(looks))]
    for _ in range(rng.binomial(rng.integers(1, 4), clutter)):
        making.add_look_alike(shown)
    for _ in range(rng.binomial(rng.choice(3, p=[0.4, 0.4, 0.2]), clutter)):
        making.add_obstacle()
    for layer in making.scenery(clutter):
        making.insert(layer, 0)
    return Scene(size, making.paint_backdrop(), making.motion.camera, tuple(making.layers))


class SceneInMaking:
    """A scene in the making: the layers so far, from back to front."""

    def __init__(self, rng: np.random.Generator, frames: int, size: tuple[int, int]) -> None:
        self.rng = rng
        self.motion = VideoMotion(rng, frames=frames, size=size)
        self.layers: list[Layer] = []
        self._frames, self._size = frames, size
        self._side = min(size)  # patterns scale with it
        self._palettes = [random_palette(rng) for _ in range(2)]  # of the backdrop
        self._masks: list[np.ndarray] = []  # what each layer covers of the first frame

    # --- what is in it

    def add_object(self, look: Look, objects: int) -> bool:
        """Add an object that shows in the first frame; False if there is no place for it."""
        largest = min(_LARGEST, _CROWD / objects)
        share = log_uniform(self.rng, min(_SMALLEST, largest / 2), largest)
        label = 1 + sum(layer.label > 0 for layer in self.layers)
        for attempt in range(_TRIES):
            area = share * self.motion.area * 0.92**attempt
            sprite = self.moving_sprite(look, area)
            start = self._free_point()
            placement = self.motion.walking(self.rng, _diameter(area), at=0.0, through=start)
            layer = Layer(sprite, placement, label, self._shadow(area))
            inside = np.count_nonzero(footprint(layer, 0, self._size))
            if 0.7 * area <= inside <= 1.25 * area and self.insert(layer, self._any_depth()):
                return True
        return False

    def add_look_alike(self, looks: list[Look]) -> None:
        """Add something like one of the objects, that comes its way at some time or keeps away."""
        rng = self.rng
        chosen = int(rng.integers(len(looks)))
        area = self.motion.area * log_uniform(rng, 0.025, 0.14)
        sprite = self.moving_sprite(look_alike(rng, looks[chosen]), area)
        path = next(la.placement.position for la in self.layers if la.label == chosen + 1)
        meets = rng.random() < 0.6
        for _ in range(_TRIES):
            at, point = 0, self._free_point()
            if meets:
                at = int(rng.uniform(0.2, 1) * (self._frames - 1))
                point = path[at, 0] + rng.normal(0, 0.35, 2) * _diameter(area)
            placement = self.motion.walking(rng, _diameter(area), at=at, through=point)
            layer = Layer(sprite, placement, shadow=self._shadow(area))
            if self.insert(layer, self._any_depth()):
                return

    def add_obstacle(self) -> None:
        """Add a pole or a bush before everything, which something passes behind."""
        rng = self.rng
        pole = rng.random() < 0.6
        if pole:
            style = random_style(rng, random_palette(rng), self._side * rng.uniform(0.02, 0.08))
            look = Look("bar", bar(rng), (style, style))
        else:
            look = self._scenery_look([random_palette(rng)])
        share = rng.uniform(0.06, 0.2) if pole else rng.uniform(0.01, 0.06)
        sprite = self._still_sprite(look, share * self.motion.area, self._frames, relief=0.8)
        for _ in range(_TRIES):
            frame = int(rng.uniform(0.25, 1) * (self._frames - 1))
            mover = self.layers[rng.integers(len(self.layers))]
            place = mover.placement.position[frame, 0]
            placement = self.motion.standing(place, at=frame, nearness=rng.uniform(1.2, 2.0))
            if self.insert(Layer(sprite, placement), len(self.layers)):
                return

    def scenery(self, clutter: float) -> Iterator[Layer]:
        """Up to two large things between the backdrop and all that moves, from front to back.

        Args:
            clutter: the share of them that really enters.
        """
        for _ in range(self.rng.binomial(self.rng.integers(0, 3), clutter)):
            area = self.rng.uniform(0.02, 0.15) * self.motion.area
            look = self._scenery_look(self._palettes)
            sprite = self._still_sprite(look, area, self._frames, relief=0.8)
            point = self.rng.uniform(-0.1, 1.1, 2) * self.motion.extent
            nearness = self.rng.uniform(1.0, 1.3)
            yield Layer(sprite, self.motion.standing(point, at=0, nearness=nearness))

    def insert(self, layer: Layer, depth: int) -> bool:
        """Insert a layer at ``depth`` if at least two thirds of every object still show."""
        layers = [*self.layers[:depth], layer, *self.layers[depth:]]
        mask = footprint(layer, 0, self._size)
        masks = [*self._masks[:depth], mask, *self._masks[depth:]]
        covered = np.zeros(self._size, bool)
        for each, whole in zip(reversed(layers), reversed(masks), strict=True):
            if each.label and 3 * np.count_nonzero(whole & ~covered) < 2 * np.count_nonzero(whole):
                return False
            covered |= whole
        self.layers, self._masks = layers, masks
        return True

    def _any_depth(self) -> int:
        return int(self.rng.integers(len(self.layers) + 1))

    def _free_point(self) -> np.ndarray:
        """Of points of the frame's inner part, the one farthest from where the others start."""
        candidates = self.rng.uniform(0.2, 0.8, (6, 2)) * self.motion.extent
        if not self.layers:
            return candidates[0]
        others = np.stack([layer.placement.position[0, 0] for layer in self.layers])
        gaps = np.linalg.norm(candidates[:, None] - others, axis=-1).min(axis=1)
        return candidates[np.argmax(gaps)]

    def _shadow(self, area: float) -> tuple[float, float] | None:
        """In one of four cases, a shadow to one side and below."""
        if self.rng.random() >= 0.25:
            return None
        return self.rng.uniform(-0.2, 0.2) * _diameter(area), 0.12 * _diameter(area)

    def moving_sprite(self, look: Look, area: float) -> Sprite:
        """A sprite that may bend and roll."""
        rng = self.rng
        bend = rng.choice([0.0, rng.uniform(0.03, 0.1)], p=[0.35, 0.65])
        rolls = look.kind in _ROLLING_KINDS and rng.random() < 0.4
        roll = rng.uniform(0.2, 0.6) if rolls else 0.0
        relief = rng.uniform(0, 0.8)
        movement = {"bend": bend, "roll": roll, "relief": relief}
        return Sprite(rng, look.parts, look.styles, area=area, frames=self._frames, **movement)

    def _still_sprite(self, look: Look, area: float, frames: int, *, relief: float) -> Sprite:
        """A sprite that keeps its shape, of ``relief`` at most."""
        relief = self.rng.uniform(0, relief)
        return Sprite(self.rng, look.parts, look.styles, area=area, frames=frames, relief=relief)

    # --- how it looks

    def object_looks(self, count: int) -> list[Look]:
        """Looks of the objects: mostly unlike each other and the backdrop.

        Some have the backdrop's colours, and some are of one kind and differ in colour alone.
        """
        rng = self.rng
        looks: list[Look] = []
        taken = list(self._palettes)
        for _ in range(count):
            hidden = rng.random() < 0.1
            main = related_palette(rng, taken[0]) if hidden else distinct_palette(rng, taken)
            accent = distinct_palette(rng, [main])
            taken.append(main)
            if looks and rng.random() < 0.3:
                first = looks[0]
                coloured = zip(first.styles, (main, accent), strict=True)
                styles = tuple(replace(style, palette=palette) for style, palette in coloured)
                looks.append(Look(first.kind, first.parts, styles))
                continue
            cell = self._side * log_uniform(rng, 0.02, 0.1)
            kind = str(rng.choice(list(SHAPES)))
            styles = (random_style(rng, main, cell), random_style(rng, accent, cell))
            looks.append(Look(kind, SHAPES[kind](rng), styles))
        return looks

    def _scenery_look(self, palettes: list[Palette]) -> Look:
        """A simple thing, as often as not in given colours."""
        rng = self.rng
        base = palettes[rng.integers(len(palettes))]
        palette = related_palette(rng, base) if rng.random() < 0.5 else random_palette(rng)
        cell = self._side * log_uniform(rng, 0.02, 0.1)
        styles = (random_style(rng, palette, cell), random_style(rng, random_palette(rng), cell))
        kind = str(rng.choice(_SCENERY_SHAPES))
        return Look(kind, SHAPES[kind](rng), styles)

    def paint_backdrop(self) -> np.ndarray:
        """A large surface of two materials, strewn with things, perhaps out of focus.

        Returns:
            h×w×3 uint8 RGB, larger than the frame.
        """
        rng, side = self.rng, self._side
        shape = (int(_BACKDROP_SCALE * self._size[0]), int(_BACKDROP_SCALE * self._size[1]))
        first, second = (
            random_style(rng, palette, side * log_uniform(rng, 0.03, 0.2), WILD_PATTERNS).paint(
                rng, shape
            )
            for palette in self._palettes
        )
        image = cv2.blendLinear(first, second, *_two_regions(rng, shape))
        for _ in range(rng.integers(0, 16)):
            self._strew(image)
        if rng.random() < 0.3:
            image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.8, 3) * side / 240)
        return image

    def _strew(self, image: np.ndarray) -> None:
        """Put a small thing somewhere on the backdrop, for good."""
        look = self._scenery_look(self._palettes)
        area = self._side**2 * log_uniform(self.rng, 0.004, 0.06)
        piece, _ = self._still_sprite(look, area, 1, relief=0.6).pose(0)
        height, width = (min(a, b) for a, b in zip(piece.shape[:2], image.shape[:2], strict=True))
        top = int(self.rng.integers(0, image.shape[0] - height + 1))
        left = int(self.rng.integers(0, image.shape[1] - width + 1))
        lay_over(image, piece[:height, :width], np.s_[top : top + height, left : left + width])


def _diameter(area: float) -> float:
    """Of the disk of that area."""
    return 2 * float(np.sqrt(area / np.pi))


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


def _two_regions(rng: np.random.Generator, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Shares of two materials at every pixel: below and above a horizon, or in patches."""
    relief = noise(rng, shape, shape[1] / rng.uniform(2, 5), octaves=4)
    if rng.random() < 0.5:
        height = np.linspace(0, 1, shape[0], dtype=np.float32)[:, None]
        relief = height + 0.25 * (relief - 0.5) + 0.5 - rng.uniform(0.3, 0.6)
    share = np.clip((relief - 0.5) * rng.uniform(8, 60) + 0.5, 0, 1).astype(np.float32)
    return share, 1 - share
