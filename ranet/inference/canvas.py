"""The canvas: frames of any size, fitted and padded to the one size that boxes live in.

A frame is resized with its aspect kept until it just fits, and centred on black. An 854×480 frame
on a 480×864 canvas gets 5 columns left and right and is not resized at all. Where too much of the
canvas would be padding, it takes the shape of the frames: portrait ones lie on 864×480, and the
network is given as many pixels of them as of others.

A GPU copies from and to page-locked memory by itself: frames come while it computes with others,
and nobody waits for labels before all of a step is on its way.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ranet.methods.crops import shaped_like


@dataclass(frozen=True)
class Canvas:
    """How frames of one size lie on their canvas. All sizes are (height, width) in pixels."""

    frame: tuple[int, int]
    size: tuple[int, int]
    fitted: tuple[int, int]  # the frame after resizing
    top: int  # rows of padding above it
    left: int  # columns of padding to its left

    @classmethod
    def for_frames(cls, frame: tuple[int, int], size: tuple[int, int] | None) -> "Canvas":
        """The canvas for frames of size ``frame``.

        Args:
            frame: of the frames.
            size: of the canvas, unless they have quite another shape (:func:`shaped_like`); None:
                a frame is its own canvas.
        """
        if size is None:
            return cls(frame, frame, frame, top=0, left=0)
        size = shaped_like(frame, size)
        scale = min(size[0] / frame[0], size[1] / frame[1])
        # Very long and thin frames keep at least one row or column.
        height = min(size[0], max(1, round(frame[0] * scale)))
        width = min(size[1], max(1, round(frame[1] * scale)))
        top, left = (size[0] - height) // 2, (size[1] - width) // 2
        return cls(frame, size, (height, width), top, left)

    def place(self, image: Tensor) -> Tensor:
        """Put frames on the canvas.

        Args:
            image: B×3×H×W floats of the frame's size.

        Returns:
            B×3×(canvas), zero in the padding. Smoothed before shrinking, so that a 4K frame does
            not alias.
        """
        if self.fitted != self.frame:
            image = F.interpolate(
                image, self.fitted, mode="bilinear", align_corners=False, antialias=True
            )
        return self._pad(image)

    def place_labels(self, labels: Tensor) -> Tensor:
        """Put annotated labels on the canvas, by nearest neighbour.

        Labels, not masks of the objects: those of many objects at the size of a 4K frame would
        need gigabytes.

        Args:
            labels: B×H×W uint8 of the frame's size.

        Returns:
            B×(canvas) uint8, zero in the padding.
        """
        channel = labels[:, None]
        if self.fitted != self.frame:
            channel = F.interpolate(channel.float(), self.fitted, mode="nearest-exact").byte()
        return self._pad(channel)[:, 0]

    def restore(self, probabilities: Tensor) -> Tensor:
        """Take probabilities off the canvas: cut off the padding, resize bilinearly.

        Args:
            probabilities: B×K×(canvas).

        Returns:
            B×K×H×W of the frame's own size.
        """
        height, width = self.fitted
        cut = probabilities[..., self.top : self.top + height, self.left : self.left + width]
        if self.fitted == self.frame:
            return cut
        return F.interpolate(cut, self.frame, mode="bilinear", align_corners=False)

    def _pad(self, image: Tensor) -> Tensor:
        (height, width), (fitted_height, fitted_width) = self.size, self.fitted
        right, bottom = width - fitted_width - self.left, height - fitted_height - self.top
        return F.pad(image, (self.left, right, self.top, bottom))


@dataclass(frozen=True, eq=False)
class PlacedFrame:
    """A frame on its canvas, on the device or on its way to a GPU, which copies by itself."""

    canvas: Canvas
    image: Tensor  # 1×3×h×w in [0, 1]
    placed: torch.cuda.Event | None = None  # happens when it is there; None: it is

    def take(self) -> Tensor:
        """The image, for what the current stream computes; that waits for it, the host does not."""
        if self.placed is not None:
            stream = torch.cuda.current_stream(self.image.device)
            stream.wait_event(self.placed)
            # Its memory is another stream's, which would use it again while this one still reads.
            self.image.record_stream(stream)
        return self.image


Frame = np.ndarray | PlacedFrame
"""H×W×3 uint8, or what was made of it ahead of its step."""


def page_locked(shape: Sequence[int], *, wanted: bool = True) -> Tensor:
    """Host memory for bytes, from and to which a GPU copies by itself if that is ``wanted``."""
    return torch.empty(tuple(shape), dtype=torch.uint8, pin_memory=wanted)


def to_host(tensors: Sequence[Tensor], device: torch.device) -> list[np.ndarray]:
    """Tensors of bytes on a device as arrays: one wait for it, however many they are."""
    if device.type != "cuda":
        return [tensor.cpu().numpy() for tensor in tensors]
    copies = [page_locked(t.shape).copy_(t, non_blocking=True) for t in tensors]
    arrived = torch.cuda.current_stream(device).record_event()
    arrived.synchronize()
    return [copy.numpy() for copy in copies]
