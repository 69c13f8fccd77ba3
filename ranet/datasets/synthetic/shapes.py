"""Outlines of things: blobs, stars, polygons, fish, animals, people, carts.

A shape is a list of parts from back to front, in units where the whole fits about the unit disk
around (0, 0), x to the right and y down. A part may swing about its pivot.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Outline = np.ndarray
"""n×2 floats: the (x, y) corners of a closed curve."""


@dataclass(frozen=True)
class Part:
    """One rigid piece of a shape."""

    outlines: tuple[Outline, ...]  # filled by the even-odd rule: an inner one is a hole
    pivot: tuple[float, float] = (0.0, 0.0)
    swing: float = 0.0  # largest angle either way, in radians
    accent: bool = False  # painted in the shape's second material


def _ellipse(x: float, y: float, radius_x: float, radius_y: float, angle: float = 0.0) -> Outline:
    theta = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    points = np.stack([radius_x * np.cos(theta), radius_y * np.sin(theta)], axis=1)
    return _rotated(points, angle) + np.array([x, y])


def _rotated(points: Outline, angle: float) -> Outline:
    cosine, sine = np.cos(angle), np.sin(angle)
    return points @ np.array([[cosine, sine], [-sine, cosine]])


def _rounded(points: Outline, rounds: int = 3) -> Outline:
    """The outline with its corners cut ``rounds`` times (Chaikin)."""
    for _ in range(rounds):
        following = np.roll(points, -1, axis=0)
        cut = np.stack([0.75 * points + 0.25 * following, 0.25 * points + 0.75 * following], axis=1)
        points = cut.reshape(-1, 2)
    return points


def _wobbly(rng: np.random.Generator, roughness: float, radius: float = 1.0) -> Outline:
    """A closed curve around the origin whose radius varies smoothly."""
    theta = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    radii = np.ones_like(theta)
    for wave in range(2, 8):
        radii += roughness / wave * rng.normal() * np.cos(wave * theta + rng.uniform(0, 2 * np.pi))
    radii = np.clip(radii, 0.35, None)
    radii *= radius / radii.max()
    return np.stack([radii * np.cos(theta), radii * np.sin(theta)], axis=1)


def _limb(
    start: tuple[float, float],
    length: float,
    width: float,
    angle: float,
    swing: float,
    *,
    accent: bool = False,
) -> Part:
    """A tapered capsule from ``start`` in direction ``angle`` that swings about its start."""
    corners = np.array(
        [[-0.1, -0.5], [0.6, -0.45], [1.0, -0.3], [1.0, 0.3], [0.6, 0.45], [-0.1, 0.5]]
    )
    points = _rounded(corners * (length, width), 2)
    return Part((_rotated(points, angle) + start,), start, swing, accent)


def _blob(rng: np.random.Generator) -> list[Part]:
    outlines = [_wobbly(rng, rng.uniform(0.15, 0.7)) * (1, rng.uniform(0.55, 1))]
    if rng.random() < 0.2:
        hole = _wobbly(rng, 0.2, rng.uniform(0.2, 0.35)) * (1, 0.8)
        outlines.append(hole + rng.uniform(-0.1, 0.1, 2))
    return [Part(tuple(outlines)), *_markings(rng)]


def _markings(rng: np.random.Generator) -> list[Part]:
    """None, one or two patches of the second material upon the middle of a shape."""
    return [
        Part(
            (_wobbly(rng, 0.3, rng.uniform(0.12, 0.28)) + rng.uniform(-0.25, 0.25, 2),), accent=True
        )
        for _ in range(rng.integers(0, 3))
    ]


def _star(rng: np.random.Generator) -> list[Part]:
    tips = int(rng.integers(4, 9))
    theta = np.arange(2 * tips) * np.pi / tips + rng.uniform(-0.08, 0.08, 2 * tips)
    radii = np.where(np.arange(2 * tips) % 2 == 0, 1.0, rng.uniform(0.4, 0.65))
    points = np.stack([radii * np.cos(theta), radii * np.sin(theta)], axis=1)
    return [Part((_rounded(points, int(rng.integers(0, 3))),)), *_markings(rng)]


def _polygon(rng: np.random.Generator) -> list[Part]:
    corners = int(rng.integers(3, 8))
    theta = (np.arange(corners) + rng.uniform(-0.3, 0.3, corners)) * 2 * np.pi / corners
    radii = rng.uniform(0.7, 1.0, corners)
    points = np.stack([radii * np.cos(theta), rng.uniform(0.6, 1) * radii * np.sin(theta)], axis=1)
    return [Part((_rounded(points, int(rng.integers(0, 3))),)), *_markings(rng)]


def _ring(rng: np.random.Generator) -> list[Part]:
    outer = _wobbly(rng, 0.15) * (1, rng.uniform(0.7, 1))
    return [Part((outer, outer * rng.uniform(0.45, 0.65) + rng.uniform(-0.08, 0.08, 2)))]


def _fish(rng: np.random.Generator) -> list[Part]:
    depth = rng.uniform(0.28, 0.45)
    fork = np.array([[0, -0.08], [0.4, -0.38], [0.3, 0], [0.4, 0.38], [0, 0.08]])
    tail = Part((_rounded(fork, 2) + np.array([0.5, 0]),), pivot=(0.5, 0), swing=0.5, accent=True)
    body = Part((_ellipse(-0.15, 0, 0.75, depth),))
    fin = _limb((-0.15, 0.1), 0.35, 0.22, rng.uniform(0.6, 1.4), 0.5, accent=True)
    eye = Part((_ellipse(-0.65, -0.07, 0.08, 0.08),), accent=True)
    return [tail, body, fin, eye]


def _animal(rng: np.random.Generator) -> list[Part]:
    length, depth = rng.uniform(0.5, 0.65), rng.uniform(0.24, 0.38)
    leg, thick = rng.uniform(0.4, 0.6), rng.uniform(0.14, 0.24)
    hips = [(share * length, 0.1) for share in (-0.75, -0.55, 0.55, 0.75)]
    legs = [
        _limb(hip, leg + depth, thick, np.pi / 2 + rng.uniform(-0.2, 0.2), rng.uniform(0.25, 0.6))
        for hip in hips
    ]
    body = Part((_ellipse(0, 0, length, depth),))
    neck = _limb((-0.8 * length, -0.05), 0.45, 0.26, -2.4 + rng.uniform(-0.5, 0.5), 0.3)
    head_at = neck.outlines[0][np.argmax(np.hypot(*(neck.outlines[0] - neck.pivot).T))]
    head = Part(
        (_ellipse(*head_at, 0.26, rng.uniform(0.14, 0.22), rng.uniform(-0.4, 0.4)),),
        pivot=neck.pivot,
        swing=0.3,
        accent=rng.random() < 0.5,
    )
    tail = _limb((0.85 * length, -0.1), 0.5, 0.12, rng.uniform(-1.2, 0.8), 0.7)
    return [tail, legs[0], legs[2], neck, body, *_markings(rng), head, legs[1], legs[3]]


def _person(rng: np.random.Generator) -> list[Part]:
    width = rng.uniform(0.22, 0.34)
    arms = [
        _limb((side * width, -0.3), 0.6, 0.16, np.pi / 2 - side * rng.uniform(0.1, 0.9), 0.7)
        for side in (-1, 1)
    ]
    legs = [
        _limb((side * 0.5 * width, 0.2), 0.8, 0.22, np.pi / 2 - side * 0.15, 0.45, accent=True)
        for side in (-1, 1)
    ]
    torso = Part((_rounded(np.array([[-1, -1], [1, -1], [0.75, 1], [-0.75, 1]])) * (width, 0.36),))
    head = Part((_ellipse(0, -0.66, 0.19, 0.23),), pivot=(0, -0.4), swing=0.25, accent=True)
    return [arms[0], legs[0], legs[1], torso, head, arms[1]]


def _cart(rng: np.random.Generator) -> list[Part]:
    height = rng.uniform(0.25, 0.4)
    box = np.array(
        [[-0.95, -height], [0.95, -height * rng.uniform(0.4, 1)], [0.95, 0.3], [-0.95, 0.3]]
    )
    left, right = -rng.uniform(0.2, 0.7), rng.uniform(0.1, 0.6)
    cabin = np.array([[left, -0.75], [right - 0.15, -0.75], [right, -0.1], [left - 0.1, -0.1]])
    radius = rng.uniform(0.17, 0.27)
    wheels = [
        Part(
            (_wobbly(rng, 0.08, radius) + np.array([x, 0.34]),),
            pivot=(x, 0.34),
            swing=3.0,
            accent=True,
        )
        for x in (-0.58, 0.58)
    ]
    return [
        Part((_rounded(cabin, 2),), accent=rng.random() < 0.5),
        Part((_rounded(box, 2),)),
        *wheels,
    ]


SHAPES: dict[str, Callable[[np.random.Generator], list[Part]]] = {
    "animal": _animal,
    "blob": _blob,
    "cart": _cart,
    "fish": _fish,
    "person": _person,
    "polygon": _polygon,
    "ring": _ring,
    "star": _star,
}
"""Each draws a new individual of its kind: parts from back to front."""


def bar(rng: np.random.Generator) -> list[Part]:
    """A long upright pole or trunk: it crosses the whole frame and stands before the objects."""
    half = rng.uniform(0.05, 0.12)
    heights = np.linspace(-1, 1, 9)
    left = np.stack([-half * rng.uniform(0.7, 1.3, 9), heights], axis=1)
    right = np.stack([half * rng.uniform(0.7, 1.3, 9), heights], axis=1)
    return [Part((np.concatenate([left, right[::-1]]),))]
