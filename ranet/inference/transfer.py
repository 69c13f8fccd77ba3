"""Frames to a GPU and labels back, beside what it computes.

A GPU copies from and to page-locked memory by itself, so that frames may come while it computes
with others, and nobody has to wait for labels before all of a step is on its way. On other devices
a frame stays the array that it is until its step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ranet.inference.canvas import Canvas


@dataclass(frozen=True, eq=False)
class PlacedFrame:
    """A frame that is on a GPU, or on its way there."""

    canvas: Canvas
    image: Tensor  # 1×3×h×w in [0, 1], on the canvas
    placed: torch.cuda.Event  # happens when it is there

    def take(self) -> Tensor:
        """The image, for what the current stream computes; that waits for it, the host does not."""
        stream = torch.cuda.current_stream(self.image.device)
        stream.wait_event(self.placed)
        # Its memory is another stream's, which would use it again while this one still reads.
        self.image.record_stream(stream)
        return self.image


Frame = np.ndarray | PlacedFrame
"""H×W×3 uint8, or what was made of it ahead of its step."""


def size_of(frame: Frame) -> tuple[int, int]:
    """(H, W) of the frame."""
    return frame.canvas.frame if isinstance(frame, PlacedFrame) else frame.shape[:2]


def page_locked(shape: Sequence[int], *, wanted: bool = True) -> Tensor:
    """Host memory for bytes, from and to which a GPU copies by itself if that is ``wanted``."""
    return torch.empty(tuple(shape), dtype=torch.uint8, pin_memory=wanted)


def to_host(tensors: Sequence[Tensor], device: torch.device) -> list[np.ndarray]:
    """Tensors of bytes as arrays: one wait for the device, however many they are.

    Args:
        tensors: uint8, on ``device``.
        device: that of all of them.
    """
    if device.type != "cuda":
        return [tensor.cpu().numpy() for tensor in tensors]
    copies = [page_locked(t.shape).copy_(t, non_blocking=True) for t in tensors]
    arrived = torch.cuda.current_stream(device).record_event()
    arrived.synchronize()
    return [copy.numpy() for copy in copies]
