"""Crops around objects, and back: boxes that never leave the device (a released rule).

A box is four int64 numbers ``(top, left, bottom, right)``, half-open, in pixels, held in a tensor
on the device. Everything here is arithmetic on tensors of a fixed shape: nothing asks the device
for a value, so a whole step can be queued, captured or compiled, and every video of a batch may
have its own box.

B frames, K objects, H×W the image that a box lives in, h×w what the network sees.
"""

import math
from fractions import Fraction

import torch
from torch import Tensor
from torch.nn import functional as F

_THINNEST = 8
"""Pixels, of a side of a box that training has moved."""

_GROWTH = 1.25
"""From frame to frame, of the sides of a smoothed crop whose object is not found."""

_SAME_SHAPE = 1.5
"""How many times longer the frames may be than their canvas, or wider: 1.2:1 to 2.7:1 lie on
480×864, as all of DAVIS does."""

_LONGEST = 4.0
"""Of a canvas that takes the shape of its frames: the longer side over the shorter one."""

_UNIT = 16
"""Sides of such a canvas are multiples of this, at which the network compares frames."""


def shaped_like(frame: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """``size``, or one of its area and the shape of ``frame`` if that is quite another.

    Args:
        frame: (height, width) that tells the shape.
        size: (height, width).

    Returns:
        (height, width): multiples of 16, from 48 on, where it is not ``size``.
    """
    aspect, usual = frame[1] / frame[0], size[1] / size[0]
    if max(aspect / usual, usual / aspect) <= _SAME_SHAPE:
        return size
    aspect = min(max(aspect, 1 / _LONGEST), _LONGEST)
    area = size[0] * size[1]
    sides = math.sqrt(area / aspect), math.sqrt(area * aspect)
    height, width = (_UNIT * max(3, round(side / _UNIT)) for side in sides)
    return height, width


def network_size(
    canvas: tuple[int, int], frame_size: tuple[int, int] | None, input_size: tuple[int, int]
) -> tuple[int, int]:
    """What the network is given of frames on a canvas; all sizes are (height, width).

    Args:
        canvas: size of the canvas.
        frame_size: of the canvas for frames of the usual shape; None: every frame is its own.
        input_size: what the network is given of frames of the usual shape.

    Returns:
        ``input_size``; of other frames, as many pixels in the shape of their canvas.
    """
    usual = frame_size or input_size
    return input_size if shaped_like(canvas, usual) == usual else shaped_like(canvas, input_size)


def whole_frame(batch: int, size: tuple[int, int], device: torch.device | str) -> Tensor:
    """Boxes that hold all of a frame.

    Args:
        batch: B.
        size: (H, W).
        device: where the boxes are.

    Returns:
        B×4 int64.
    """
    # Filled on the device: a tensor made of host values would be copied there, which waits.
    box = torch.zeros(batch, 4, dtype=torch.int64, device=device)
    box[:, 2].fill_(size[0])
    box[:, 3].fill_(size[1])
    return box


def box_around(
    foreground: Tensor, *, aspect: tuple[int, int], scale: float, smallest: int
) -> Tensor:
    """The released crop rule: a box around the object, with some of its surroundings.

    With the object's rows y0…y1 and columns x0…x1 (last ones included) and the aspect H:W, the
    box has its centre at ((y0+y1)//2, (x0+x1)//2), half the height ⌊a⌋ and half the width
    ⌊a·W/H⌋, where a = max(scale·(y1−y0)/2, H/W·scale·(x1−x0)/2), and is clipped to the frame. It
    is the whole frame if there is no object or a side of the clipped box is below ``smallest``.

    The floors are taken of exact fractions, in integers, so every device agrees.

    Args:
        foreground: B×H×W bool, true on any object.
        aspect: (height, width) of the image that the crop becomes; only their ratio counts.
        scale: sides of the box over the sides of the object.
        smallest: pixels; the least side of a box.

    Returns:
        B×4 int64.
    """
    first, last = extents(foreground)
    centre, half = (first + last) // 2, _half_sides(first, last, aspect, scale)
    size = (foreground.shape[-2], foreground.shape[-1])
    return _clipped(centre - half, centre + half, last >= 0, size, smallest)


def sides_around(foreground: Tensor, *, aspect: tuple[int, int], scale: float) -> Tensor:
    """Sides of the box of :func:`box_around`, before it is clipped to the frame.

    Args:
        foreground: B×H×W bool.
        aspect: (height, width), as there.
        scale: as there.

    Returns:
        B×2 float32: height and width in pixels.
    """
    return 2 * _half_sides(*extents(foreground), aspect, scale).float()


def smooth_sides(
    before: Tensor, wanted: Tensor, found: Tensor, smoothing: float, size: tuple[int, int]
) -> Tensor:
    """The sides of the next crop, so that it doesn't jump with the mask (DMVOS supplement, Eq. 1).

    With the sides w of the crop before and those that the last mask asks for, w̃ by the scale of the
    crop, w = s·w + (1 - s)·w̃ with a smoothing s, 0.5 there. Where nothing was found they grow by a
    quarter, up to those of the frame: our choice.

    Args:
        before: B×2, the sides of the crop before.
        wanted: B×2.
        found: B bool, whether the last frame had any of the object.
        smoothing: s in [0, 1).
        size: (H, W) of the frame.

    Returns:
        B×2 float32.
    """
    limits = whole_frame(len(before), size, before.device)[:, 2:]
    grown = (_GROWTH * before).minimum(limits)
    return torch.where(found[:, None], smoothing * before + (1 - smoothing) * wanted, grown)


def box_of_sides(centre: Tensor, sides: Tensor, *, size: tuple[int, int], smallest: int) -> Tensor:
    """The box of these sides around a point, clipped to the frame: all of it where that is thin.

    From ⌊c - w/2 + ½⌋ to ⌊c + w/2 + ½⌋.

    Args:
        centre: B×2 floats: row and column, in pixels from the frame's corner.
        sides: B×2 floats: height and width in pixels.
        size: (H, W) of the frame.
        smallest: pixels; the least side of a box.

    Returns:
        B×4 int64.
    """
    first = (centre - sides / 2 + 0.5).floor().long()
    last = (centre + sides / 2 + 0.5).floor().long()
    return _clipped(first, last, torch.ones_like(first, dtype=torch.bool), size, smallest)


def extents(foreground: Tensor) -> tuple[Tensor, Tensor]:
    """First and last row and column of what is true in B×H×W: B×2 int64 each.

    Where nothing is, the first is (H, W) and the last (-1, -1).
    """
    top, bottom = _first_and_last(foreground.any(dim=2))
    left, right = _first_and_last(foreground.any(dim=1))
    return torch.stack([top, left], dim=1), torch.stack([bottom, right], dim=1)


def _half_sides(first: Tensor, last: Tensor, aspect: tuple[int, int], scale: float) -> Tensor:
    """B×2 int64: half the height and half the width of :func:`box_around`."""
    tall, wide = (last - first).unbind(dim=1)
    ratio = Fraction(scale).limit_denominator(1000)
    p, q = ratio.numerator, 2 * ratio.denominator
    height, width = aspect
    half_height = torch.maximum(p * tall // q, p * height * wide // (q * width))
    half_width = torch.maximum(p * width * tall // (q * height), p * wide // q)
    return torch.stack([half_height, half_width], dim=1)


def _clipped(
    first: Tensor, last: Tensor, found: Tensor, size: tuple[int, int], smallest: int
) -> Tensor:
    """Boxes B×4 from corners B×2, inside the frame; all of it without an object, or if thin."""
    everything = whole_frame(len(first), size, first.device)
    box = torch.cat([first.clamp(min=0), last.minimum(everything[:, 2:])], dim=1)
    too_small = (box[:, 2:] - box[:, :2]).amin(dim=1) < smallest
    return torch.where((~found.all(dim=1) | too_small)[:, None], everything, box)


def jitter_boxes(boxes: Tensor, jitter: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes somewhat off, as training has them; one that gets too thin becomes the whole frame.

    Args:
        boxes: B×4.
        jitter: B×4: factors on height and width, shift down and right in units of the sides.
        size: (H, W) of the frame.

    Returns:
        B×4 int64, inside the frame.
    """
    factor, shift = jitter[:, :2], jitter[:, 2:]
    sides = (boxes[:, 2:] - boxes[:, :2]).to(jitter.dtype)  # B×2
    centre = boxes[:, :2] + sides / 2 + shift * sides
    half = sides * factor / 2
    limits = whole_frame(len(boxes), size, boxes.device)
    first = (centre - half).round().long().clamp(min=0)
    last = (centre + half).round().long().minimum(limits[:, 2:])
    thin = (last - first).amin(dim=1, keepdim=True) < _THINNEST
    return torch.where(thin, limits, torch.cat([first, last], dim=1))


def crop_resize(image: Tensor, box: Tensor, size: tuple[int, int]) -> Tensor:
    """Cut out boxes and resize them bilinearly.

    Equal to ``F.interpolate(crop, size, mode="bilinear", align_corners=False)``: no pixel outside
    the box enters.

    Args:
        image: B×C×H×W floats.
        box: B×4.
        size: (h, w) of the result.

    Returns:
        B×C×h×w.
    """
    rows, columns = _source_pixels(box, size)
    return _sample(image, rows, columns, "bilinear")


def crop_resize_nearest(image: Tensor, box: Tensor, size: tuple[int, int]) -> Tensor:
    """Cut out boxes and resize them by nearest neighbour, for annotations.

    Each pixel is the one under its centre, as ``F.interpolate(crop, size, mode="nearest-exact")``
    means it (that rounds in floats; here ties are exact): centres lie where the bilinear resize of
    the image has them.

    Args:
        image: B×C×H×W floats.
        box: B×4.
        size: (h, w) of the result.

    Returns:
        B×C×h×w.
    """
    rows, columns = (
        first[:, None] + (2 * _positions(count, box) + 1) * (last - first)[:, None] // (2 * count)
        for first, last, count in _sides(box, size)
    )
    return _sample(image, rows, columns, "nearest")


def paste_back(crop: Tensor, box: Tensor, size: tuple[int, int], *, outside: float = 0.0) -> Tensor:
    """Put a crop's probabilities, or logits, back where the crop came from.

    Inside the box this is ``F.interpolate(crop, side lengths of the box, mode="bilinear",
    align_corners=False)``.

    Args:
        crop: B×K×h×w.
        box: B×4.
        size: (H, W) of the frame.
        outside: the value beyond the box.

    Returns:
        B×K×H×W.
    """
    pixels, inside = [], []
    for (first, last, count), crop_count in zip(_sides(box, size), crop.shape[-2:], strict=True):
        position = _positions(count, box) - first[:, None]
        length = (last - first)[:, None]
        pixels.append(((position + 0.5) * (crop_count / length) - 0.5).clamp(0, crop_count - 1))
        inside.append((position >= 0) & (position < length))
    rows, columns = pixels
    pasted = _sample(crop, rows, columns, "bilinear")
    within = (inside[0][:, :, None] & inside[1][:, None, :])[:, None]
    return torch.where(within, pasted, outside) if outside else pasted * within


def _first_and_last(occupied: Tensor) -> tuple[Tensor, Tensor]:
    """The first and last true position of each row of B×L (L and −1 where there is none)."""
    length = occupied.shape[1]
    positions = torch.arange(length, device=occupied.device)
    first = torch.where(occupied, positions, length).amin(dim=1)
    last = torch.where(occupied, positions, -1).amax(dim=1)
    return first, last


def _positions(count: int, box: Tensor) -> Tensor:
    return torch.arange(count, device=box.device)[None]


def _sides(box: Tensor, size: tuple[int, int]) -> list[tuple[Tensor, Tensor, int]]:
    """For rows, then columns: first and last-plus-one pixel of each box (B), and ``size``'s."""
    top, left, bottom, right = box.unbind(dim=1)
    return [(top, bottom, size[0]), (left, right, size[1])]


def _source_pixels(box: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Where in the image the rows (B×h) and columns (B×w) of a resized crop come from."""
    rows, columns = (
        first[:, None]
        + ((_positions(count, box) + 0.5) * ((last - first)[:, None] / count) - 0.5)
        .clamp(min=0)
        .minimum((last - first - 1)[:, None])
        for first, last, count in _sides(box, size)
    )
    return rows, columns


def _sample(image: Tensor, rows: Tensor, columns: Tensor, mode: str) -> Tensor:
    """Values of B×C×H×W at the pixel coordinates ``rows`` (B×h) × ``columns`` (B×w)."""
    height, width = image.shape[-2:]
    # grid_sample counts from −1 at the first pixel's centre to 1 at the last one's.
    y = rows.to(image.dtype) * (2 / max(height - 1, 1)) - 1
    x = columns.to(image.dtype) * (2 / max(width - 1, 1)) - 1
    grid = torch.stack(
        [
            x[:, None, :].expand(-1, y.shape[1], -1),
            y[:, :, None].expand(-1, -1, x.shape[1]),
        ],
        dim=-1,
    )
    return F.grid_sample(image, grid, mode=mode, padding_mode="border", align_corners=True)
