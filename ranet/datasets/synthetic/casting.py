"""What plays in a scene: objects, their look-alikes, scenery, and what passes in front of them."""

from dataclasses import dataclass

import numpy as np

from ranet.datasets.synthetic.motion import drift, walk, wander
from ranet.datasets.synthetic.scene import Layer, Placement, Scene
from ranet.datasets.synthetic.shapes import SHAPES, Part, bar
from ranet.datasets.synthetic.sprites import draw_sprite
from ranet.datasets.synthetic.textures import (
    WILD_PATTERNS,
    Style,
    distinct_palette,
    paint_backdrop,
    random_palette,
    random_style,
    related_palette,
)

_ATTEMPTS = 40
_SHRINK = 0.93  # of the objects' areas, at each further attempt


@dataclass(frozen=True)
class _Look:
    """What someone plays: a kind of shape, one individual of it, and its two materials."""

    kind: str
    parts: list[Part]
    styles: tuple[Style, Style]


def draw_scene(
    rng: np.random.Generator, *, frames: int, size: tuple[int, int], max_objects: int
) -> Scene:
    """A random scene whose objects can all be seen in the first frame.

    Args:
        rng: source of everything random.
        frames: length of the video.
        size: height and width in pixels.
        max_objects: there are 1…``max_objects`` objects.

    Returns:
        The scene.
    """
    objects = int(rng.integers(1, max_objects + 1))
    for attempt in range(_ATTEMPTS):
        scene = _Casting(rng, frames, size, objects, _SHRINK**attempt).scene()
        if _starts_well(scene):
            return scene
    raise RuntimeError(f"no place found for {objects} objects in {_ATTEMPTS} attempts")


def _starts_well(scene: Scene) -> bool:
    """Whether at least two thirds of every object, and 1 % of the frame, show in frame 0."""
    labels = scene.labels(0)
    smallest = 0.01 * labels.size
    return all(
        (visible := np.count_nonzero(labels == label)) >= smallest / max(scene.objects / 4, 1)
        and visible <= 0.27 * labels.size
        and 3 * visible >= 2 * np.count_nonzero(silhouette)
        for label, silhouette in scene.silhouettes(0)
    )


