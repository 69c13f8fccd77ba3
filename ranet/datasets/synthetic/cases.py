"""Scenes that are made for one difficulty each, to measure what a method makes of it.

Two things that look alike, and a camera that is held still; where they are is exact, what they look
like is drawn as in any other scene. Object 1 is one of the two; the other is object 2, or none.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np

from ranet.datasets.synthetic.materials import random_palette, random_style
from ranet.datasets.synthetic.motion import Placement, wander
from ranet.datasets.synthetic.random_scene import Look, SceneInMaking, look_alike
from ranet.datasets.synthetic.scene import Layer, Scene, footprint
from ranet.datasets.synthetic.shapes import Part
from ranet.datasets.synthetic.sprites import Sprite

FEWEST_FRAMES = 12
"""Of a video: in fewer, nothing has the time to cross or to vanish."""

GAPS = (-0.7, -0.3, 0.1, 0.5)
"""Between two that cross, in diameters, by number of the video; below 0, one hides the other."""

ABSENCES = (("behind", 1 / 8), ("outside", 1 / 8), ("behind and back", 1 / 3), ("around", 1 / 3))
"""How an object vanishes, and for which share of the frames, by number of the video."""

_LONG, _WIDE = 9.0, 4.7  # the frame, in diameters, at least
_BEFORE_THEY_MEET = 1.75  # diameters, of each
_EDGE = 0.3  # diameters between an object and what it will vanish behind, at first
_ASIDE = 0.22  # of the frame's shorter side, from its middle: two have room beside each other
_SLACK = 2.0  # pixels that it goes farther out, or that an obstacle is larger, than needed


def draw_case(
    rng: np.random.Generator,
    *,
    case: str,
    number: int,
    frames: int,
    size: tuple[int, int],
    max_objects: int,
    clutter: float,
) -> Scene:
    """A scene made for one of the :data:`CASES`.

    Args:
        rng: source of everything random.
        case: its name.
        number: of the video, from 0.
        frames: length of the video, at least :data:`FEWEST_FRAMES`.
        size: height and width in pixels.
        max_objects: 1: the second of the two things is no object.
        clutter: share of the scenery that really enters, 0 to 1.
    """
    stage = _Stage(rng, frames, size)
    layers = CASES[case](stage, number, 2 if max_objects > 1 else 0)
    behind = list(stage.scenery(clutter))[::-1]
    return Scene(size, stage.paint_backdrop(), stage.motion.camera, (*behind, *layers))


def _look_alikes_crossing(stage: "_Stage", number: int, other_label: int) -> list[Layer]:
    """Two of one shape and material go opposite ways, and pass each other half way through.

    How near they come is told by :data:`GAPS`, whose first value is that of video 0.
    """
    (look,) = stage.object_looks(1)
    first, second = (_Actor(stage, look) for _ in range(2))
    gap = GAPS[number % len(GAPS)] * stage.diameter
    apart = first.reach[1, 1] - second.reach[0, 1] + gap  # across, from centre to centre
    way = _BEFORE_THEY_MEET * stage.diameter * (2 * stage.times / (len(stage.times) - 1) - 1)
    layers = [
        first.layer(way, np.full_like(way, -apart / 2), label=1),
        second.layer(-way, np.full_like(way, apart / 2), label=other_label),
    ]
    return layers[:: stage.rng.choice([-1, 1])]


def _occlusion_and_return(stage: "_Stage", number: int, other_label: int) -> list[Layer]:
    """One vanishes half way through, and comes back; something like it is there all the time.

    By :data:`ABSENCES`, it passes behind something; leaves the frame and comes back on the same
    side, but elsewhere; goes behind something and comes back where it was; or leaves the frame and
    comes back on its other side.
    """
    rng, frames = stage.rng, len(stage.times)
    (look,) = stage.object_looks(1)
    actor, other = _Actor(stage, look), _Actor(stage, look_alike(rng, look))
    kind, share = ABSENCES[number % len(ABSENCES)]
    hidden = max(2, round(share * frames))
    behind = kind.startswith("behind")
    low, high = actor.reach[:, 0]
    edge, end = max(_EDGE * stage.diameter, 2 * _SLACK), stage.length / 2
    wide = high - low  # of the obstacle
    if kind == "behind":  # at one speed
        wide += 2 * (high - low + edge) * hidden / (frames - 1 - hidden)
    near, gone = -wide / 2 - edge - high, -wide / 2 - low
    if not behind:
        near, gone = edge - low - end, -high - _SLACK - end
    # Places along the frame: at first, when none of it is seen any more, until when, at last.
    places = {
        "behind": (near, gone, wide / 2 - high, wide / 2 + edge - low),
        "behind and back": (near, gone, gone, near),
        "outside": (near, gone, gone, near),
        "around": (near, gone, end + _SLACK - low, end - edge - high),
    }[kind]
    aside = _ASIDE * stage.width
    along, across = stage.path(
        hidden, places, -aside, -aside if behind else aside, jumps=not behind
    )
    sway = wander(rng, stage.times, spacing=8, amount=0.15 * stage.diameter, shape=(2,))
    layers = [
        other.layer(sway[..., 0], sway[..., 1] + aside * behind, other_label),
        actor.layer(along, across, label=1),
    ]
    if behind:
        tall = np.ptp(actor.reach[:, 1])
        layers.append(stage.obstacle((wide, tall), actor.reach[:, 1].mean() - aside))
    return layers


CASES: dict[str, Callable[["_Stage", int, int], list[Layer]]] = {
    "look_alikes_crossing": _look_alikes_crossing,
    "occlusion_and_return": _occlusion_and_return,
}
"""What draws the layers of video ``number``, from back to front, by name."""


class _Stage(SceneInMaking):
    """The frame, the still camera, and what all that is seen has in common.

    Places are (along, across): along the frame's longer side, one way or the other, from the middle
    of the frame.
    """

    def __init__(self, rng: np.random.Generator, frames: int, size: tuple[int, int]) -> None:
        super().__init__(rng, frames, size)
        self.times = self.motion.times
        pairs = np.ones((*self.times.shape, 2))
        centre = self.motion.extent / 2 * pairs
        self.motion.shake = 0 * pairs
        self.motion.camera = Placement(centre, np.zeros(self.times.shape), pairs)
        self.width, self.length = sorted(size)
        self.diameter = min(self.length / _LONG, self.width / _WIDE)
        self._axes = [0, 1] if size[1] >= size[0] else [1, 0]  # of along and across, in (x, y)
        self._signs = rng.choice([-1.0, 1.0], 2)

    def placed(self, along: np.ndarray, across: np.ndarray, still: Placement) -> Placement:
        """Somewhere else than in the middle, where ``still`` is, frames×exposures each."""
        places = (np.stack([along, across], axis=-1) * self._signs)[..., self._axes]
        return replace(still, position=still.position + places)

    def seen_from(self, corners: np.ndarray) -> np.ndarray:
        """The least and the largest (x, y), 2×2, as the least and the largest (along, across)."""
        return np.sort(corners[:, self._axes] * self._signs, axis=0)

    def path(
        self, hidden: int, places: Sequence[float], before: float, after: float, *, jumps: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Along and across, of something that is not seen for ``hidden`` frames in the middle.

        Args:
            hidden: frames.
            places: along: at first, as that begins, as it ends, at last.
            before: across.
            after: likewise.
            jumps: whether it gets from the second of the places to the third at once.
        """
        last = len(self.times) - 1
        middle = last / 2
        times = [0, middle - hidden / 2, middle + hidden / 2, last]
        along = np.interp(self.times, times, places)
        if jumps:
            gone = abs(self.times - middle) < hidden / 2
            along[gone] = np.where(self.times < middle, *places[1:3])[gone]
        return along, np.where(self.times < middle, before, after)

    def obstacle(self, sides: tuple[float, float], across: float) -> Layer:
        """Something of these sides, along and across, that stands in the middle of the frame."""
        corners = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
        grown = (np.array(sides) + 2 * _SLACK)[self._axes]
        style = random_style(self.rng, random_palette(self.rng), self.width * 0.06)
        sprite = Sprite(
            self.rng,
            [Part((corners * grown / grown.max(),))],
            (style, style),
            area=float(grown.prod()),
            frames=len(self.times),
        )
        nowhere = np.zeros(self.times.shape)
        return Layer(sprite, self.placed(nowhere, nowhere + across, self.motion.camera))


