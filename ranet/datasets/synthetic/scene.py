"""A scene: a moving backdrop and layers before it, and the frames that a camera takes of it."""

from dataclasses import dataclass

import cv2
import numpy as np

from ranet.datasets.synthetic.compositing import Box, lay_over
from ranet.datasets.synthetic.sprites import Sprite

_SHADOW_STRENGTH = 0.4  # below one half, so that a shadow never takes pixels from an object
_SOLID = 127  # a pixel covered by more of 255 than this belongs to what covers it


@dataclass(frozen=True)
class Placement:
    """Where something is, at every exposure of every frame."""

    position: np.ndarray  # frames×exposures×2: (x, y) of the centre on the frame, in pixels
    angle: np.ndarray  # frames×exposures: radians, clockwise on the screen
    stretch: np.ndarray  # frames×exposures×2: factors along the thing's own x and y

    def matrix(self, frame: int, exposure: int, centre: np.ndarray, density: float) -> np.ndarray:
        """The 2×3 map from a picture of the thing to the frame.

        Args:
            frame: index of the frame.
            exposure: index of the exposure in the frame.
            centre: (x, y) of the thing's centre on the picture.
            density: pixels of the picture for a pixel of the frame.
        """
        cosine, sine = np.cos(self.angle[frame, exposure]), np.sin(self.angle[frame, exposure])
        linear = np.array([[cosine, -sine], [sine, cosine]])
        linear *= self.stretch[frame, exposure] / density
        return np.column_stack([linear, self.position[frame, exposure] - linear @ centre])


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
    layer: Layer

    def on_frame(self, frame: int, exposure: int, size: tuple[int, int]) -> tuple[Box, np.ndarray]:
        """The part of the frame it may touch (perhaps empty), and the piece as it lies there."""
        matrix = self.layer.placement.matrix(
            frame, exposure, self.centre, self.layer.sprite.density
        )
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

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.camera.angle.shape[0]

    @property
    def objects(self) -> int:
        """K: the labels of the layers are 0…K."""
        return max(layer.label for layer in self.layers)

    def render(self, frame: int) -> tuple[np.ndarray, np.ndarray]:
        """One frame, blurred by motion, and the labels in the middle of its exposure.

        Returns:
            H×W×3 uint8 RGB, and H×W uint8 labels: a pixel belongs to the nearest thing that
            covers more than half of it.
        """
        posed = [entry for layer in self.layers for entry in _posed(layer, frame)]
        exposures = self.camera.angle.shape[1]
        total = np.zeros((*self.size, 3), np.float32)
        labels = np.zeros(self.size, np.uint8)
        for exposure in range(exposures):
            image = self._backdrop_at(frame, exposure)
            for entry in posed:
                box, piece = entry.on_frame(frame, exposure, self.size)
                lay_over(image, piece, box)
                if exposure == exposures // 2:
                    labels[box][piece[..., 3] > _SOLID] = entry.layer.label
            cv2.accumulate(image, total)
        return cv2.convertScaleAbs(total, alpha=1 / exposures), labels

    def _backdrop_at(self, frame: int, exposure: int) -> np.ndarray:
        height, width = self.backdrop.shape[:2]
        matrix = self.camera.matrix(frame, exposure, np.array([width, height]) / 2, density=1.0)
        return cv2.warpAffine(
            self.backdrop, matrix, self.size[::-1], borderMode=cv2.BORDER_REFLECT_101
        )


def footprint(layer: Layer, frame: int, size: tuple[int, int]) -> np.ndarray:
    """What a layer covers of a frame if nothing is before it: H×W bool."""
    mask = np.zeros(size, bool)
    piece, centre = layer.sprite.pose(frame)
    middle = layer.placement.angle.shape[1] // 2
    box, placed = _Posed(piece, centre, layer).on_frame(frame, middle, size)
    mask[box] = placed[..., 3] > _SOLID
    return mask


def _posed(layer: Layer, frame: int) -> list[_Posed]:
    """A layer's sprite at a frame, and its shadow behind it if it casts one."""
    piece, centre = layer.sprite.pose(frame)
    entry = _Posed(piece, centre, layer)
    if layer.shadow is None or not piece.size:
        return [entry]
    blur = max(min(piece.shape[:2]) // 16, 1)
    coverage = cv2.copyMakeBorder(
        piece[..., 3], 2 * blur, 2 * blur, 2 * blur, 2 * blur, cv2.BORDER_CONSTANT, value=0
    )
    dark = np.zeros((*coverage.shape, 4), np.uint8)
    dark[..., 3] = cv2.blur(coverage, (2 * blur + 1, 2 * blur + 1)) * _SHADOW_STRENGTH
    return [_Posed(dark, centre + 2 * blur, _moved(layer)), entry]


def _moved(layer: Layer) -> Layer:
    """Where the shadow of a layer falls."""
    placement = layer.placement
    shifted = Placement(placement.position + layer.shadow, placement.angle, placement.stretch)
    return Layer(layer.sprite, shifted)
