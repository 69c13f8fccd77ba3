"""The method as a whole: drawn videos, proposals exact, missing and wrong, and its state."""

import io
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from device_questions import NoQuestions, on_meta
from tiny_dmn_aoa import SIZE, clip_of, passing_squares, started, tiny_dmn_aoa
from torch.utils import _pytree as pytree

from ranet.config import TrainConfig, load_config
from ranet.datasets.image_io import read_image, read_labels
from ranet.datasets.synthetic import write_synthetic_davis
from ranet.errors import ConfigError
from ranet.methods.base import Options
from ranet.methods.dmn_aoa.network import DMNAOA
from ranet.methods.dmn_aoa.proposals import truth_proposals
from ranet.methods.layers import resize
from ranet.methods.registry import create_method, method_config
from ranet.structures import one_hot_masks
from ranet.training.losses import compute_losses

COARSE = {"refine": False}  # an untrained RefineNet spoils what the next frame is told
BY_PLACE = {"iou_weight": 1.0}  # untrained features do not tell what is alike

ROOT = Path(__file__).parents[3]


def truth_of(labels, method, objects=2):
    return truth_proposals(one_hot_masks(labels, objects), method.arguments.proposals)


def coarse_iou(prediction, labels, objects=2):
    """J of the coarse masks at the frame's size, of each target."""
    truth = one_hot_masks(labels, objects) > 0
    coarse = resize(prediction.aux["coarse"], labels.shape[-2:], align_corners=False) > 0.5
    union = (coarse | truth).sum(dim=(2, 3)).clamp(min=1)
    return ((coarse & truth).sum(dim=(2, 3)) / union)[0]


@torch.no_grad()
def test_with_exact_proposals_each_target_gets_its_own():
    method = tiny_dmn_aoa(iou_weight=1.0, **COARSE)
    frames, labels = passing_squares(6)
    state = started(method, frames, labels)
    for number in range(1, 6):
        proposals = truth_of(labels[number], method)
        prediction, state = method.follow(state, frames[number], proposals)
        assert prediction.aux["assignment"].argmax(dim=2).tolist() == [[0, 1]]
        assert coarse_iou(prediction, labels[number]).min() > 0.9
        assert state.memory.stored.shape == (1, 2, 1 + number)
    assert state.memory.stored.all()
    assert state.memory.written.tolist() == [[6, 6]]


@torch.no_grad()
def test_it_segments_drawn_videos_given_exact_proposals(tmp_path):
    size = (96, 160)
    write_synthetic_davis(
        tmp_path, train=0, val=3, frames=5, size=size, seed=0, max_objects=3, clutter=0
    )
    method = tiny_dmn_aoa(iou_weight=0.3, **COARSE)
    for video in sorted((tmp_path / "JPEGImages/480p").iterdir()):
        names = sorted(path.stem for path in video.iterdir())
        folder = tmp_path / "Annotations/480p" / video.name
        labels = [torch.from_numpy(read_labels(folder / f"{name}.png"))[None] for name in names]
        pixels = [torch.from_numpy(read_image(video / f"{name}.jpg")) for name in names]
        frames = [image.permute(2, 0, 1)[None].float() / 255 for image in pixels]
        objects = int(labels[0].max())
        state, ious = started(method, frames, labels, objects), []
        for image, truth in zip(frames[1:], labels[1:], strict=True):
            proposals = truth_of(truth, method, objects)
            prediction, state = method.follow(state, image, proposals)
            ious.append(coarse_iou(prediction, truth, objects))
        assert torch.stack(ious).mean() > 0.9  # objects of ten pixels among them
        assert prediction.logits.shape == (1, objects, *size)


@torch.no_grad()
def test_without_proposals_targets_are_missing_and_nothing_is_remembered():
    method = tiny_dmn_aoa(iou_weight=1.0, self_proposals=False, **COARSE)
    frames, labels = passing_squares(4)
    first = state = started(method, frames, labels)
    for number in range(1, 4):
        prediction, state = method.step(state, frames[number])
        assert prediction.aux["assignment"].argmax(dim=2).tolist() == [[6, 7]]  # behind 6 proposals
        assert not prediction.aux["coarse"].any()
        assert state.missing.tolist() == [[number, number]]
    assert not state.memory.stored[:, :, 1:].any()
    assert torch.equal(state.last_masks, first.last_masks)
    assert torch.equal(state.boxes, first.boxes)
    assert not state.probabilities.gt(0.5).any()
    _, state = method.follow(state, frames[0], truth_of(labels[0], method))
    assert state.missing.tolist() == [[0, 0]]


