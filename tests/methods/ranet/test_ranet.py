"""The whole network: sizes, gradients, sharing between objects."""

from collections.abc import Sequence

import pytest
import torch
from tiny_ranet import logits_of
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ranet.methods import layers
from ranet.methods.ranet.config import RANetConfig
from ranet.methods.ranet.network import RANet


def small(**changes: object) -> RANet:
    torch.manual_seed(0)
    arguments = {"backbone": "tiny", "template_grid": (4, 6), "ranked": 16, "width": 0.25}
    return RANet(**(arguments | changes))


def pair(objects: int, size: tuple[int, int] = (64, 96), batch: int = 1) -> tuple[Tensor, ...]:
    """Template image, template masks, current image, previous masks."""
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(2, batch, 3, *size, generator=generator)
    labels = torch.randint(0, objects + 1, (2, batch, 1, *size), generator=generator)
    masks = (labels == torch.arange(1, objects + 1)[:, None, None]).float()
    return images[0], masks[0], images[1], masks[1]


@pytest.mark.slow
def test_paper_size() -> None:
    model = RANet().eval()
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(63.4e6, abs=0.05e6)
    image, masks = torch.rand(1, 3, 480, 864), torch.rand(1, 1, 480, 864)
    with torch.inference_mode():
        template = model.encode_template(image, masks)
        assert template.embedding.shape == (1, 512, 15, 27)
        with FlopCounterMode(display=False) as counter:
            frame = model.encode_frame(image)
            logits = model.segment(template, frame, masks)
    assert frame.embedding.shape == (1, 512, 30, 54)
    assert [f.shape[1] for f in frame.skips] == [64, 256, 512, 1024, 2048]
    assert logits.shape == (1, 1, 480, 864)
    assert counter.get_total_flops() == pytest.approx(263e9, abs=1e9)


@pytest.mark.parametrize("backbone", ["tiny", "resnet18", "resnet34", "resnet50"])
@pytest.mark.parametrize("objects", ["single", "multi"])
def test_backbones_and_object_counts(backbone: str, objects: str) -> None:
    model = small(backbone=backbone, objects=objects).eval()
    with torch.inference_mode():
        logits = logits_of(model, *pair(3))
    assert logits.shape == (1, 3, 64, 96)
    assert logits.isfinite().all()


@pytest.mark.parametrize("size", [(33, 33), (50, 131), (96, 64), (127, 65)])
def test_any_size(size: tuple[int, int]) -> None:
    with torch.inference_mode():
        logits = logits_of(small().eval(), *pair(2, size))
    assert logits.shape == (1, 2, *size)


def test_all_pools_are_those_that_know_of_apple_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    adaptive_pool = layers._adaptive_pool

    def spy(pool: object, x: Tensor, size: Sequence[int]) -> Tensor:
        sizes.append(tuple(size))
        return adaptive_pool(pool, x, size)

    monkeypatch.setattr(layers, "_adaptive_pool", spy)
    with torch.inference_mode():
        logits_of(small().eval(), *pair(2, (50, 131)))
    # The template, its masks, the similarity maps, the previous masks at stride 8.
    assert sizes == [(4, 6), (4, 6), (4, 6), (7, 17)]


def test_too_small_an_image_is_refused() -> None:
    with pytest.raises(ValueError, match=r"above 32, found \(1, 3, 32, 64\)"):
        small().encode_frame(torch.rand(1, 3, 32, 64))


def test_embedding_has_unit_length() -> None:
    frame = small().eval().encode_frame(torch.rand(2, 3, 64, 96))
    assert torch.allclose(frame.embedding.norm(dim=1), torch.ones(2, 4, 6), atol=1e-5)


def test_template_is_pooled_and_not_normalised_again() -> None:
    model = small(template_grid=(2, 3)).eval()
    image, masks, _, _ = pair(2)
    with torch.inference_mode():
        template = model.encode_template(image, masks)
        embedding = model.encode_frame(image).embedding
    expected = torch.nn.functional.avg_pool2d(embedding, 2)
    assert torch.allclose(template.embedding, expected, atol=1e-6)
    assert template.embedding.norm(dim=1).max() < 0.999
    assert torch.allclose(template.masks, torch.nn.functional.avg_pool2d(masks, 32))


