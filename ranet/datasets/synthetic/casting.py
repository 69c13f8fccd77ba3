"""What plays in a scene: objects, their look-alikes, scenery, and what passes in front of them."""

import numpy as np

from ranet.datasets.synthetic.chance import log_uniform
from ranet.datasets.synthetic.looks import (
    Look,
    look_alike,
    object_looks,
    paint_backdrop,
    pole_look,
    scenery_look,
)
from ranet.datasets.synthetic.palettes import random_palette
from ranet.datasets.synthetic.scene import Layer, Scene, footprint
from ranet.datasets.synthetic.sprites import Manner, Sprite, draw_sprite
from ranet.datasets.synthetic.staging import Stage, draw_stage

_TRIES = 12  # to find a place where everything still shows
_SMALLEST, _LARGEST = 0.035, 0.2  # share of the frame that an object covers
_CROWD = 0.5  # share of the frame that all objects together cover at most
_ROLLING_KINDS = ("blob", "polygon", "ring", "star")


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
    stage = draw_stage(rng, frames=frames, size=size)
    palettes = [random_palette(rng) for _ in range(2)]
    cast = _Cast(size)
    stars: list[Look] = []
    while not stars:  # hardly ever twice: a thin shape can be invisible in a tiny frame
        looks = object_looks(rng, int(rng.integers(1, max_objects + 1)), palettes, min(size))
        stars = [look for look in looks if _enter_object(rng, stage, cast, look, len(looks))]
    for _ in range(rng.binomial(rng.integers(1, 4), clutter)):
        _enter_look_alike(rng, stage, cast, stars)
    for _ in range(rng.binomial(rng.choice(3, p=[0.4, 0.4, 0.2]), clutter)):
        _enter_obstacle(rng, stage, cast)
    for _ in range(rng.binomial(rng.integers(0, 3), clutter)):
        _enter_scenery(rng, stage, cast, palettes)
    return Scene(
        size=size,
        backdrop=paint_backdrop(rng, palettes, size),
        camera=stage.camera,
        layers=tuple(cast.layers),
    )


class _Cast:
    """The layers so far, from back to front, and what each covers of the first frame."""

    def __init__(self, size: tuple[int, int]):
        self.size = size
        self.layers: list[Layer] = []
        self._masks: list[np.ndarray] = []

    @property
    def objects(self) -> int:
        return sum(layer.label > 0 for layer in self.layers)

    def admit(self, layer: Layer, depth: int) -> bool:
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


def _enter_object(
    rng: np.random.Generator, stage: Stage, cast: _Cast, look: Look, objects: int
) -> bool:
    """Add an object that shows in the first frame; False if there is no place for it."""
    largest = min(_LARGEST, _CROWD / objects)
    share = log_uniform(rng, min(_SMALLEST, largest / 2), largest)
    label = cast.objects + 1
    for attempt in range(_TRIES):
        area = share * stage.area * 0.92**attempt
        sprite = _actor(rng, look, area, len(stage.times))
        start = _free_point(rng, stage, cast)
        placement = stage.walking(rng, _diameter(area), at=0.0, through=start)
        layer = Layer(sprite, placement, label, _shadow(rng, area))
        inside = np.count_nonzero(footprint(layer, 0, stage.size))
        if 0.7 * area <= inside <= 1.25 * area and cast.admit(layer, _any_depth(rng, cast)):
            return True
    return False


def _enter_look_alike(
    rng: np.random.Generator, stage: Stage, cast: _Cast, looks: list[Look]
) -> None:
    """Add something like one of the objects, that comes its way at some time or keeps away."""
    star = int(rng.integers(len(looks)))
    area = stage.area * log_uniform(rng, 0.025, 0.14)
    frames = len(stage.times)
    sprite = _actor(rng, look_alike(rng, looks[star]), area, frames)
    path = next(layer.placement.position for layer in cast.layers if layer.label == star + 1)
    meets = rng.random() < 0.6
    for _ in range(_TRIES):
        at, point = 0, _free_point(rng, stage, cast)
        if meets:
            at = int(rng.uniform(0.2, 1) * (frames - 1))
            point = path[at, 0] + rng.normal(0, 0.35, 2) * _diameter(area)
        placement = stage.walking(rng, _diameter(area), at=at, through=point)
        layer = Layer(sprite, placement, shadow=_shadow(rng, area))
        if cast.admit(layer, _any_depth(rng, cast)):
            return