@torch.no_grad()
@pytest.mark.parametrize(
    ("changes", "made"),
    [({}, [1, 2]), ({"memory": "first"}, [1, 1]), ({"memory": "first_last"}, [1, 2])],
)
def test_no_entry_is_made_that_has_no_place_in_the_memory(monkeypatch, changes, made):
    method = tiny_dmn_aoa(**changes)
    frames, labels = passing_squares(2)
    entries = Mock(wraps=method.memory.entry)
    monkeypatch.setattr(method.memory, "entry", entries)
    state, found = started(method, frames, labels), [entries.call_count]
    method.step(state, frames[1])
    assert [*found, entries.call_count] == made


@torch.no_grad()
def test_a_target_that_still_looks_the_same_keeps_its_last_mask():
    method = tiny_dmn_aoa(**COARSE)
    method.threshold.fill_(-1)  # anything looks the same
    frames, labels = passing_squares(2)
    state = started(method, frames, labels)
    prediction, after = method.step(state, frames[0])
    assert torch.equal(prediction.aux["coarse"], state.last_masks)
    assert after.memory.stored.all()
    method.threshold.fill_(1.01)  # nothing does
    prediction, after = method.step(state, frames[0])
    assert not prediction.aux["coarse"].any()


@torch.no_grad()
def test_the_network_sees_all_of_a_frame_at_its_size():
    method = tiny_dmn_aoa(**COARSE, **BY_PLACE).for_inference(
        Options(crop="around_objects", input_size=SIZE, frame_size=(128, 192))
    )
    frames, labels = passing_squares(3)
    large = [torch.nn.functional.interpolate(f, scale_factor=2, mode="nearest") for f in frames]
    large_labels = [t.repeat_interleave(2, 1).repeat_interleave(2, 2) for t in labels]
    state = started(method, large, large_labels)
    assert state.boxes[0, 0].tolist() == [4, 4, 28, 28]
    assert state.last_masks.shape[-2:] == (16, 24)
    prediction, state = method.follow(state, large[1], truth_of(labels[1], method))
    assert prediction.aux["boxes"].tolist() == [[0, 0, 128, 192]]
    assert prediction.logits.shape == (1, 2, *SIZE)
    assert state.probabilities.shape == (1, 2, 128, 192)
    assert coarse_iou(prediction, labels[1]).min() > 0.9


@torch.no_grad()
def test_what_all_of_a_frame_has_in_common_is_not_in_its_embedding():
    method = tiny_dmn_aoa()
    frames, _ = passing_squares(1)
    embedding = method.encode(frames[0]).pyramid.embedding.flatten(2)
    assert embedding.mean(dim=2).abs().max() < 1e-5
    assert (embedding.std(dim=2) - 1).abs().max() < 0.1
    method.pyramid.embed.bias.fill_(100)
    torch.testing.assert_close(
        method.encode(frames[0]).pyramid.embedding.flatten(2), embedding, rtol=0, atol=1e-2
    )


@torch.no_grad()
def test_what_looks_alike_is_relevant_from_the_start():
    method = tiny_dmn_aoa()
    frames, labels = passing_squares(1)
    state = started(method, frames, labels)
    embedding = method.encode(frames[0]).pyramid.embedding
    relevance = method.memory.relevance(state.memory, embedding, state.boxes)[0, :, :, 0]
    itself = relevance.diagonal(dim1=1, dim2=2)
    assert itself.mean() > 1.3 / itself.shape[1]  # 1 where every position is as relevant


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"memory": "first", "alignment": "none", "finest_stride": 4},
        {"memory": "first_last", "matching": "hungarian", "iou_weight": 0.3},
        {"matching": "greedy", "self_proposals": False},
        {"readout": "mean", "refine": False},
    ],
)
def test_training_reaches_all_that_learns(changes):
    method = tiny_dmn_aoa(**changes).train()
    prediction = method(clip_of(*passing_squares(3)))
    assert prediction.logits.shape == (1, 2, 2, *SIZE)
    assert prediction.aux.keys() == method.arguments.aux
    labels = torch.stack(passing_squares(3)[1][1:], dim=1)
    weights = {"cross_entropy": 1.0, "coarse_jaccard": 0.5, "proposal_matching": 1.0}
    if not method.arguments.refine:
        del weights["cross_entropy"]
    losses = compute_losses(prediction, labels, torch.tensor([2]), weights, instances=labels)
    assert all(loss.isfinite() for loss in losses.values())
    losses["total"].backward()
    idle = {name for name, p in method.named_parameters() if p.grad is None or not p.grad.any()}
    allowed = {"threshold", "iou_logit"} if method.has_idle_parameters else set()
    if not method.arguments.refine:
        allowed |= {"alignment"}
    assert idle <= allowed | {name for name in idle if "conv1.bias" in name}


