"""A scene: a moving backdrop, layers before it, and the frames that a camera takes of it."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from ranet.datasets.synthetic.materials import noise
from ranet.datasets.synthetic.motion import Placement, wander
from ranet.datasets.synthetic.sprites import DENSITY, Rectangle, Sprite, lay_over

_SHADOW_STRENGTH = 0.4  # below one half, so that a shadow never takes pixels from an object
_SHARP = 0.3  # pixels: a smaller blur changes nothing that 8 bits could show
_SOLID = 127  # a pixel covered by more of 255 than this belongs to what covers it


@dataclass(frozen=True)
class Layer:
    """A sprite somewhere in the scene; label 0 for what is no object."""

    sprite: Sprite
    placement: Placement
    label: int = 0
    shadow: tuple[float, float] | None = None  # (x, y) in pixels from the sprite; None: casts none


@dataclass(frozen=True)
class _Posed:
    """A layer's sprite, or its shadow, in the pose of one frame."""

    piece: np.ndarray  # h×w×4 uint8, premultiplied RGBA
    centre: np.ndarray  # (x, y) on the piece
    placement: Placement
    label: int = 0

    def on_frame(
        self, frame: int, exposure: int, size: tuple[int, int]
    ) -> tuple[Rectangle, np.ndarray]:
        """The part of the frame it may touch (perhaps empty), and the piece as it lies there."""
        matrix = self.placement.matrix(frame, exposure, self.centre, DENSITY)
        height, width = self.piece.shape[:2]
        ends = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]]) @ matrix.T
        limits = np.array(size[::-1])
        low = np.clip(np.floor(ends.min(axis=0)), 0, limits).astype(int)
        high = np.clip(np.ceil(ends.max(axis=0)) + 1, low, limits).astype(int)
        box = np.s_[low[1] : high[1], low[0] : high[0]]
        width, height = (high - low).tolist()
        if not (width and height and self.piece.size):
            return box, np.zeros((height, width, 4), np.uint8)
        matrix[:, 2] -= low
        return box, cv2.warpAffine(self.piece, matrix, (width, height))


@dataclass(frozen=True)
class Scene:
    """Everything in front of the camera, ready to be rendered frame by frame."""

    size: tuple[int, int]  # height and width of a frame
    backdrop: np.ndarray  # h×w×3 uint8
    camera: Placement  # of the backdrop
    layers: tuple[Layer, ...]  # from back to front

    def render(self, frame: int) -> tuple[np.ndarray, np.ndarray]:
        """One frame, blurred by motion, and the labels in the middle of its exposure.

        Returns:
            H×W×3 uint8 RGB, and H×W uint8 labels: a pixel belongs to the nearest thing that
            covers more than half of it.
        """
        posed = [entry for layer in self.layers for entry in _posed(layer, frame)]
        exposures = self.camera.angle.shape[1]
        centre = np.array(self.backdrop.shape[1::-1]) / 2
        total = np.zeros((*self.size, 3), np.float32)
        labels = np.zeros(self.size, np.uint8)
        for exposure in range(exposures):
            matrix = self.camera.matrix(frame, exposure, centre, density=1.0)
            image = cv2.warpAffine(
                self.backdrop, matrix, self.size[::-1], borderMode=cv2.BORDER_REFLECT_101
            )
            for entry in posed:
                box, piece = entry.on_frame(frame, exposure, self.size)
                lay_over(image, piece, box)
                if exposure == exposures // 2:
                    labels[box][piece[..., 3] > _SOLID] = entry.label
            cv2.accumulate(image, total)
        return cv2.convertScaleAbs(total, alpha=1 / exposures), labels


def footprint(layer: Layer, frame: int, size: tuple[int, int]) -> np.ndarray:
    """What a layer covers of a frame if nothing is before it: H×W bool."""
    mask = np.zeros(size, bool)
    piece, centre = layer.sprite.pose(frame)
    middle = layer.placement.angle.shape[1] // 2
    box, placed = _Posed(piece, centre, layer.placement).on_frame(frame, middle, size)
    mask[box] = placed[..., 3] > _SOLID
    return mask