def _enter_obstacle(rng: np.random.Generator, stage: Stage, cast: _Cast) -> None:
    """Add a pole or a bush before everything, which something passes behind."""
    pole = rng.random() < 0.6
    side = min(stage.size)
    look = pole_look(rng, side) if pole else scenery_look(rng, [random_palette(rng)], side)
    share = rng.uniform(0.06, 0.2) if pole else rng.uniform(0.01, 0.06)
    sprite = _still(rng, look, share * stage.area, len(stage.times))
    for _ in range(_TRIES):
        frame = int(rng.uniform(0.25, 1) * (len(stage.times) - 1))
        mover = cast.layers[rng.integers(len(cast.layers))]
        place = mover.placement.position[frame, 0]
        placement = stage.standing(place, at=frame, nearness=rng.uniform(1.2, 2.0))
        if cast.admit(Layer(sprite, placement), len(cast.layers)):
            return


def _enter_scenery(
    rng: np.random.Generator, stage: Stage, cast: _Cast, palettes: list[np.ndarray]
) -> None:
    """Add something large between the backdrop and all that moves."""
    area = rng.uniform(0.02, 0.15) * stage.area
    sprite = _still(rng, scenery_look(rng, palettes, min(stage.size)), area, len(stage.times))
    point = rng.uniform(-0.1, 1.1, 2) * stage.extent
    cast.admit(Layer(sprite, stage.standing(point, at=0, nearness=rng.uniform(1.0, 1.3))), 0)


def _actor(rng: np.random.Generator, look: Look, area: float, frames: int) -> Sprite:
    """A sprite that may bend and roll."""
    manner = Manner(
        bend=rng.choice([0.0, rng.uniform(0.03, 0.1)], p=[0.35, 0.65]),
        roll=rng.uniform(0.2, 0.6) if look.kind in _ROLLING_KINDS and rng.random() < 0.4 else 0.0,
        relief=rng.uniform(0, 0.8),
    )
    return draw_sprite(rng, look.parts, look.styles, area=area, frames=frames, manner=manner)


def _still(rng: np.random.Generator, look: Look, area: float, frames: int) -> Sprite:
    """A sprite that keeps its shape."""
    manner = Manner(relief=rng.uniform(0, 0.8))
    return draw_sprite(rng, look.parts, look.styles, area=area, frames=frames, manner=manner)


def _diameter(area: float) -> float:
    """Of the disk of that area."""
    return 2 * float(np.sqrt(area / np.pi))


def _any_depth(rng: np.random.Generator, cast: _Cast) -> int:
    return int(rng.integers(len(cast.layers) + 1))


def _shadow(rng: np.random.Generator, area: float) -> tuple[float, float] | None:
    """In one of four cases, a shadow to one side and below."""
    if rng.random() >= 0.25:
        return None
    return float(rng.uniform(-0.2, 0.2) * _diameter(area)), float(0.12 * _diameter(area))


def _free_point(rng: np.random.Generator, stage: Stage, cast: _Cast) -> np.ndarray:
    """Of some points of the frame's inner part, the one farthest from where the others start."""
    candidates = rng.uniform(0.2, 0.8, (6, 2)) * stage.extent
    if not cast.layers:
        return candidates[0]
    others = np.stack([layer.placement.position[0, 0] for layer in cast.layers])
    gaps = np.linalg.norm(candidates[:, None] - others, axis=-1).min(axis=1)
    return candidates[np.argmax(gaps)]
