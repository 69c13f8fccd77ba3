"""Losses against their definitions."""

import math

import numpy as np
import pytest
import torch
from fake_method import Fake
from tiny_ranet import clip_of
from torch.nn import functional as F

from ranet.methods.base import Prediction
from ranet.methods.registry import LOSSES as LOSSES_BY_NAME
from ranet.methods.registry import RegisteredLoss, reads_instances
from ranet.structures import add_background, one_hot_masks
from ranet.training.losses import (
    LOSSES,
    balanced_cross_entropy,
    bootstrapped_cross_entropy,
    compute_losses,
    cross_entropy,
    jaccard,
)

ONE = torch.tensor([1, 1])


def labels_of(objects: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, objects + 1, (2, 6, 7), generator=generator, dtype=torch.uint8)


def test_cross_entropy_of_one_object_is_binary() -> None:
    logits, labels = torch.randn(2, 1, 6, 7), labels_of(1)
    expected = F.binary_cross_entropy_with_logits(logits[:, 0], labels.float())
    assert torch.allclose(cross_entropy(logits, labels, ONE), expected)


def test_cross_entropy_of_many_is_a_softmax_add_background() -> None:
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
    for loss in LOSSES.values():
        logits.grad = None
        loss(logits, labels, counts).backward()
        assert logits.grad is not None
        assert logits.grad.isfinite().all()
        assert not logits.grad[0, 1:].any()
        assert logits.grad[1, 1:].any()


def test_probabilities_sum_to_one() -> None:
    padded = add_background(torch.randn(2, 3, 4, 4), torch.tensor([1, 3])).softmax(1)
    assert torch.allclose(padded.sum(1), torch.ones(2, 4, 4))
    assert not padded[0, 2:].any()


def test_jaccard_ends() -> None:
    labels = labels_of(1)
    right = (labels[:, None].float() * 2 - 1) * 50
    assert jaccard(right, labels, ONE) == pytest.approx(0, abs=1e-6)
    assert jaccard(-right, labels, ONE) > 0.9
    absent = torch.zeros_like(labels)
    assert jaccard(torch.full((2, 1, 6, 7), -50.0), absent, ONE) == pytest.approx(0, abs=1e-6)


def pixel_losses(logits: torch.Tensor, labels: torch.Tensor, objects: int) -> np.ndarray:
    """Cross-entropy of every pixel of one sample, K×H×W and H×W, pixel by pixel."""
    losses = np.zeros(labels.shape)
    for y, x in np.ndindex(*labels.shape):
        scores = np.array([0.0, *logits[:objects, y, x].tolist()])
        losses[y, x] = np.log(np.exp(scores).sum()) - scores[labels[y, x]]
    return losses


def test_balanced_cross_entropy_counts_every_label_the_same() -> None:
    logits, labels, objects = torch.randn(2, 3, 6, 7), labels_of(3), torch.tensor([2, 3])
    labels[0][labels[0] == 3] = 0
    labels[1][labels[1] == 2] = 0  # an object that is hidden in this frame
    labels[1][labels[1] == 1] = 3
    labels[1][0, 0] = 1  # one that is a single pixel
    expected = []
    for sample, there in enumerate([(0, 1, 2), (0, 1, 3)]):
        losses = pixel_losses(logits[sample], labels[sample], int(objects[sample]))
        expected.append(np.mean([losses[labels[sample] == label].mean() for label in there]))
    loss = balanced_cross_entropy(logits, labels, objects)
    assert loss == pytest.approx(np.mean(expected), rel=1e-5)


def test_bootstrapped_cross_entropy_is_that_of_the_hardest_pixels_of_each_sample() -> None:
    logits, labels, objects = torch.randn(2, 3, 6, 7), labels_of(2), torch.tensor([2, 3])
    logits[1] *= 10  # its pixels are harder than any of the other sample
    expected = []
    for sample in range(2):
        losses = pixel_losses(logits[sample], labels[sample], int(objects[sample]))
        expected.append(np.sort(losses.ravel())[-7:].mean())  # 15 % of 42, rounded up
    loss = bootstrapped_cross_entropy(logits, labels, objects)
    assert loss == pytest.approx(np.mean(expected), rel=1e-5)
    assert loss > cross_entropy(logits, labels, objects)


def test_bootstrapping_takes_at_least_one_pixel() -> None:
    logits, labels = torch.zeros(2, 1, 1, 1), torch.ones(2, 1, 1, dtype=torch.uint8)
    assert bootstrapped_cross_entropy(logits, labels, ONE) == pytest.approx(math.log(2))


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_of_a_batch_is_the_mean_of_its_parts(name: str) -> None:
    logits, labels, objects = torch.randn(2, 3, 6, 7), labels_of(3), torch.tensor([3, 3])
    labels[1] = torch.where(labels[1] == 3, 3, 0)  # samples of unlike shares of labels
    logits[1] *= 5
    parts = [LOSSES[name](logits[b : b + 1], labels[b : b + 1], objects[b : b + 1]) for b in (0, 1)]
    assert LOSSES[name](logits, labels, objects) == pytest.approx(float(sum(parts)) / 2, rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_trains_a_network(name: str) -> None:
    torch.manual_seed(0)
    model = Fake()
    image, labels = torch.rand(2, 3, 64, 96), torch.zeros(2, 64, 96, dtype=torch.uint8)
    labels[0, 10:30, 10:40], labels[1, 20:60, 50:80] = 1, 1
    masks = one_hot_masks(labels, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    totals = []
    for _ in range(6):
        optimizer.zero_grad()
        prediction = model(clip_of(image, masks, image, masks))
        total = compute_losses(prediction, labels[:, None], ONE, {name: 1.0})["total"]
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert totals[-1] < 0.95 * totals[0]


def test_a_registered_loss_is_given_the_labels_and_the_prediction_that_it_asks_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = {}

    def loss(prediction: Prediction, labels: torch.Tensor, objects: torch.Tensor) -> torch.Tensor:
        given[len(given)] = labels, prediction.aux["seen"]
        return labels.float().mean()

    for name, instances in (("chosen", False), ("everything", True)):
        monkeypatch.setitem(LOSSES_BY_NAME, name, RegisteredLoss(loss, frozenset(), instances))
    prediction = Prediction(torch.randn(2, 1, 1, 6, 7), {"seen": torch.ones(2, 1)})
    labels, everything = labels_of(1)[:, None], labels_of(3)[:, None]
    weights = {"chosen": 1.0, "everything": 1.0}
    assert reads_instances(weights)
    assert not reads_instances(["chosen", "jaccard"])
    compute_losses(prediction, labels, ONE, weights, everything)
    assert torch.equal(given[0][0], labels[:, 0])
    assert torch.equal(given[1][0], everything[:, 0])
    assert given[0][1].shape == (2,)


def test_total_is_the_weighted_sum() -> None:
    logits, labels = torch.randn(2, 1, 6, 7), labels_of(1)
    losses = compute_losses(
        Prediction(logits[:, None]), labels[:, None], ONE, {"cross_entropy": 2.0, "jaccard": 0.5}
    )
    assert list(losses) == ["cross_entropy", "jaccard", "total"]
    assert losses["total"] == 2 * losses["cross_entropy"] + 0.5 * losses["jaccard"]


def test_half_precision_logits_are_widened() -> None:
    prediction = Prediction(torch.randn(2, 1, 1, 6, 7).bfloat16())
    losses = compute_losses(prediction, labels_of(1)[:, None], ONE, {"cross_entropy": 1.0})
    assert losses["total"].dtype == torch.float32
