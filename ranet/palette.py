"""The DAVIS palette: colour of label k, as every DAVIS mask and viewer has it."""

import numpy as np


def _davis_palette() -> np.ndarray:
    """Interleave the bits of the label over the three channels, most significant bit first."""
    labels: np.ndarray = np.arange(256, dtype=np.uint8)[:, None]
    colours = np.zeros((256, 3), dtype=np.uint8)
    for bit in range(8):
        channels = (labels >> np.arange(3, dtype=np.uint8)) & 1
        colours |= channels << (7 - bit)
        labels = labels >> 3
    return colours


PALETTE: np.ndarray = _davis_palette()
"""256×3 uint8 RGB; row 0 black (background), 1 dark red, 2 green, 3 olive, 4 navy, …"""
PALETTE.setflags(write=False)
