"""Blocks, correlation, backbone: each against its definition."""

from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as F

from ranet.methods.layers import (
    ConvBlock,
    InstanceNorm,
    MultiScaleBlock,
    PyramidLevel,
    ResBlock,
    SkipReduction,
    activate,
    average_pool,
    instance_norm,
    l2_normalise,
    max_pool,
    normalise_image,
    resize,
)
from ranet.methods.ranet.correlation import correlate


def test_image_is_normalised_exactly_in_double() -> None:
    image = torch.rand(1, 3, 4, 5, dtype=torch.float64)
    mean = torch.tensor([0.485, 0.456, 0.406], dtype=torch.float64).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225], dtype=torch.float64).view(1, 3, 1, 1)
    assert torch.equal(normalise_image(image), (image - mean) / std)


def test_l2_normalise_leaves_half_precision_for_float32() -> None:
    assert l2_normalise(torch.rand(1, 8, 2, 2).bfloat16()).dtype == torch.float32
    assert l2_normalise(torch.rand(1, 8, 2, 2).double()).dtype == torch.float64


def test_conv_block_is_pre_activated() -> None:
    block = ConvBlock(3, 5)
    x = torch.randn(2, 3, 6, 7)
    expected = F.conv2d(F.relu(F.instance_norm(x)), block.conv.weight, block.conv.bias, padding=1)
    assert torch.allclose(block(x), expected, atol=1e-6)


def test_instance_norm_is_per_image_and_channel() -> None:
    x = torch.randn(2, 3, 6, 7)
    norm = InstanceNorm(3)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    mean, var = x.mean(dim=(2, 3), keepdim=True), x.var(dim=(2, 3), keepdim=True, correction=0)
    expected = (x - mean) / (var + 1e-5).sqrt()
    assert torch.allclose(instance_norm(x), expected, atol=1e-5)
    scaled = expected * norm.weight.view(3, 1, 1) + norm.bias.view(3, 1, 1)
    assert torch.allclose(norm(x), scaled, atol=1e-5)


@pytest.mark.parametrize("learned", [False, True])
def test_the_residual_is_added_between_norm_and_relu(learned: bool) -> None:
    x, residual = torch.randn(2, 2, 3, 6, 7)
    norm = InstanceNorm(3) if learned else None
    if norm is not None:
        torch.nn.init.normal_(norm.weight)
    normed = instance_norm(x) if norm is None else norm(x)
    before = residual.clone()
    assert torch.equal(activate(x, norm), F.relu(normed))
    assert torch.equal(activate(x, norm, residual), F.relu(normed + residual))
    assert torch.equal(residual, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("learned", [False, True])
def test_norms_keep_their_dtype_whatever_autocast_says(
    dtype: torch.dtype, learned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Autocast on a GPU, unlike that on a CPU, would compute them in float32."""
    seen = []
    group_norm = F.group_norm

    def spy(x: torch.Tensor, groups: int, *learned: torch.Tensor | None) -> torch.Tensor:
        dtypes = {tensor.dtype for tensor in (x, *learned) if tensor is not None}
        seen.append((torch.is_autocast_enabled("cpu"), dtypes))
        return group_norm(x, groups, *learned)

    monkeypatch.setattr(F, "group_norm", spy)
    x = torch.randn(1, 3, 6, 7).to(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        y = activate(x, InstanceNorm(3) if learned else None)
    assert y.dtype == dtype
    assert seen == [(False, {dtype})]


@pytest.mark.parametrize("learns", [False, True])
def test_resampling_keeps_half_precision_where_nothing_learns(
    learns: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Autocast on a GPU, unlike that on a CPU, would compute it in float32."""
    seen = []
    interpolate = F.interpolate

    def spy(x: torch.Tensor, **options: object) -> torch.Tensor:
        seen.append(torch.is_autocast_enabled("cpu"))
        return interpolate(x, **options)

    monkeypatch.setattr(F, "interpolate", spy)
    x = torch.rand(1, 2, 3, 4, dtype=torch.bfloat16)
    with torch.set_grad_enabled(learns), torch.autocast("cpu", torch.bfloat16):
        y = resize(x, (6, 8), align_corners=True)
        assert torch.is_autocast_enabled("cpu")
    assert (y.dtype, y.shape) == (torch.bfloat16, (1, 2, 6, 8))
    assert seen == [learns]


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(10, 26), (11, 8), (1, 40)])
def test_resampling_that_is_compiled_to_learn_is_no_interpolation(
    size: tuple[int, int], align_corners: bool
) -> None:
    called: list[str] = []

    def backend(graph: torch.fx.GraphModule, _: object) -> Callable[..., object]:
        called.extend(str(node.target) for node in graph.graph.nodes)
        return graph.forward

    def resized(x: torch.Tensor) -> torch.Tensor:
        return resize(x, size, align_corners=align_corners)

    x = torch.rand(2, 3, 5, 13, dtype=torch.float64, requires_grad=True)
    torch.compiler.reset()
    compiled = torch.compile(resized, backend=backend)
    torch.testing.assert_close(compiled(x), resized(x), rtol=0, atol=1e-12)
    assert called
    assert not any("interpolate" in name for name in called)
    torch.testing.assert_close(compiled(x.half()), resized(x.half()), rtol=0, atol=1e-3)