def _posed(layer: Layer, frame: int) -> list[_Posed]:
    """A layer's sprite at a frame, and its shadow behind it if it casts one."""
    piece, centre = layer.sprite.pose(frame)
    entry = _Posed(piece, centre, layer.placement, layer.label)
    if layer.shadow is None or not piece.size:
        return [entry]
    blur = max(min(piece.shape[:2]) // 16, 1)
    coverage = cv2.copyMakeBorder(
        piece[..., 3], 2 * blur, 2 * blur, 2 * blur, 2 * blur, cv2.BORDER_CONSTANT, value=0
    )
    dark = np.zeros((*coverage.shape, 4), np.uint8)
    dark[..., 3] = cv2.blur(coverage, (2 * blur + 1, 2 * blur + 1)) * _SHADOW_STRENGTH
    falls = replace(layer.placement, position=layer.placement.position + layer.shadow)
    return [_Posed(dark, centre + 2 * blur, falls), entry]


class CameraEffects:
    """What light, lens and sensor do to the frames of a video, drawn at random.

    Args:
        rng: source of everything random.
        frames: length of the video.
        size: height and width of its frames.
    """

    def __init__(self, rng: np.random.Generator, *, frames: int, size: tuple[int, int]) -> None:
        times = np.arange(frames, dtype=float)
        height, width = size
        margin = min(size) // 2
        flicker = 1 + wander(rng, times, spacing=rng.uniform(4, 15), amount=rng.uniform(0, 0.18))
        tint = 1 + wander(rng, times, spacing=20, amount=0.05, shape=(3,))
        tint += rng.uniform(-0.06, 0.06, 3)
        strength = rng.choice([0.0, 0.15, 0.4])
        cloud = 1 + strength * (noise(rng, (height + margin, width + margin), margin, 2) - 0.5)
        cloud_path = 0.5 + wander(rng, times, spacing=12, amount=0.5, shape=(2,))
        softness = rng.uniform(-0.4, 0.7) + wander(rng, times, spacing=8, amount=0.3)
        grain = rng.standard_normal((height + 32, width + 32, 3), np.float32)
        self._gain = flicker[:, None] * tint  # frames×3: factor on each channel
        self._gamma = float(np.exp(rng.uniform(-0.25, 0.25)))  # of the sensor's curve
        # Soft light and shade, about 1, and noise; of both, a frame shows a part, from a corner.
        self._cloud = cv2.merge([cloud.astype(np.float32)] * 3)
        self._cloud_corner = (np.clip(cloud_path, 0, 1) * margin).astype(int)
        self._blur = np.clip(softness, 0, None) * min(size) / 240  # deviation, in pixels
        self._grain = grain * np.float32(rng.uniform(0.5, 6))
        self._grain_corner = rng.integers(0, 33, (frames, 2))

    def apply(self, image: np.ndarray, frame: int) -> np.ndarray:
        """The picture of a frame: H×W×3 uint8 to H×W×3 uint8."""
        if self._blur[frame] >= _SHARP:
            image = cv2.GaussianBlur(image, (0, 0), float(self._blur[frame]))
        levels = np.linspace(0, 1, 256)[:, None] ** self._gamma * self._gain[frame]
        curve = np.clip(np.round(levels * 255), 0, 255).astype(np.uint8)
        image = cv2.LUT(image, curve[:, None])
        cloud = _window(self._cloud, self._cloud_corner[frame], image.shape)
        lit = cv2.multiply(image, cloud, dtype=cv2.CV_32F)
        grain = _window(self._grain, self._grain_corner[frame], image.shape)
        return cv2.add(lit, grain, dtype=cv2.CV_8U)


def _window(field: np.ndarray, corner: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    top, left = corner.tolist()
    return field[top : top + shape[0], left : left + shape[1]]