def test_the_same_seed_trains_on_the_same_proposals_and_another_on_others():
    method = tiny_dmn_aoa().train()
    clip = clip_of(*passing_squares(2))
    found = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        found.append(method(clip).aux["proposals"])
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_a_sample_with_fewer_objects_trains_as_if_it_were_alone():
    method = tiny_dmn_aoa(truth_jitter=0, **BY_PLACE).train()
    frames, labels = passing_squares(2)
    one = [torch.where(t == 1, t, 0) for t in labels]
    pair = [clip_of(frames, labels), clip_of(frames, one)._replace(objects=torch.tensor([1]))]
    clip = type(pair[0])(*(torch.cat(parts) for parts in zip(*pair, strict=True)))
    prediction = method(clip)
    assert prediction.aux["assignment"][1, 0, 1].argmax() == 6 + 1  # its own dummy
    assert not prediction.aux["coarse"][1, 0, 1].any()
    assert prediction.aux["assignment"][0, 0].argmax(dim=1).tolist() == [0, 1]


def test_neighbours_that_were_not_chosen_are_proposed_too():
    method = tiny_dmn_aoa(truth_jitter=0).train()
    frames, labels = passing_squares(2)
    clip = clip_of(frames, labels, objects=1)  # the other square is annotated, too
    prediction = method(clip)
    assert prediction.aux["valid"].sum() == 2
    assert prediction.aux["coarse"].shape[2] == 1


@pytest.mark.parametrize("changes", [{}, {"matching": "greedy", "memory": "first_last"}])
def test_a_step_asks_the_device_for_nothing(changes):
    method = tiny_dmn_aoa(**changes)
    frames, labels = passing_squares(2)
    state = started(method, frames, labels)
    with torch.no_grad(), NoQuestions():
        method.step(state, frames[1])
    with torch.inference_mode(), on_meta():
        state = pytree.tree_map(lambda tensor: tensor.to("meta"), state)
        prediction, after = method.to("meta").step(state, frames[1].to("meta"))
    assert prediction.logits.shape == (1, 2, *SIZE)
    assert after.probabilities.device.type == "meta"


def test_a_state_can_be_written_and_read():
    method = tiny_dmn_aoa()
    frames, labels = passing_squares(4)
    with torch.no_grad():
        _, state = method.step(started(method, frames, labels), frames[1])
        file = io.BytesIO()
        torch.save(state, file)
        file.seek(0)
        with torch.serialization.safe_globals(list(DMNAOA.state_types)):
            again = torch.load(file, weights_only=True)
        assert torch.equal(
            method.step(state, frames[2])[0].logits, method.step(again, frames[2])[0].logits
        )


@torch.no_grad()
def test_targets_come_and_go():
    method = tiny_dmn_aoa(**COARSE, **BY_PLACE)
    frames, labels = passing_squares(4)
    only_first = [torch.where(t == 1, t, 0) for t in labels]
    state = started(method, frames, only_first, objects=1)
    _, state = method.follow(state, frames[1], truth_of(only_first[1], method, 1))
    later = method.add_objects(state, frames[1], (labels[1] == 2)[:, None].float())
    assert later.memory.stored.tolist() == [[[True, True], [True, False]]]
    for part, before in zip(later.memory, state.memory, strict=True):
        assert torch.equal(part[:, :1], before)
    assert torch.equal(later.boxes[:, :1], state.boxes)
    assert method.sees(later).tolist() == [True, True]
    kept = method.keep_objects(later, [1])
    assert kept.memory.stored.tolist() == [[[True, False]]]
    assert torch.equal(kept.last_masks, later.last_masks[:, 1:])
    prediction, _ = method.follow(kept, frames[2], truth_of(only_first[2], method, 1))
    assert prediction.logits.shape == (1, 1, *SIZE)
    forgotten = method.keep_objects(later, [])
    assert forgotten.probabilities.shape == (1, 0, *SIZE)


def test_it_is_made_by_its_name():
    config = method_config("dmn_aoa").model_validate({"backbone": "tiny", "channels": 8})
    method = create_method(config)
    assert method.architecture == config.model_dump(exclude={"name"})
    assert (method.architecture["channels"], method.label) == (8, "DMN-AOA-style")
    with pytest.raises(ConfigError):
        method_config("dmn_aoaa")
    with pytest.raises(ValueError, match="memory"):
        DMNAOA(backbone="tiny", memory="some")


def bytes_a_frame(arguments):
    """Keys, values and cover of an object in float32, and whether they are stored."""
    numbers = arguments.key_channels + arguments.channels + 1
    return 4 * numbers * arguments.region_side**2 + 1


@torch.inference_mode()
def test_an_objects_memory_grows_as_the_page_of_methods_says():
    method = tiny_dmn_aoa()
    frames, labels = passing_squares()
    state = started(method, frames, labels)
    _, after = method.step(state, frames[1])
    before, later = (sum(t.nbytes for t in pytree.tree_leaves(s)) for s in (state, after))
    assert later - before == 2 * bytes_a_frame(method.arguments)
    text = (ROOT / "docs" / "methods.md").read_text()
    for name in ("dmn_aoa_small", "dmn_aoa_detector"):
        model = load_config(TrainConfig, ROOT / "configs" / f"{name}.yaml").model
        assert f"| {bytes_a_frame(model):,}: " in text
