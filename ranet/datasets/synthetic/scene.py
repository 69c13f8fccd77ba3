"""A scene: a moving backdrop and layers before it, and the frames that a camera takes of it."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from ranet.datasets.synthetic.sprites import Sprite


@dataclass(frozen=True)
class Placement:
    """Where something is, at every exposure of every frame (frames×exposures)."""

    position: np.ndarray  # frames×exposures×2: (x, y) of the centre on the frame, in pixels
    angle: np.ndarray  # frames×exposures: radians, clockwise on the screen
    stretch: np.ndarray  # frames×exposures×2: factors along the thing's own x and y

    def matrix(self, frame: int, exposure: int, centre: np.ndarray, density: float) -> np.ndarray:
        """The 2×3 map from the thing's canvas to the frame; ``centre`` is a point of the canvas."""
        cosine, sine = np.cos(self.angle[frame, exposure]), np.sin(self.angle[frame, exposure])
        turn = np.array([[cosine, -sine], [sine, cosine]])
        linear = turn * self.stretch[frame, exposure] / density
        return np.column_stack([linear, self.position[frame, exposure] - linear @ centre])


@dataclass(frozen=True)
class Layer:
    """A sprite somewhere in the scene; label 0 for what is no object."""

    sprite: Sprite
    placement: Placement
    label: int


@dataclass(frozen=True)
class Scene:
    """Everything in front of the camera, ready to be rendered frame by frame."""

    size: tuple[int, int]  # height and width of a frame
    backdrop: np.ndarray  # h×w×3 uint8
    camera: Placement  # of the backdrop
    layers: tuple[Layer, ...]  # from back to front
    objects: int  # K: labels of the layers are 0…K

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.camera.angle.shape[0]

    def render(self, frame: int) -> tuple[np.ndarray, np.ndarray]:
        """One frame, blurred by motion, and its labels at the middle of the exposure.

        Returns:
            H×W×3 float32 RGB in 0…255, and H×W uint8 labels: a pixel belongs to whatever covers
            most of it in front of the rest.
        """
        canvases = [layer.sprite.pose(frame) for layer in self.layers]
        exposures = self.camera.angle.shape[1]
        total = np.zeros((*self.size, 3), np.float32)
        for exposure in range(exposures):
            image = self._backdrop_at(frame, exposure)
            for layer, canvas in zip(self.layers, canvases, strict=True):
                box, piece = _placed(layer, canvas, frame, exposure, self.size)
                image[box] *= 1 - piece[..., 3:] * np.float32(1 / 255)
                image[box] += piece[..., :3]
            total += image
        return total / np.float32(exposures), self._labels(canvases, frame, exposures // 2)

    def silhouettes(self, frame: int) -> Iterator[tuple[int, np.ndarray]]:
        """Of each object its label and its whole mask (H×W bool), what hides it left aside."""
        middle = self.camera.angle.shape[1] // 2
        for layer in self.layers:
            if layer.label:
                mask = np.zeros(self.size, bool)
                box, piece = _placed(layer, layer.sprite.pose(frame), frame, middle, self.size)
                mask[box] = piece[..., 3] > 127
                yield layer.label, mask

    def labels(self, frame: int) -> np.ndarray:
        """The labels of a frame alone: H×W uint8."""
        canvases = [layer.sprite.pose(frame) for layer in self.layers]
        return self._labels(canvases, frame, self.camera.angle.shape[1] // 2)

    def _labels(self, canvases: list[np.ndarray], frame: int, exposure: int) -> np.ndarray:
        labels = np.zeros(self.size, np.uint8)
        for layer, canvas in zip(self.layers, canvases, strict=True):
            box, piece = _placed(layer, canvas, frame, exposure, self.size)
            labels[box][piece[..., 3] > 127] = layer.label
        return labels

    def _backdrop_at(self, frame: int, exposure: int) -> np.ndarray:
        height, width = self.backdrop.shape[:2]
        matrix = self.camera.matrix(frame, exposure, np.array([width, height]) / 2, density=1.0)
        warped = cv2.warpAffine(
            self.backdrop, matrix, self.size[::-1], borderMode=cv2.BORDER_REFLECT_101
        )
        return warped.astype(np.float32)


def _placed(
    layer: Layer, canvas: np.ndarray, frame: int, exposure: int, size: tuple[int, int]
) -> tuple[tuple[slice, slice], np.ndarray]:
    """A posed sprite on the frame.

    Returns:
        The rows and columns it may touch (empty where it is outside), and its h×w×4 uint8
        premultiplied RGBA there.
    """
    matrix = layer.placement.matrix(frame, exposure, layer.sprite.centre, layer.sprite.density)
    height, width = canvas.shape[:2]
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]]) @ matrix.T
    limits = np.array(size[::-1])
    low = np.clip(np.floor(corners.min(axis=0)), 0, limits).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)), low, limits).astype(int)
    box = np.s_[low[1] : high[1], low[0] : high[0]]
    if (high == low).any():
        return box, np.zeros((high[1] - low[1], high[0] - low[0], 4), np.uint8)
    matrix[:, 2] -= low
    width, height = high - low
    return box, cv2.warpAffine(canvas, matrix, (int(width), int(height)), flags=cv2.INTER_LINEAR)
