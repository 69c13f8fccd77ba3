"""The method: crops, what is kept between frames, training, and what serves it."""

import copy

import numpy as np
import pytest
import torch
from device_questions import NoQuestions, on_meta
from dmvos_videos import SIZE, TINY, an_image, masks_at, tiny_dmvos
from method_steps import marked, prepared
from moving_squares import moving

from ranet.config import InferenceConfig, OnlineLearning
from ranet.inference.segmenter import VideoSegmenter
from ranet.methods.base import Options
from ranet.methods.checkpoints import load_checkpoint, save_checkpoint
from ranet.methods.dmvos.method import DMVOS, DMVOSState
from ranet.structures import Clip, one_hot_masks
from ranet.training import loop
from ranet.training.losses import compute_losses
from ranet.training.online import fine_tune

LOSSES = {"cross_entropy": 1.0, "jaccard": 0.5, "centre_offset": 1.0, "margin": 0.5}
SETTINGS = {"input_size": (48, 80), "frame_size": SIZE, "smallest_crop": 8, "device": "cpu"}


def method_of(network=None, **changes):
    return prepared(network or tiny_dmvos(), **{**SETTINGS, **changes})


def looked(method, state, masks):
    """Where objects are looked for when the last frame had these masks."""
    return method.look(state._replace(probabilities=masks))


# --- crops


def test_the_first_crop_is_one_and_a_half_times_the_box():
    method = method_of(frame_size=None)
    masks = torch.zeros(1, 1, 100, 200)
    masks[..., 10:50, 40:100] = 1
    state = marked(method, (torch.rand(1, 3, 100, 200), masks))
    assert state.sides.tolist() == [[[60, 90]]]
    assert state.centre.tolist() == [[[30, 70]]]
    assert method.look(state).boxes.tolist() == [[[0, 25, 60, 115]]]


def test_sides_follow_equation_1_and_grow_while_the_object_is_missing():
    method = method_of()
    state = marked(method, (an_image(), masks_at((20, 30))))
    width = 30.0
    for side in (20, 24, 16, 0, 16):
        masks = masks_at((20, 30), side=side)
        _, state = method.step(state._replace(probabilities=masks), an_image(1))
        width = 0.5 * width + 0.5 * 1.5 * side if side else 1.25 * width
        assert state.sides.tolist() == [[[width, width]]]
    unsmoothed = looked(method_of(crop_smoothing=0), state, masks_at((20, 30), side=10))
    assert unsmoothed.sides.tolist() == [[[15, 15]]]


def test_a_missing_object_keeps_its_centre_has_no_veto_and_is_looked_for_everywhere():
    method = method_of()
    state = marked(method, (an_image(), masks_at((10, 10), (40, 60))))
    centre, only_first = state.centre, torch.tensor([1.0, 0.0])[:, None, None]
    for _ in range(8):
        emptied = state._replace(probabilities=state.probabilities * only_first)
        look = method.look(emptied)
        assert look.found.tolist() == [[True, False]]
        assert look.centre[0, 1].equal(centre[0, 1])
        seen = method.see_objects(emptied, an_image(), look, slice(1, 2))
        assert (seen.centre == 1).all()
        prediction, state = method.step(emptied, an_image())
        assert prediction.logits.isfinite().all()
        state = state._replace(probabilities=masks_at((10, 10), (40, 60)))
    assert look.boxes[0, 1].tolist() == [0, 0, *SIZE]
    back = looked(method, state, masks_at((10, 10), (0, 0)))
    assert back.found.all()
    assert back.centre[0, 1].tolist() == [10, 10]


def test_a_missing_object_is_told_by_its_last_mask_and_not_by_what_is_faint_since():
    method = method_of()
    masks = masks_at((10, 10), (40, 60))
    state, seen = marked(method, (an_image(), masks)), []
    for share in (1, 0.3, 0.2, 0.9):  # of the second's probabilities in the frame before
        probabilities = masks * torch.tensor([1.0, share])[:, None, None]
        _, state = method.step(state._replace(probabilities=probabilities), an_image())
        seen.append(state.last_masks[0, 1].max().item())
        assert state.last_masks[:, 0].equal(probabilities[:, 0])
    assert seen == [1, 1, 1, pytest.approx(0.9)]
    alone = method.keep_objects(state._replace(probabilities=0.1 * masks), [1])
    blank = alone._replace(last_masks=torch.zeros_like(alone.last_masks))
    told, not_told = (method.step(s, an_image())[0].logits for s in (alone, blank))
    assert not torch.equal(told, not_told)


