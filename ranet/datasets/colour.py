"""Colour jitter: brightness, contrast, saturation and hue as one affine map of RGB."""

import cv2
import numpy as np

from ranet.config import ColourConfig

_LUMA = np.array([0.299, 0.587, 0.114])
"""How bright red, green and blue are (ITU-R BT.601)."""


def colour_map(
    *, brightness: float = 0.0, contrast: float = 1.0, saturation: float = 1.0, hue: float = 0.0
) -> np.ndarray:
    """The map that turns the hue, then scales saturation and contrast, then adds brightness.

    Args:
        brightness: added, in units of white.
        contrast: factor on the distance from middle grey.
        saturation: factor on the distance from the grey of the same luma; 0 is a grey image.
        hue: degrees around the axis of greys.

    Returns:
        3×4 float64: what RGB (0…255) and 1 are multiplied with.
    """
    angle = np.radians(hue)
    axis = np.full(3, 1 / np.sqrt(3))
    turn = (
        np.cos(angle) * np.eye(3)
        + (1 - np.cos(angle)) * np.outer(axis, axis)
        + np.sin(angle) * np.cross(np.eye(3), axis)
    )
    saturate = saturation * np.eye(3) + (1 - saturation) * _LUMA
    added = 255 * brightness + 127.5 * (1 - contrast)
    return np.column_stack([contrast * saturate @ turn, np.full(3, added)])


def random_colour_map(rng: np.random.Generator, config: ColourConfig) -> np.ndarray:
    """A 3×4 map with each property drawn evenly from its range."""
    return colour_map(
        brightness=rng.uniform(-config.brightness, config.brightness),
        contrast=rng.uniform(1 - config.contrast, 1 + config.contrast),
        saturation=rng.uniform(1 - config.saturation, 1 + config.saturation),
        hue=rng.uniform(-config.hue, config.hue),
    )


def change_colours(image: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Apply a 3×4 map to an H×W×3 uint8 image; rounded, and clipped to 0…255."""
    return cv2.transform(image, colours)
