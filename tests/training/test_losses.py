"""Losses against their definitions."""

import pytest
import torch
from torch.nn import functional as F

from ranet.training.losses import compute_losses, cross_entropy, jaccard, with_background

ONE = torch.tensor([1, 1])


def labels_of(objects: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, objects + 1, (2, 6, 7), generator=generator, dtype=torch.uint8)


def test_cross_entropy_of_one_object_is_binary() -> None:
    logits, labels = torch.randn(2, 1, 6, 7), labels_of(1)
    expected = F.binary_cross_entropy_with_logits(logits[:, 0], labels.float())
    assert torch.allclose(cross_entropy(logits, labels, ONE), expected)


def test_cross_entropy_of_many_is_a_softmax_with_background() -> None:
    logits, labels = torch.randn(2, 3, 6, 7), labels_of(3)
    probability = logits.exp() / (1 + logits.exp().sum(1, keepdim=True))
    background = 1 - probability.sum(1, keepdim=True)
    chosen = torch.cat([background, probability], 1).gather(1, labels.long()[:, None])
    loss = cross_entropy(logits, labels, torch.tensor([3, 3]))
    assert torch.allclose(loss, -chosen.log().mean(), atol=1e-6)


def test_objects_that_do_not_exist_have_no_say_and_no_gradient() -> None:
    logits = torch.randn(2, 3, 6, 7, requires_grad=True)
    labels = labels_of(1)
    counts = torch.tensor([1, 3])
    for loss in (cross_entropy, jaccard):
        logits.grad = None
        loss(logits, labels, counts).backward()
        assert logits.grad is not None
        assert logits.grad.isfinite().all()
        assert not logits.grad[0, 1:].any()
        assert logits.grad[1, 1:].any()


def test_probabilities_sum_to_one() -> None:
    padded = with_background(torch.randn(2, 3, 4, 4), torch.tensor([1, 3])).softmax(1)
    assert torch.allclose(padded.sum(1), torch.ones(2, 4, 4))
    assert not padded[0, 2:].any()


def test_jaccard_ends() -> None:
    labels = labels_of(1)
    right = (labels[:, None].float() * 2 - 1) * 50
    assert jaccard(right, labels, ONE) == pytest.approx(0, abs=1e-6)
    assert jaccard(-right, labels, ONE) > 0.9
    absent = torch.zeros_like(labels)
    assert jaccard(torch.full((2, 1, 6, 7), -50.0), absent, ONE) == pytest.approx(0, abs=1e-6)


def test_total_is_the_weighted_sum() -> None:
    logits, labels = torch.randn(2, 1, 6, 7), labels_of(1)
    losses = compute_losses(logits, labels, ONE, {"cross_entropy": 2.0, "jaccard": 0.5})
    assert list(losses) == ["cross_entropy", "jaccard", "total"]
    assert losses["total"] == 2 * losses["cross_entropy"] + 0.5 * losses["jaccard"]


def test_half_precision_logits_are_widened() -> None:
    losses = compute_losses(
        torch.randn(2, 1, 6, 7).bfloat16(), labels_of(1), ONE, {"cross_entropy": 1.0}
    )
    assert losses["total"].dtype == torch.float32