def test_res_block_adds_its_input() -> None:
    block = ResBlock(4, 2, dilation=2)
    torch.nn.init.zeros_(block.conv3.weight)
    x = torch.randn(1, 4, 9, 9)
    assert torch.allclose(block(x), F.relu(x))


def test_multi_scale_block_reaches_as_far_as_its_dilations() -> None:
    block = MultiScaleBlock(1, 1, (1, 3, 6))
    for branch in block.branches:
        torch.nn.init.ones_(branch.weight)
    image = torch.zeros(1, 1, 21, 21)
    image[..., 10, 10] = 1
    response = block(image)[0, 0]
    offsets = {-6, -3, -1, 0, 1, 3, 6}
    assert {int(y) - 10 for y in response.nonzero()[:, 0]} == offsets
    assert response[10, 10] == 3


class OnAppleGPU(torch.Tensor):
    """Claims to be on an Apple GPU; what is computed from it, no longer is."""

    __torch_function__ = torch._C._disabled_torch_function_impl
    device = torch.device("mps")

    def cpu(self) -> torch.Tensor:
        return self.as_subclass(torch.Tensor)


@pytest.fixture
def apple_gpu(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Pools that refuse what MPS cannot; gives the names of devices that tensors were moved to."""
    moved: list[str] = []

    def restricted(pool: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        def run(x: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
            if x.device.type == "mps" and (x.shape[-2] % size[0] or x.shape[-1] % size[1]):
                raise RuntimeError("Adaptive pool MPS: input sizes must be divisible")
            return pool(x, size)

        return run

    def to(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
        moved.append(device.type)
        return tensor

    for name in ("adaptive_avg_pool2d", "adaptive_max_pool2d"):
        monkeypatch.setattr(F, name, restricted(getattr(F, name)))
    monkeypatch.setattr(torch.Tensor, "to", to)
    return moved


@pytest.mark.parametrize(
    ("pool", "plain"),
    [(average_pool, F.adaptive_avg_pool2d), (max_pool, F.adaptive_max_pool2d)],
)
@pytest.mark.parametrize(
    ("size", "through_the_cpu"), [((3, 4), False), ((4, 8), True), ((6, 3), True), ((9, 2), True)]
)
def test_an_apple_gpu_pools_windows_of_unlike_size_on_the_cpu(
    pool: Callable[..., torch.Tensor],
    plain: Callable[..., torch.Tensor],
    size: tuple[int, int],
    through_the_cpu: bool,
    apple_gpu: list[str],
) -> None:
    x = torch.rand(2, 3, 6, 8)
    assert torch.equal(pool(x.as_subclass(OnAppleGPU), size), plain(x, size))
    assert apple_gpu == ["mps"] * through_the_cpu
    assert torch.equal(pool(x, size), plain(x, size))
    assert len(apple_gpu) == through_the_cpu  # nothing moves elsewhere


def test_correlation_is_the_inner_product() -> None:
    template, embedding = torch.randn(2, 8, 3, 4), torch.randn(2, 8, 5, 6)
    maps = correlate(template, embedding)
    assert maps.shape == (2, 12, 5, 6)
    expected = torch.dot(template[1, :, 2, 1], embedding[1, :, 4, 3])
    assert torch.allclose(maps[1, 2 * 4 + 1, 4, 3], expected, atol=1e-5)


def test_a_level_computes_the_part_of_the_skips_once_a_frame() -> None:
    level = PyramidLevel(2, [3, 4, 4, 3], dilations=(1, 2)).double()
    skips = torch.randn(2, 2, 8, 9, dtype=torch.float64)
    objects = torch.randn(2 * 3, 3, 8, 9, dtype=torch.float64)  # three in each frame
    beside = torch.cat([skips.repeat_interleave(3, dim=0), objects], dim=1)
    for block in level:  # as the supplement's Figure 2 draws it, for every object anew
        beside = block(beside)
    part_of_skips = level.part_of_skips(skips)
    assert len(part_of_skips) == 2
    assert torch.allclose(level(part_of_skips, objects), beside)
    assert level(part_of_skips, objects[:0]).shape == (0, 3, 8, 9)


def test_skips_are_reduced_as_by_conv_blocks() -> None:
    reduction = SkipReduction([4, 6], [2, 3])
    fine, coarse = torch.randn(1, 4, 8, 8), torch.randn(1, 6, 4, 4)
    near, far = (block(f) for block, f in zip(reduction.blocks, (fine, coarse), strict=True))
    far = F.interpolate(far, (8, 8), mode="bilinear", align_corners=True)
    assert torch.allclose(reduction([activate(fine), activate(coarse)]), torch.cat([near, far], 1))


def test_correlation_keeps_float32_under_autocast() -> None:
    template, embedding = torch.randn(1, 8, 3, 4), torch.randn(1, 8, 5, 6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        maps = correlate(template, embedding)
    assert torch.equal(maps, correlate(template, embedding))