class _Casting:
    """Draws one scene; the random decisions that its layers share are fields."""

    def __init__(
        self,
        rng: np.random.Generator,
        frames: int,
        size: tuple[int, int],
        objects: int,
        shrink: float,
    ):
        self.rng = rng
        self.frames = frames
        self.size = size
        self.objects = objects
        self.shrink = shrink
        self.shape = np.array(size[::-1], float)  # width and height
        self.speed = float(np.exp(rng.uniform(np.log(0.035), np.log(0.1))))  # diameters a frame
        shutter = rng.uniform(0, 0.7)
        exposures = 1 if shutter < 0.15 else 3 if self.speed < 0.06 else 5
        open_for = np.linspace(-0.5, 0.5, exposures) * shutter if exposures > 1 else np.zeros(1)
        self.times = np.arange(frames)[:, None] + open_for
        self.camera = self._camera()

    def scene(self) -> Scene:
        """All layers, their order, and the backdrop."""
        rng = self.rng
        palettes = [random_palette(rng) for _ in range(2)]
        looks = self._object_looks(palettes)
        starts = _apart(rng, self.objects, self.shape)
        actors = [
            self._actor(look, at=0.0, through=p) for look, p in zip(looks, starts, strict=True)
        ]
        layers = [
            Layer(sprite, placement, label)
            for label, (sprite, placement) in enumerate(actors, start=1)
        ]
        layers += [self._look_alike(looks, layers) for _ in range(rng.integers(1, 4))]
        rng.shuffle(layers)
        scenery = [self._scenery(palettes) for _ in range(rng.integers(0, 5))]
        front = [self._obstacle(layers) for _ in range(rng.choice(3, p=[0.4, 0.4, 0.2]))]
        return Scene(
            size=self.size,
            backdrop=self._backdrop(palettes),
            camera=self.camera,
            layers=(*scenery, *layers, *front),
            objects=self.objects,
        )

    def _camera(self) -> Placement:
        rng, times = self.rng, self.times
        pace = rng.uniform(0, 0.02) * self.shape.max()
        pan = walk(
            rng,
            times,
            spacing=rng.uniform(6, 20),
            speed=pace,
            through=self.shape / 2,
            at=0,
            bounds=self.shape / 2 + np.array([[-0.3], [0.3]]) * self.shape,
        )
        pan += wander(rng, times, spacing=2.5, amount=rng.uniform(0, 0.006), shape=(2,)) * (
            self.shape.max()
        )
        zoom = np.exp(0.1 + wander(rng, times, spacing=12, amount=rng.uniform(0, 0.15)))
        roll = wander(rng, times, spacing=10, amount=rng.uniform(0, 0.08))
        return Placement(pan, roll, np.stack([zoom, zoom], axis=-1))

    def _backdrop(self, palettes: list[np.ndarray]) -> np.ndarray:
        rng = self.rng
        shape = tuple(int(1.5 * side) for side in self.size)
        cells = min(self.size) * np.exp(rng.uniform(np.log(0.03), np.log(0.2), 2))
        styles = [
            random_style(rng, p, c, WILD_PATTERNS) for p, c in zip(palettes, cells, strict=True)
        ]
        return paint_backdrop(rng, shape, *styles)

    def _object_looks(self, palettes: list[np.ndarray]) -> list[_Look]:
        """Different looks for the objects: mostly unlike the backdrop, sometimes camouflaged."""
        rng, looks, taken = self.rng, [], list(palettes)
        for _ in range(self.objects):
            hidden = rng.random() < 0.12
            main = related_palette(rng, palettes[0]) if hidden else distinct_palette(rng, taken)
            accent = distinct_palette(rng, [main], tries=3)
            cell = min(self.size) * np.exp(rng.uniform(np.log(0.02), np.log(0.1)))
            kind = str(rng.choice(list(SHAPES)))
            styles = (random_style(rng, main, cell), random_style(rng, accent, cell))
            looks.append(_Look(kind, SHAPES[kind](rng), styles))
            taken.append(main)
        return looks

    def _actor(self, look: _Look, *, at: float, through: np.ndarray, share: float | None = None):
        """A sprite that walks about, turns, grows and bends."""
        rng = self.rng
        most = min(0.22, 0.45 / self.objects)
        if share is None:
            share = self.shrink * np.exp(rng.uniform(np.log(min(0.025, most / 2)), np.log(most)))
        area = share * self.size[0] * self.size[1]
        diameter = 2 * np.sqrt(area / np.pi)
        stiff = rng.random() < 0.35
        sprite = draw_sprite(
            rng,
            look.parts,
            look.styles,
            area=area,
            frames=self.frames,
            bend=0.0 if stiff else rng.uniform(0.03, 0.12),
            relief=rng.uniform(0, 0.8),
        )
        return sprite, self._moves(diameter, at, through)

    def _moves(self, diameter: float, at: float, through: np.ndarray) -> Placement:
        rng, times = self.rng, self.times
        margin = 0.25 * diameter
        position = walk(
            rng,
            times,
            spacing=rng.uniform(5, 12),
            speed=self.speed * diameter * rng.uniform(0.7, 1.4),
            through=through,
            at=at,
            bounds=np.array([[margin, margin], self.shape - margin]),
        )
        flip = np.array([rng.choice([-1.0, 1.0]), 1.0])
        size = np.exp(drift(rng, times, spacing=6, step=rng.uniform(0, 0.02)))
        narrowing = np.exp(wander(rng, times, spacing=9, amount=rng.uniform(0, 0.3), shape=(2,)))
        stretch = np.clip(size, 0.5, 1.7)[..., None] * narrowing * flip
        spin = rng.choice([0.01, 0.05], p=[0.6, 0.4])
        angle = rng.uniform(-0.4, 0.4) + drift(rng, times, spacing=6, step=spin)
        return Placement(position, angle, stretch)

    def _look_alike(self, looks: list[_Look], layers: list[Layer]) -> Layer:
        """A distractor: shaped like one of the objects, other in colour or pattern, and moving."""
        rng = self.rng
        index = int(rng.integers(len(looks)))
        look, star = looks[index], layers[index]
        if rng.random() < 0.75:
            styles = tuple(style.recoloured(rng) for style in look.styles)
        else:
            styles = tuple(style.repatterned(rng) for style in look.styles)
        same = rng.random() < 0.5
        parts = look.parts if same else SHAPES[look.kind](rng)
        meeting = float(rng.uniform(0.25, 0.9) * (self.frames - 1))
        place = star.placement.position[round(meeting), 0]
        through = place + rng.normal(0, 0.12, 2) * min(self.size)
        alike = _Look(look.kind, parts, (styles[0], styles[1]))
        share = float(np.exp(rng.uniform(np.log(0.02), np.log(0.12))))
        return Layer(*self._actor(alike, at=meeting, through=through, share=share), label=0)

    def _fixed(self, offset: np.ndarray, nearness: float) -> Placement:
        """Something that stands still in the world while the camera moves."""
        camera, middle = self.camera, self.shape / 2
        position = middle + nearness * (camera.position - middle) + camera.stretch * offset
        return Placement(position, camera.angle, camera.stretch)

    def _scenery(self, palettes: list[np.ndarray]) -> Layer:
        """A thing of the backdrop's colours behind all that moves."""
        rng = self.rng
        kind = str(rng.choice(["blob", "polygon", "star"]))
        base = palettes[rng.integers(len(palettes))]
        palette = related_palette(rng, base) if rng.random() < 0.5 else random_palette(rng)
        cell = min(self.size) * rng.uniform(0.02, 0.1)
        styles = (random_style(rng, palette, cell), random_style(rng, random_palette(rng), cell))
        area = rng.uniform(0.01, 0.15) * self.size[0] * self.size[1]
        sprite = draw_sprite(
            rng,
            SHAPES[kind](rng),
            styles,
            area=area,
            frames=self.frames,
            bend=0.0,
            relief=rng.uniform(0, 0.6),
        )
        offset = rng.uniform(-0.6, 0.6, 2) * self.shape
        return Layer(sprite, self._fixed(offset, rng.uniform(1.0, 1.3)), label=0)

    def _obstacle(self, layers: list[Layer]) -> Layer:
        """A pole or a bush nearer than everything, in the way of one of the layers."""
        rng = self.rng
        pole = rng.random() < 0.6
        parts = bar(rng) if pole else SHAPES["blob"](rng)
        share = rng.uniform(0.06, 0.2) if pole else rng.uniform(0.01, 0.06)
        cell = min(self.size) * rng.uniform(0.02, 0.08)
        styles = tuple(random_style(rng, random_palette(rng), cell) for _ in range(2))
        sprite = draw_sprite(
            rng,
            parts,
            (styles[0], styles[1]),
            area=share * self.size[0] * self.size[1],
            frames=self.frames,
            bend=0.0,
            relief=rng.uniform(0.2, 0.8),
        )
        frame = int(rng.uniform(0.3, 0.9) * (self.frames - 1))
        goal = layers[rng.integers(len(layers))].placement.position[frame, 0]
        nearness = rng.uniform(1.2, 2.0)
        middle = self.shape / 2
        moved = nearness * (self.camera.position[frame, 0] - middle)
        offset = (goal - middle - moved) / self.camera.stretch[frame, 0]
        return Layer(sprite, self._fixed(offset, nearness), label=0)


def _apart(rng: np.random.Generator, count: int, shape: np.ndarray) -> list[np.ndarray]:
    """Points of the frame's inner part, each the farthest of some candidates from the earlier."""
    points: list[np.ndarray] = []
    for _ in range(count):
        candidates = rng.uniform(0.2, 0.8, (8, 2)) * shape
        if points:
            gaps = np.linalg.norm(candidates[:, None] - np.stack(points), axis=-1).min(axis=1)
            candidates = candidates[np.argsort(-gaps)]
        points.append(candidates[0])
    return points