class _Actor:
    """Something that moves: it turns, swings and bends as it goes.

    Attributes:
        reach: how far it extends in any frame from where it is, 2×2: the least and the largest
            (along, across), in pixels.
    """

    def __init__(self, stage: _Stage, look: Look) -> None:
        self.stage = stage
        rng, times = stage.rng, stage.times
        self.sprite = stage.moving_sprite(look, np.pi / 4 * stage.diameter**2)
        camera = stage.motion.camera
        flip = np.array([rng.choice([-1.0, 1.0]), 1.0])
        angle = wander(rng, times, spacing=8, amount=0.2)
        self._still = replace(camera, angle=angle, stretch=camera.stretch * flip)
        middle = times.shape[1] // 2
        corners = []
        for frame in range(len(times)):
            mask = footprint(Layer(self.sprite, self._still), frame, stage.motion.size)
            left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
            box = np.array([[left, top], [left + width, top + height]])
            corners.append(stage.seen_from(box - self._still.position[frame, middle]))
        self.reach = np.stack([np.min(corners, axis=0)[0], np.max(corners, axis=0)[1]])

    def layer(self, along: np.ndarray, across: np.ndarray, label: int) -> Layer:
        """It, as it goes there, frames×exposures each."""
        return Layer(self.sprite, self.stage.placed(along, across, self._still), label)
