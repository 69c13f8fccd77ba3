"""The small blocks every part of the network is made of (supplement, Fig. 1 and 2)."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalise_image(
    image: Tensor, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD
) -> Tensor:
    """Subtract the mean and divide by the deviation, channel by channel.

    The constants enter as Python numbers: exact in every precision, and nothing is copied to
    the device.

    Args:
        image: B×3×H×W RGB in [0, 1].
        mean: of each colour, that of the weights' training images.
        std: likewise.
    """
    channels = zip(image.unbind(1), mean, std, strict=True)
    return torch.stack([(channel - m) / s for channel, m, s in channels], dim=1)


def l2_normalise(features: Tensor) -> Tensor:
    """Scale every pixel's feature vector (dimension 1) to unit length, in float32 at least."""
    return F.normalize(_at_least_float32(features), dim=1)


def _at_least_float32(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def resize(x: Tensor, size: Sequence[int], *, align_corners: bool) -> Tensor:
    """Bilinear resampling to ``size`` (height, width); nothing is done where it fits already.

    The result has the dtype of ``x``. Where gradients are computed, autocast chooses: float32 on a
    GPU, as the backward pass adds up what several pixels give.
    """
    if tuple(x.shape[-2:]) == tuple(size):
        return x
    if torch.is_grad_enabled() and torch.compiler.is_compiling():
        # What torch.compile makes of the interpolation's backward pass is wrong in some networks,
        # without a word (torch 2.13 on a CPU; pytorch issue 185509 is alike).
        return _resize_by_products(x, size, align_corners)
    with nullcontext() if torch.is_grad_enabled() else no_autocast(x.device.type):
        return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=align_corners)


def _resize_by_products(x: Tensor, size: Sequence[int], align_corners: bool) -> Tensor:
    rows, columns = (
        _interpolation(length, new, align_corners, x)
        for length, new in zip(x.shape[-2:], size, strict=True)
    )
    with no_autocast(x.device.type):
        return (rows @ _at_least_float32(x) @ columns.T).to(x.dtype)


def _interpolation(length: int, new: int, align_corners: bool, x: Tensor) -> Tensor:
    """Linear resampling of ``length`` values to ``new`` ones, as a matrix new×length for ``x``."""
    places = torch.arange(new, device=x.device, dtype=_at_least_float32(x[:0]).dtype)
    if align_corners:
        places = places * ((length - 1) / max(new - 1, 1))
    else:
        places = (places + 0.5) * (length / new) - 0.5
    distances = places.clamp(0, length - 1)[:, None] - torch.arange(length, device=x.device)
    return (1 - distances.abs()).clamp(min=0)


def average_pool(x: Tensor, size: Sequence[int]) -> Tensor:
    """Average pooling of any B×C×H×W to ``size`` (height, width)."""
    return _adaptive_pool(F.adaptive_avg_pool2d, x, size)


def max_pool(x: Tensor, size: Sequence[int]) -> Tensor:
    """Maximum pooling of any B×C×H×W to ``size`` (height, width)."""
    return _adaptive_pool(F.adaptive_max_pool2d, x, size)


def _adaptive_pool(
    pool: Callable[[Tensor, tuple[int, ...]], Tensor], x: Tensor, size: Sequence[int]
) -> Tensor:
    # Where windows are not all of one size, torch on an Apple GPU refuses averages and gets maxima
    # wrong without a word (pytorch issues 96056 and 190064); on the CPU both are right.
    uneven = any(side % parts for side, parts in zip(x.shape[-2:], size, strict=True))
    if uneven and x.device.type == "mps":
        return pool(x.cpu(), tuple(size)).to(x.device)
    return pool(x, tuple(size))


class InstanceNorm(nn.GroupNorm):
    """Instance norm with a learned scale and shift: what the backbone has for its batch norms.

    A group norm with one channel a group computes it, several times faster on a CPU than torch's
    instance norm, whose gradient is wrong there for a batch of one in the channels-last layout.

    Args:
        channels: of the input.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """B×channels×H×W → the same shape and dtype."""
        return instance_norm(x, self.weight, self.bias)


def instance_norm(x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """Zero mean and unit variance for each channel of each image, then scale and shift if given.

    Computed outside autocast, in the dtype of ``x``: torch sums in float32 at least, whatever that
    is, while autocast on a GPU would have the norm read and write float32, and the convolution
    behind it convert that back.

    Args:
        x: B×C×H×W.
        weight: C.
        bias: C, where there is a weight.
    """
    if weight is not None and bias is not None:
        weight, bias = weight.to(x.dtype), bias.to(x.dtype)  # on a GPU, one dtype for all
    with no_autocast(x.device.type):
        return F.group_norm(x, x.shape[1], weight, bias)


def no_autocast(device: str) -> AbstractContextManager[None]:
    """Leaves autocast, where it is on: to enter a context takes as long as to launch a kernel."""
    if torch.is_autocast_enabled(device):
        return torch.autocast(device, enabled=False)
    return nullcontext()


def activate(x: Tensor, norm: InstanceNorm | None = None, residual: Tensor | None = None) -> Tensor:
    """Norm, residual if any, ReLU: what stands before or behind each convolution of the network.

    Args:
        x: B×C×H×W, the output of a convolution.
        norm: the norm; None: nothing is learned.
        residual: B×C×H×W, what is added before the ReLU.
    """
    y = instance_norm(x) if norm is None else norm(x)  # nobody else has it, so that it may change
    if residual is not None:
        y += residual
    return F.relu(y, inplace=True)


class ConvBlock(nn.Module):
    """Instance norm, ReLU, convolution: pre-activated, the image size stays.

    Args:
        channels_in: channels of the input.
        channels_out: channels of the output.
        kernel: side of the convolution, 1 or 3.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """B×channels_in×H×W → B×channels_out×H×W."""
        return self.conv(activate(x))


