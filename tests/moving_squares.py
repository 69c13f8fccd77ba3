"""Videos of plain squares on grey, with their exact labels."""

import numpy as np

COLOURS = {1: (220, 40, 40), 2: (40, 200, 60), 5: (50, 70, 230), 9: (230, 220, 50)}
GREY = 110


def draw(size, squares):
    """A frame H×W×3 and its labels H×W; ``squares`` is a list of (id, top, left, side)."""
    frame = np.full((*size, 3), GREY, np.uint8)
    labels = np.zeros(size, np.uint8)
    for label, top, left, side in squares:
        region = slice(max(top, 0), max(top + side, 0)), slice(max(left, 0), max(left + side, 0))
        frame[region] = COLOURS[label]
        labels[region] = label
    return frame, labels


def moving(size, count, starts, step=(2, 3), side=24):
    """``count`` frames of squares that all move by ``step``; ``starts``: id → (top, left)."""
    return [
        draw(
            size,
            [(k, y + step[0] * i, x + step[1] * i, side) for k, (y, x) in starts.items()],
        )
        for i in range(count)
    ]


def iou(a, b):
    union = (a | b).sum()
    return 1.0 if union == 0 else (a & b).sum() / union