@pytest.mark.parametrize("objects", ["single", "multi"])
def test_frames_of_a_batch_do_not_meet(objects: str) -> None:
    model = small(objects=objects).double().eval()
    inputs = [tensor.double() for tensor in pair(2, batch=3)]
    with torch.inference_mode():
        together = logits_of(model, *inputs)
        alone = torch.cat([logits_of(model, *(x[b : b + 1] for x in inputs)) for b in range(3)])
    assert torch.allclose(together, alone, atol=1e-9)


@pytest.mark.parametrize("objects", ["single", "multi"])
def test_objects_in_parts_give_the_same_logits(objects: str) -> None:
    model = small(objects=objects).double().eval()
    image, masks, current, previous = (x.double() for x in pair(5))
    with torch.inference_mode():
        template, frame = model.encode_template(image, masks), model.encode_frame(current)
        together = model.segment(template, frame, previous)
        in_parts = model.segment(template, frame, previous, objects_at_once=2)
    assert torch.allclose(together, in_parts, atol=1e-9)


def test_single_object_network_treats_objects_independently() -> None:
    model = small(objects="single").double().eval()
    image, masks, current, previous = (x.double() for x in pair(3))
    with torch.inference_mode():
        together = logits_of(model, image, masks, current, previous)
        alone = [
            logits_of(model, image, masks[:, [k]], current, previous[:, [k]]) for k in range(3)
        ]
    assert torch.allclose(together, torch.cat(alone, dim=1), atol=1e-9)


def test_multi_object_network_sees_the_other_objects() -> None:
    model = small(objects="multi").double().eval()
    image, masks, current, previous = (x.double() for x in pair(3))
    with torch.inference_mode():
        together = logits_of(model, image, masks, current, previous)
        first = logits_of(model, image, masks[:, :1], current, previous[:, :1])
    assert not torch.allclose(together[:, :1], first, atol=1e-4)


def test_order_of_objects_does_not_matter() -> None:
    model = small(objects="multi").double().eval()
    image, masks, current, previous = (x.double() for x in pair(3))
    order = [2, 0, 1]
    with torch.inference_mode():
        logits = logits_of(model, image, masks, current, previous)
        permuted = logits_of(model, image, masks[:, order], current, previous[:, order])
    assert torch.allclose(logits[:, order], permuted, atol=1e-9)


@pytest.mark.parametrize("objects", ["single", "multi"])
def test_every_parameter_learns(objects: str) -> None:
    model = small(objects=objects)
    logits_of(model, *pair(2)).square().mean().backward()
    silent = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    # A convolution's bias before an instance norm cancels out; everything else must move.
    assert [n for n in silent if not n.endswith("bias")] == []


def test_without_ranking_gradient_only_the_ranking_network_stands_still() -> None:
    model = small(ranking_gradient="none")
    logits_of(model, *pair(1)).square().mean().backward()
    still = {n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    ranking = {n for n, _ in model.named_parameters() if n.startswith("ranking.")}
    assert ranking <= still
    assert {n for n in still - ranking if not n.endswith("bias")} == set()


def test_straight_through_changes_no_bit_of_the_forward_pass() -> None:
    inputs = pair(2)
    with torch.no_grad():
        with_it = logits_of(small(ranking_gradient="straight_through").eval(), *inputs)
        without = logits_of(small(ranking_gradient="none").eval(), *inputs)
    assert torch.equal(with_it, without)


def test_memory_layout_changes_no_gradient() -> None:
    """Batch of one, channels last: the case that torch's instance norm gets wrong on a CPU."""

    def gradients(layout: torch.memory_format) -> dict[str, Tensor]:
        model = small(objects="multi").double().to(memory_format=layout)
        logits_of(model, *(tensor.double() for tensor in pair(2))).square().mean().backward()
        return {name: p.grad for name, p in model.named_parameters()}

    plain, channels_last = map(gradients, (torch.contiguous_format, torch.channels_last))
    for name, gradient in plain.items():
        assert torch.allclose(channels_last[name], gradient, rtol=1e-6, atol=1e-9), name


def test_its_docstring_tells_of_every_argument() -> None:
    told = RANet.__doc__ or ""
    assert [name for name in RANetConfig.model_fields if f"``{name}``" not in told] == ["name"]