def test_an_object_that_vanishes_and_returns_in_a_video():
    frames = [frame for frame, _ in moving(SIZE, 6, {1: (10, 10), 2: (30, 60)})]
    frames[3] = np.zeros_like(frames[3])
    segmenter = VideoSegmenter(tiny_dmvos(), InferenceConfig(**SETTINGS))
    segmenter.start(*moving(SIZE, 1, {1: (10, 10), 2: (30, 60)})[0])
    for frame in frames[1:]:
        assert segmenter.step(frame).shape == SIZE
        assert np.isfinite(segmenter.probabilities).all()


def test_the_whole_frame_can_be_seen_and_a_crop_given():
    image, masks = an_image(), masks_at((10, 10))
    method = method_of(crop="whole_frame")
    assert method.look(marked(method, (image, masks))).boxes.tolist() == [[[0, 0, *SIZE]]]
    network = tiny_dmvos()  # its options crop nothing
    prediction, _ = network.step(marked(network, (image, masks)), image)
    assert prediction.logits.shape == (1, 1, *SIZE)


# --- objects


@torch.inference_mode()
@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_objects_together_are_as_each_alone(at_once, monkeypatch):
    # In float64: a batch adds up in another order, which random weights make much of.
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    method = method_of(tiny_dmvos().double(), objects_at_once=at_once)
    image, masks = an_image().double(), masks_at((10, 10), (30, 60), (5, 50)).double()
    together, _ = method.step(marked(method, (image, masks)), image)
    assert set(together.aux) == {"object_boxes", "offset", "margin_logit"}
    for k in range(3):
        alone, _ = method.step(marked(method, (image, masks[:, k, None])), image)
        torch.testing.assert_close(together.logits[:, k, None], alone.logits, rtol=0, atol=1e-9)
        for name, of_all in together.aux.items():
            torch.testing.assert_close(of_all[:, k, None], alone.aux[name], rtol=0, atol=1e-9)


@torch.inference_mode()
def test_objects_that_are_kept_are_as_if_they_had_been_alone():
    method = method_of()
    image, masks = an_image(), masks_at((10, 10), (30, 60), (5, 50))
    kept = method.keep_objects(marked(method, (image, masks)), [2, 0])
    alone = marked(method, (image, masks[:, [2, 0]]))
    for one, other in zip(kept, alone, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


@torch.inference_mode()
def test_objects_added_later_win_and_have_a_template_of_their_frame():
    method = method_of()
    first, second = an_image(0), an_image(1)
    state = marked(method, (first, masks_at((10, 10))))
    _, state = method.step(state, first)
    added = method.add_objects(state, second, masks_at((15, 15)))
    assert added.probabilities.shape == (1, 2, *SIZE)
    assert not (added.probabilities[:, 0] * masks_at((15, 15))[:, 0]).any()
    assert added.template[:, :1].equal(state.template)
    alone = marked(method, (second, masks_at((15, 15))))
    assert added.template[:, 1:].equal(alone.template)
    assert method.step(added, second)[0].logits.shape == (1, 2, *SIZE)


@torch.inference_mode()
def test_videos_of_a_batch_do_not_touch_each_other():
    method = method_of()
    images = torch.cat([an_image(0), an_image(1)])
    masks = torch.cat([masks_at((10, 10), (30, 60)), masks_at((0, 60), (40, 70))])
    together = method.step(marked(method, (images, masks)), images)[1].probabilities
    for video in (0, 1):
        image, mask = images[video, None], masks[video, None]
        alone = method.step(marked(method, (image, mask)), image)[1].probabilities
        torch.testing.assert_close(together[video, None], alone, rtol=0, atol=1e-5)


# --- as it computes


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"correlation": "plain", "centre_offset": False},
        {"correlation": "none", "previous_mask": False, "template_pooling": 2},
    ],
)
def test_a_step_never_waits_for_the_device(changes):
    image, masks = an_image(), masks_at((10, 10), (30, 60))
    method = method_of(tiny_dmvos(**changes))
    with torch.no_grad(), NoQuestions():
        method.step(marked(method, (image, masks)), image)
    method = method_of(tiny_dmvos(**changes)).to("meta")
    with torch.inference_mode(), on_meta():
        state = marked(method, (image.to("meta"), masks.to("meta")))
        assert method.step(state, image.to("meta"))[0].logits.device.type == "meta"


@pytest.mark.slow
def test_a_step_compiles_without_a_break_and_once_for_all_frames():
    method = method_of()
    state = marked(method, (an_image(), masks_at((10, 10), (30, 60))))
    compiled = torch.compile(method.step, fullgraph=True, dynamic=False, backend="aot_eager")
    with torch.inference_mode():
        for seed in range(3):
            found, _ = compiled(state, an_image(seed))
            expected, state = method.step(state, an_image(seed))
            torch.testing.assert_close(found.logits, expected.logits, rtol=0, atol=1e-4)


