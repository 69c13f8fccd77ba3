"""Drawn videos with any number of moving objects: to be timed on, not to be learned from.

Textured like photographs, so that they take as long to decode and to encode.
"""

import math

import cv2
import numpy as np

from ranet.structures import TrainingSample

_PERIOD = 24  # frames until an object is where it was
_GRAIN = 8  # levels that neighbouring pixels differ by


def draw_video(
    size: tuple[int, int], *, objects: int, frames: int
) -> tuple[list[np.ndarray], np.ndarray]:
    """A video of ellipses that circle in front of clouds.

    Args:
        size: (height, width).
        objects: K, all of them in sight in every frame, none in front of another.
        frames: how many.

    Returns:
        The frames, H×W×3 uint8, and the labels 0…K of the first, H×W uint8.
    """
    rng = np.random.default_rng(0)
    backdrop = _clouds(rng, size)
    looks = [255 - _clouds(rng, size) for _ in range(objects)]
    labels = [_labels(size, objects, time) for time in range(frames)]
    images = []
    for label_map in labels:
        image = backdrop.copy()
        for label, look in enumerate(looks, start=1):
            np.copyto(image, look, where=(label_map == label)[:, :, None])
        images.append(image)
    return images, labels[0]


def draw_sample(size: tuple[int, int], *, objects: int, length: int) -> TrainingSample:
    """A training sample of two frames that follow each other, or of a clip.

    Args:
        size: (height, width).
        objects: K.
        length: T, frames that follow the template.
    """
    images, first = draw_video(size, objects=objects, frames=length + 1)
    labels = np.stack([_labels(size, objects, time) for time in range(length + 1)])
    return TrainingSample(
        template_image=images[0],
        template_labels=first,
        current_image=np.stack(images[1:]),
        current_labels=labels[1:],
        previous_labels=first,
        crop_jitter=np.zeros((len(images) - 1, 3), np.float32),
        objects=objects,
        name="drawn",
    )


def _labels(size: tuple[int, int], objects: int, time: int) -> np.ndarray:
    """Each object keeps to its own cell of a grid, which it fills to half, either way."""
    height, width = size
    rows = math.isqrt(objects)
    columns = math.ceil(objects / rows)
    cell = np.array([width / columns, height / rows])
    angle = 2 * math.pi * time / _PERIOD
    shift = 0.2 * cell * (math.cos(angle), math.sin(angle))
    labels = np.zeros(size, np.uint8)
    for index in range(objects):
        centre = cell * (index % columns + 0.5, index // columns + 0.5) + shift
        axes = np.maximum(1, cell / 4)
        shape = (*np.round(centre).astype(int).tolist(),), (*axes.astype(int).tolist(),)
        cv2.ellipse(labels, *shape, 0, 0, 360, index + 1, thickness=cv2.FILLED)
    return labels


def _clouds(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """H×W×3 uint8."""
    coarse = rng.uniform(0, 255, (8, 14, 3)).astype(np.float32)
    clouds = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
    grain = rng.normal(0, _GRAIN, (*size, 3))
    return np.clip(clouds + grain, 0, 255).astype(np.uint8)
