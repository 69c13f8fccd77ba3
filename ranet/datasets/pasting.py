"""Still images made harder: other backgrounds, and objects of other images beside the own ones."""

import cv2
import numpy as np

from ranet.datasets.views import Frame


def paste_over(frame: Frame, background: np.ndarray, feather: float) -> Frame:
    """The objects of a frame over another image, which is cropped to the frame's proportions.

    Args:
        frame: H×W.
        background: any size, H×W×3 uint8.
        feather: deviation of the Gaussian that softens the edges, in pixels.
    """
    image = _blend(cover(background, frame.labels.shape), frame.image, frame.labels, feather)
    return Frame(image, frame.labels)


def scaled(frame: Frame, factor: float) -> Frame:
    """A frame with its sides multiplied by a factor."""
    height, width = (max(1, round(side * factor)) for side in frame.labels.shape)
    smooth = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return Frame(
        cv2.resize(frame.image, (width, height), interpolation=smooth),
        cv2.resize(frame.labels, (width, height), interpolation=cv2.INTER_NEAREST),
    )


def place_anywhere(frame: Frame, size: tuple[int, int], rng: np.random.Generator) -> Frame:
    """The objects of a frame at a random place of one of another size, inside it if they fit."""
    left, top, columns, rows = cv2.boundingRect(frame.labels)
    height, width = size
    down = round(rng.uniform(*sorted((0, height - rows)))) - top
    right = round(rng.uniform(*sorted((0, width - columns)))) - left
    shift = np.float32([[1, 0, right], [0, 1, down]])
    return Frame(
        cv2.warpAffine(frame.image, shift, (width, height), borderMode=cv2.BORDER_REFLECT_101),
        cv2.warpAffine(frame.labels, shift, (width, height), flags=cv2.INTER_NEAREST),
    )


def paste_beside(
    frame: Frame,
    other: Frame,
    rng: np.random.Generator,
    *,
    feather: float,
    label: int = 0,
    size: float = 1.0,
) -> Frame:
    """Add the largest object of another image: as a distractor, or as one more object.

    It is given a random place, and is as often before the objects as behind them, unless it would
    hide more than half of one.

    Args:
        frame: H×W, with at least one object.
        other: any size.
        feather: deviation of the Gaussian that softens the edges, in pixels.
        label: what it is labelled as; 0, background, makes it a distractor.
        size: root of its area, before it is hidden in part, over that of the frame's largest
            object.
    """
    placed = _place(other, frame.labels, size, rng)
    visible = placed.labels
    if rng.random() < 0.5 or _hides_most(visible, frame.labels):
        visible = np.where(frame.labels > 0, 0, visible)
    image = _blend(frame.image, placed.image, visible, feather)
    labels = np.where(visible > 0, np.uint8(label), frame.labels)
    if label > 0:
        return Frame(image, labels)
    unused = unused_labels(frame.labels)[0]
    return Frame(image, labels, np.where(visible > 0, np.uint8(unused), np.uint8(0)))


def unused_labels(labels: np.ndarray) -> np.ndarray:
    """Those of 1…255 that no pixel of uint8 labels has, the smallest first."""
    return 1 + np.flatnonzero(np.bincount(labels.ravel(), minlength=256)[1:] == 0)


def cover(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The middle of an image, as much as has the proportions of ``size``, resized to it."""
    (height, width), (h, w) = image.shape[:2], size
    factor = max(h / height, w / width)
    top = round((height - h / factor) / 2)
    left = round((width - w / factor) / 2)
    part = image[top : height - top, left : width - left]
    smooth = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return cv2.resize(part, (w, h), interpolation=smooth)


def _place(other: Frame, labels: np.ndarray, size: float, rng: np.random.Generator) -> Frame:
    """The largest object of ``other`` somewhere in a frame, ``size`` times that of ``labels``."""
    areas, own_areas = _areas(other.labels), _areas(labels)
    mask = (other.labels == areas.argmax()).astype(np.uint8)
    left, top, columns, rows = cv2.boundingRect(mask)
    centre = left + (columns - 1) / 2, top + (rows - 1) / 2
    factor = size * np.sqrt(own_areas.max() / areas.max())
    mirror = rng.choice([-1.0, 1.0])
    height, width = labels.shape
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    matrix = np.array(
        [
            [mirror * factor, 0, x - mirror * factor * centre[0]],
            [0, factor, y - factor * centre[1]],
        ]
    )
    return Frame(
        cv2.warpAffine(
            other.image,
            matrix,
            (width, height),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        ),
        cv2.warpAffine(mask, matrix, (width, height), flags=cv2.INTER_NEAREST),
    )


def _hides_most(mask: np.ndarray, labels: np.ndarray) -> bool:
    """Whether a mask covers more than half of an object."""
    hidden = _areas(np.where(mask > 0, labels, 0))
    return bool(np.any(2 * hidden > _areas(labels)))


def _areas(labels: np.ndarray) -> np.ndarray:
    """Pixels of each of the 256 labels; none for the background."""
    areas = np.bincount(labels.ravel(), minlength=256)
    areas[0] = 0
    return areas


def _blend(below: np.ndarray, above: np.ndarray, labels: np.ndarray, feather: float) -> np.ndarray:
    """``above`` where there are labels, ``below`` elsewhere, with soft edges; H×W×3 uint8."""
    weight = (labels > 0).astype(np.float32)
    if feather > 0:
        weight = cv2.GaussianBlur(weight, (0, 0), feather)
    weight = weight[..., None]
    mixed = below + weight * (above.astype(np.float32) - below)
    return np.rint(mixed).astype(np.uint8)