@torch.inference_mode()
def test_half_precision_agrees():
    image, masks = an_image(), masks_at((10, 10), (30, 60))
    results = []
    for dtype in ("float32", "bfloat16"):
        method = method_of(dtype=dtype)
        state = marked(method, (image, masks))
        assert state.template.dtype == torch.float32
        results.append(method.step(state, image)[1].probabilities)
    assert (results[0] - results[1]).abs().mean() < 0.02


def test_a_checkpoint_is_enough(tmp_path):
    network = tiny_dmvos(dilations=(1, 2, 3))
    save_checkpoint(tmp_path / "it.pt", network)
    loaded = load_checkpoint(tmp_path / "it.pt")
    assert (loaded.label, loaded.architecture) == ("DMVOS-style", network.architecture)
    image, masks = an_image(), masks_at((10, 10))
    logits = []
    for method in map(method_of, (network, loaded)):
        with torch.inference_mode():
            logits.append(method.step(marked(method, (image, masks)), image)[0].logits)
    assert torch.equal(*logits)


def test_an_interrupted_video_goes_on_from_its_state(tmp_path):
    method = method_of()
    state = marked(method, (an_image(), masks_at((10, 10))))
    torch.save(state, tmp_path / "state.pt")
    with torch.serialization.safe_globals(list(DMVOS.state_types)):
        again = torch.load(tmp_path / "state.pt", weights_only=True)
    assert isinstance(again, DMVOSState)
    with torch.inference_mode():
        one, other = (method.step(s, an_image(1))[0].logits for s in (state, again))
    assert torch.equal(one, other)


# --- training


def a_clip(frames=2, *, seen=SIZE):
    """A square of its own colour, and a look-alike that was not chosen: clip, labels, instances."""
    labels = torch.zeros(1, frames + 1, *seen, dtype=torch.uint8)
    for t in range(frames + 1):
        labels[0, t, 20:40, 10 + 4 * t : 30 + 4 * t] = 1
        labels[0, t, 22:42, 60:80] = 2
    colours = torch.tensor([[0.2, 0.3, 0.4], [0.9, 0.2, 0.1], [0.8, 0.3, 0.1]])
    images = colours[labels.long()].movedim(-1, 2) + 0.1 * torch.rand(1, frames + 1, 3, *seen)
    masks = one_hot_masks(labels, 1)
    jitter = torch.tensor([1.1, 0.9, 0.05, -0.05]).expand(1, frames, 4)
    clip = Clip(images[:, 0], masks[:, 0], images[:, 1:], masks[:, 0], torch.tensor([1]), jitter)
    return clip, (labels == 1)[:, 1:].byte(), labels[:, 1:]


IN_TRAINING = Options(crop="around_objects", input_size=(48, 80), smallest_crop=8)


def test_every_loss_falls_on_one_clip():
    torch.manual_seed(0)
    network = DMVOS(**TINY).train()
    network.options = IN_TRAINING
    clip, labels, instances = a_clip()
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    history = []
    for _ in range(20):
        losses = compute_losses(network(clip), labels, clip.objects, LOSSES, instances)
        optimizer.zero_grad()
        losses["total"].backward()
        optimizer.step()
        history.append({name: loss.item() for name, loss in losses.items()})
    for name in LOSSES:
        assert history[-1][name] < 0.9 * history[0][name], name


