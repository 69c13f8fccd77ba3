"""The light proposal network: what its positions learn, its losses, and that it learns."""

import math

import pytest
import torch
from device_questions import NoQuestions, on_meta
from tiny_dmn_aoa import clip_of, passing_squares, started, tiny_dmn_aoa
from torch.utils import _pytree as pytree

from ranet.config import TrainConfig, parse_config
from ranet.errors import ConfigError
from ranet.methods.dmn_aoa.light import (
    LightDetector,
    assign,
    entropy_loss,
    focal_loss,
    giou_loss,
    positions,
)
from ranet.methods.dmn_aoa.proposals import best_overlaps, truth_proposals
from ranet.methods.dmn_aoa.pyramid import Pyramid
from ranet.methods.dmn_aoa.roi import best_apart
from ranet.structures import one_hot_masks
from ranet.training.losses import compute_losses

LOSSES = {
    "detector_objectness": 1.0,
    "detector_boxes": 1.0,
    "detector_centreness": 1.0,
    "detector_masks": 1.0,
}


def pyramid_of(size, channels=8, frames=1):
    levels = [torch.randn(frames, channels, size[0] // s, size[1] // s) for s in (8, 16, 32)]
    return Pyramid(*levels, levels[0])


def test_what_positions_learn():
    places, strides = positions(pyramid_of((192, 352)))
    assert places.shape == (24 * 44 + 12 * 22 + 6 * 11, 2)
    assert places[[0, 1, 24 * 44, -1]].tolist() == [[4, 4], [4, 12], [8, 8], [176, 336]]
    boxes = torch.tensor(  # small; about the level's limit; of half the frame; none
        [[[80.0, 80, 112, 112], [76, 76, 164, 164], [0, 100, 192, 340], [0, 0, 0, 0]]]
    )
    exists = torch.tensor([[True, True, True, False]])
    targets = assign(boxes, exists, places, strides, (192, 352))
    learned = [(targets.number == k) & targets.positive for k in range(4)]
    at = [sorted(set(strides[of[0]].tolist())) for of in learned]
    assert at == [[8], [8, 16], [32], []]
    # Twelve pixels from the centre is too far.
    assert places[learned[0][0]].min().item() == 92
    assert places[learned[0][0]].max().item() == 100
    assert learned[0].sum() == 4
    assert torch.equal(targets.boxes[0, learned[2][0]][0], boxes[0, 2])
    middle = (places == torch.tensor([92.0, 92])).all(dim=1) & (strides == 8)
    assert targets.centreness[0, middle].item() == pytest.approx(12 / 20)  # 12 and 20 either way
    assert not targets.positive[0, places[:, 0] < 60].any()
    around = torch.tensor([[[80.0, 80, 112, 112], [64, 64, 128, 128]]])
    targets = assign(around, exists[:, :2], places, strides, (192, 352))
    assert not targets.number[targets.positive].any()  # the smallest wins


def test_focal_loss():
    logits = torch.zeros(2, 4)
    positive = torch.tensor([[True, False, False, False], [False, False, False, False]])
    of_one, of_none = 0.25 * 0.25 * math.log(2), 0.75 * 0.25 * math.log(2)
    expected = (of_one + 3 * of_none + 4 * of_none) / 2
    assert focal_loss(logits, positive).item() == pytest.approx(expected)
    sure = torch.where(positive, 20.0, -20.0)
    assert focal_loss(sure, positive).item() == pytest.approx(0, abs=1e-6)


def test_giou_loss():
    true = torch.tensor([[[0.0, 0, 10, 10]] * 4])
    found = torch.tensor([[[0.0, 0, 10, 10], [0, 0, 10, 20], [0, 10, 10, 20], [0, 90, 10, 100]]])
    for place, expected in enumerate((0, 0.5, 1, 1.8)):  # the same; half; beside; far away
        positive = (torch.arange(4) == place)[None]
        assert giou_loss(found, true, positive).item() == pytest.approx(expected)
    assert giou_loss(found, true, torch.ones(1, 4, dtype=torch.bool)).item() == pytest.approx(0.825)
    assert giou_loss(found, true, torch.zeros(1, 4, dtype=torch.bool)).item() == 0


def test_entropy_loss():
    logits, target = torch.zeros(2, 2), torch.tensor([[1.0, 0.5], [0, 0]])
    counts = torch.tensor([[True, True], [False, False]])
    assert entropy_loss(logits, target, counts).item() == pytest.approx(math.log(2) / 2)
    masks = torch.full((1, 2, 28, 28), 100.0)
    right = torch.cat([torch.ones(1, 1, 28, 28), torch.zeros(1, 1, 28, 28)], dim=1)
    assert entropy_loss(masks, right, torch.tensor([[True, False]])).item() < 1e-9
    assert entropy_loss(masks, right, torch.tensor([[True, True]])).item() == pytest.approx(50)


def test_the_best_apart_of_frames():
    doubles = torch.tensor([[0.0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]])
    boxes = torch.stack([doubles, torch.zeros(3, 4)])
    scores = torch.tensor([[0.9, 0.8, 0.7], [0.1, 0.3, 0.2]])
    kept, valid = best_apart(boxes, scores, 0.6, 4)
    assert kept[0, :2].tolist() == [0, 2]
    assert kept[1, :3].tolist() == [1, 2, 0]  # empty boxes overlap nothing
    assert valid.tolist() == [[True, True, False, False], [True, True, True, False]]


def test_proposals_are_sorted_and_padded():
    torch.manual_seed(0)
    detector = LightDetector(8)
    image = torch.rand(2, 3, 32, 64)
    found = detector(image, pyramid_of((32, 64), frames=2), 50)
    assert found.boxes.shape == (2, 50, 4)
    assert found.masks.shape == (2, 50, 28, 28)
    assert (found.scores.diff(dim=1) <= 0).all()
    assert found.valid.any()
    assert not found.valid[:, -1].any()  # there are 42 positions
    assert not found.scores[~found.valid].any()
    assert (found.boxes >= 0).all()
    assert (found.boxes[..., 2] <= 32).all()
    assert (found.boxes[..., 3] <= 64).all()


def test_best_overlaps():
    labels = passing_squares(1)[1][0]
    masks = one_hot_masks(labels, 2)
    boxes, index = best_overlaps(truth_proposals(masks, 5), masks)
    assert boxes.tolist() == [[1, 1]]
    assert index.min() > 0.95
    boxes, index = best_overlaps(truth_proposals(masks[:, :1], 5), masks)
    assert boxes[0].tolist() == pytest.approx([1, 0])
    assert index[0, 1] == 0


def losses_of(method, clip):
    prediction = method(clip)
    labels = clip.current_labels
    return compute_losses(prediction, labels, clip.objects, LOSSES, instances=labels)


def test_it_learns_to_propose():
    method = tiny_dmn_aoa(source="light", train="detector", proposals=5).train()
    clip = clip_of(*passing_squares(5))
    later = clip._replace(images=clip.images[:, 1:2], current_labels=clip.current_labels[:, 1:2])
    before = method.figures(later)
    assert before["proposed_box_iou"].shape == before["oracle_j"].shape == (2,)
    assert before["proposed_box_iou"].mean() < 0.5
    optimizer = torch.optim.Adam(method.parameters(), lr=3e-3)
    first = None
    for _ in range(60):
        optimizer.zero_grad()
        losses = losses_of(method, clip)
        first = first or {name: loss.item() for name, loss in losses.items()}
        losses["total"].backward()
        optimizer.step()
    assert all(losses[name] < first[name] for name in LOSSES)
    after = method.figures(later)
    assert after["proposed_box_iou"].min() > 0.7
    assert after["oracle_j"].min() > 0.7
    # The untrained remainder follows what is proposed.
    frames, labels = passing_squares(4)
    method.eval()
    with torch.no_grad():
        prediction, _ = method.step(started(method, frames, labels), frames[1])
    assert prediction.aux["valid"].any()


def test_all_is_trained_together():
    method = tiny_dmn_aoa(source="light", train="all", truth_share=0.5).train()
    clip = clip_of(*passing_squares(3))
    prediction = method(clip)
    assert prediction.aux.keys() == method.arguments.aux
    weights = {"cross_entropy": 1.0, "coarse_jaccard": 0.5, "proposal_matching": 1.0} | LOSSES
    labels = clip.current_labels
    compute_losses(prediction, labels, clip.objects, weights, instances=labels)["total"].backward()
    assert not [name for name, p in method.named_parameters() if p.grad is None]


def test_the_share_of_the_truth():
    clip = clip_of(*passing_squares(2))
    for share, expected in ((1.0, True), (0.0, False)):
        method = tiny_dmn_aoa(
            source="light", truth_share=share, truth_jitter=0, proposals=3
        ).train()
        torch.manual_seed(0)
        found = method(clip).aux["proposals"]
        truth = method._truth(clip.current_labels[:, 0], method.new_state(clip.template_image))
        assert (truth.valid.sum() == found.flatten(3).amax(dim=3).gt(0.9).sum()) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"train": "detector"}}, "name a source"),
        ({"model": {"truth_share": 0.5}}, "name a source"),
        ({"model": {"source": "light", "train": "detector"}}, "'cross_entropy' is of masks"),
        ({"model": {"source": "light"}, "losses": LOSSES}, "does not give"),
    ],
)
def test_configurations_that_train_nothing(changes, message):
    model = {"name": "dmn_aoa", "backbone": "tiny"} | changes["model"]
    data = {"sources": [{"kind": "pairs", "root": "images"}]}
    values = {"name": "x", "output": "x", "data": data} | changes | {"model": model}
    with pytest.raises(ConfigError, match=message):
        parse_config(TrainConfig, values, source="x")


def test_detecting_asks_the_device_for_nothing():
    method = tiny_dmn_aoa(source="light", train="detector")
    frames, labels = passing_squares(2)
    state, clip = started(method, frames, labels), clip_of(frames, labels)
    with torch.no_grad(), NoQuestions():
        method.step(state, frames[1])
        method(clip)
    with torch.inference_mode(), on_meta():
        method = method.to("meta")
        state, clip = pytree.tree_map(lambda tensor: tensor.to("meta"), (state, clip))
        method.step(state, frames[1].to("meta"))
        losses = losses_of(method, clip)
    assert {loss.device.type for loss in losses.values()} == {"meta"}