class ResBlock(nn.Module):
    """A bottleneck with a shortcut: 1×1, 3×3, 1×1 convolutions, each followed by a norm.

    Args:
        channels: of input and output.
        bottleneck: channels of the 3×3 convolution.
        dilation: of the 3×3 convolution.
    """

    def __init__(self, channels: int, bottleneck: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, bottleneck, 1, bias=False)
        self.conv2 = nn.Conv2d(
            bottleneck, bottleneck, 3, padding=dilation, dilation=dilation, bias=False
        )
        self.conv3 = nn.Conv2d(bottleneck, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """B×channels×H×W → the same shape."""
        y = activate(self.conv1(x))
        y = activate(self.conv2(y))
        return activate(self.conv3(y), residual=x)


class MultiScaleBlock(nn.Module):
    """Sum of 3×3 convolutions of different dilation (supplement, Fig. 2).

    Args:
        channels_in: channels of the input.
        channels_out: channels of the output.
        dilations: one branch each; (1, 3, 6) in the released network and in the figure.
    """

    def __init__(self, channels_in: int, channels_out: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Conv2d(channels_in, channels_out, 3, padding=d, dilation=d, bias=False)
            for d in dilations
        )

    def forward(self, x: Tensor) -> Tensor:
        """B×channels_in×H×W → B×channels_out×H×W."""
        return sum(branch(x) for branch in self.branches)


class SkipReduction(nn.Module):
    """Reduces the three feature maps that enter a level, and brings them to the level's size.

    Args:
        channels_in: of the three maps, finest first.
        channels_out: likewise; 32, 16, 16 in the paper.
    """

    def __init__(self, channels_in: Sequence[int], channels_out: Sequence[int]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            ConvBlock(c_in, c_out, kernel=1)
            for c_in, c_out in zip(channels_in, channels_out, strict=True)
        )
        self.channels = sum(channels_out)

    def forward(self, activated: Sequence[Tensor]) -> Tensor:
        """Three maps, finest first → B×channels×(size of the first).

        The maps went through :func:`~ranet.methods.layers.activate`, with which the blocks would
        begin, but which several levels share.
        """
        size = activated[0].shape[-2:]
        reduced = [block.conv(f) for block, f in zip(self.blocks, activated, strict=True)]
        return torch.cat([resize(f, size, align_corners=True) for f in reduced], dim=1)


class PyramidLevel(nn.Sequential):
    """Two Conv-blocks and a Multi-scale block at one resolution.

    The first Conv-block reads the frame's skips beside what is known of an object. As a norm treats
    each channel alone and a convolution sums over them, the part of the skips is computed once a
    frame and added to that of each of its objects.

    Args:
        skips: their channels.
        channels: of an object's maps, after the first, after the second Conv-block, out.
        dilations: of the Multi-scale block.
    """

    def __init__(self, skips: int, channels: Sequence[int], dilations: Sequence[int]) -> None:
        objects, first, second, last = channels
        super().__init__(
            ConvBlock(skips + objects, first),
            ConvBlock(first, second),
            MultiScaleBlock(second, last, dilations),
        )
        self.skips = skips

    def part_of_skips(self, skips: Tensor) -> Tensor:
        """The first Conv-block of skips B×S×h×w alone: B×first×h×w."""
        conv = self[0].conv
        weight = conv.weight[:, : self.skips]
        return F.conv2d(activate(skips), weight, conv.bias, padding=conv.padding)

    def forward(self, part_of_skips: Tensor, objects: Tensor) -> Tensor:
        """That part B×first×h×w, maps (B·K)×C×h×w of the frames' objects → (B·K)×last×h×w."""
        first, *rest = self
        weight = first.conv.weight[:, self.skips :]
        own = F.conv2d(activate(objects), weight, padding=first.conv.padding)
        frames = (len(part_of_skips), len(objects) // len(part_of_skips))
        x = (own.unflatten(0, frames) + part_of_skips[:, None]).flatten(0, 1)
        for block in rest:
            x = block(x)
        return x


def initialise(module: nn.Module) -> None:
    """He initialisation of every convolution below ``module``; biases start at zero."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)