def test_a_dilated_resnet_trains_as_well():
    network = DMVOS(**TINY | {"backbone": "resnet18"}).train()
    network.options = IN_TRAINING
    clip, labels, instances = a_clip(1)
    compute_losses(network(clip), labels, clip.objects, LOSSES, instances)["total"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_the_frames_of_a_clip_are_cropped_around_the_predictions():
    network = tiny_dmvos()
    network.options = IN_TRAINING
    clip, _, _ = a_clip(3)
    clip = clip._replace(crop_jitter=torch.tensor([1.0, 1.0, 0, 0]).expand(1, 3, 4))
    with torch.no_grad():
        prediction = network(clip)
    assert prediction.logits.shape == (1, 3, 1, *SIZE)
    first, second, _ = prediction.aux["object_boxes"][0, :, 0].tolist()
    assert first == [15, 5, 45, 35]  # of the previous mask
    rows = (prediction.logits[0, 0, 0] > 0).any(dim=1).nonzero().flatten()
    middle = (rows[0] + rows[-1] + 1).item() / 2
    assert 0 < second[0] < second[2] < SIZE[0]  # not cut off by the frame
    assert (second[0] + second[2]) / 2 == pytest.approx(middle, abs=1)
    assert second[2] - second[0] == pytest.approx(1.5 * (rows[-1] - rows[0] + 1).item(), abs=1)


def test_an_object_without_a_previous_mask_is_looked_for_everywhere():
    network = tiny_dmvos()
    network.options = IN_TRAINING
    clip, _, _ = a_clip(1)
    clip = clip._replace(previous_masks=torch.zeros_like(clip.previous_masks))
    prediction = network(clip._replace(crop_jitter=torch.tensor([1.0, 1, 0, 0]).expand(1, 1, 4)))
    assert prediction.aux["object_boxes"].tolist() == [[[[0, 0, *SIZE]]]]


@pytest.mark.parametrize("learns", [True, False])
def test_only_while_it_learns_is_the_last_centre_off_or_unknown(learns, monkeypatch):
    network = DMVOS(**TINY, centre_noise=0.05, centre_dropout=0.25).train(learns)
    network.options = IN_TRAINING
    clip, _, _ = a_clip(1)
    told = []

    def see(frame, template, masks, centre, found, previous):
        told.append((centre, found))
        return DMVOS.see(network, frame, template, masks, centre, found, previous)

    monkeypatch.setattr(network, "see", see)
    torch.manual_seed(0)
    with torch.no_grad():
        boxes = [network(clip).aux["object_boxes"] for _ in range(100)]
    centres, found = (torch.cat(of) for of in zip(*told, strict=True))
    assert all(torch.equal(box, boxes[0]) for box in boxes)
    if learns:
        assert 0.03 < centres.std(dim=0).min() < centres.std(dim=0).max() < 0.07
        assert 0.6 < found.float().mean() < 0.9
    else:
        assert (centres == centres[0]).all()
        assert found.all()


@pytest.mark.parametrize("detach", [False, True])
def test_masks_teach_the_votes_unless_they_are_cut_off(detach):
    network = DMVOS(**TINY, offset_detach=detach).train()
    network.options = IN_TRAINING
    clip, labels, _ = a_clip(1)
    compute_losses(network(clip), labels, clip.objects, {"jaccard": 1.0})["total"].backward()
    learned = any(p.grad is not None for p in network.offset.parameters())
    assert learned != detach
    assert network.has_idle_parameters == detach


def test_recomputing_changes_no_gradient():
    clip, labels, instances = a_clip(1)
    network = DMVOS(**TINY).train()
    network.options = IN_TRAINING
    frugal = copy.deepcopy(network)
    frugal.recompute_activations()
    for one in (network, frugal):
        torch.manual_seed(0)
        compute_losses(one(clip), labels, clip.objects, LOSSES, instances)["total"].backward()
    for one, other in zip(network.parameters(), frugal.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_online_learning_learns_the_first_frame_and_leaves_the_network():
    network = tiny_dmvos()
    before = copy.deepcopy(network.state_dict())
    losses = {"cross_entropy": 1.0, "centre_offset": 1.0}
    online = OnlineLearning(steps=2, lr=1e-3, losses=losses)
    segmenter = VideoSegmenter(network, InferenceConfig(**SETTINGS), online=online)
    (frame, labels), (after, _) = moving(SIZE, 2, {1: (10, 10), 5: (30, 60)})
    segmenter.start(frame, labels)
    segmenter.step(after)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    moved = segmenter.method.state_dict()
    assert any(not torch.equal(before[name], value) for name, value in moved.items())


def learned_online(network):
    """A copy that has learned one frame in one step."""
    online = OnlineLearning(steps=1, lr=1e-3, losses={"cross_entropy": 1.0})
    config = InferenceConfig(**SETTINGS, online=online)
    return fine_tune(network, *moving(SIZE, 1, {1: (10, 10)})[0], config)


def test_online_learning_draws_by_its_seed_and_leaves_the_global_generator_alone():
    network, learned = tiny_dmvos(centre_noise=0.2), []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        learned.append(learned_online(network).state_dict())
        assert torch.equal(torch.get_rng_state(), before)
    first, other = learned
    assert all(torch.equal(first[name], other[name]) for name in first)


def test_what_online_learning_has_done_is_told_under_the_same_noise(monkeypatch):
    forward, losses = loop.TrainingStep.forward, []

    def watched(step, batch):
        losses.append(forward(step, batch))
        return losses[-1]

    monkeypatch.setattr(loop.TrainingStep, "forward", watched)
    monkeypatch.setattr(loop, "learning_rate", lambda *_: 0)  # so that it has done nothing
    learned_online(tiny_dmvos(centre_noise=0.2))
    before, after = (of_step["total"].item() for of_step in losses)
    assert before == after
