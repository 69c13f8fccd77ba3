"""Online learning: a copy learns the first frame, and nothing else changes."""

import gc
import warnings
import weakref

import numpy as np
import pytest
import torch
from moving_squares import draw, moving
from tiny_ranet import logits_of, tiny_ranet

from ranet.config import InferenceConfig, OnlineLearning, load_config, parse_config
from ranet.errors import ConfigError, DataError, TrainingError
from ranet.inference.segmenter import VideoSegmenter
from ranet.methods.ranet.network import RANet
from ranet.structures import one_hot_masks
from ranet.training import loop, losses
from ranet.training import online as online_module
from ranet.training.online import fine_tune

SIZE = (48, 80)
STARTS = {1: (4, 6), 5: (20, 50)}


def config(**changes):
    plain = {"input_size": SIZE, "frame_size": SIZE, "smallest_crop": 16, "device": "cpu"}
    return InferenceConfig(**(plain | changes))


def learning(steps=2, **changes):
    return OnlineLearning(steps=steps, **({"lr": 1e-3} | changes))


def learned(model=None, **changes):
    """The fine-tuned copy for a frame of two squares."""
    model = model or tiny_ranet("multi")
    return fine_tune(model, *moving(SIZE, 1, STARTS)[0], config(online=learning(**changes)))


def learned_in_float16(model=None, **changes):
    online = config(dtype="float16", online=learning(**changes))
    return fine_tune(model or tiny_ranet("multi"), *moving(SIZE, 1, STARTS)[0], online)


def weights(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def moved(before, after):
    """Top-level parts of the network in which something changed."""
    return {n.split(".")[0] for n in before if not torch.equal(before[n], after[n])}


def follow(segmenter, video):
    (frame, labels), *rest = video
    segmenter.start(frame, labels)
    return [(segmenter.step(frame), segmenter.probabilities) for frame, _ in rest]


# --- what learns


def test_a_copy_learns_and_the_network_stays_as_it_is():
    model = tiny_ranet("multi")
    before = weights(model)
    copy = learned(model)
    assert moved(before, weights(model)) == set()
    assert moved(before, weights(copy)) == {"encoder", "ranking", "merge", "decoder"}
    assert not copy.training
    assert all(p.requires_grad for p in model.parameters())
    assert all(p.grad is None for p in copy.parameters())


def test_float16_learns_from_the_first_step_on():
    model = tiny_ranet("multi")
    copy = learned_in_float16(model, steps=1)
    assert moved(weights(model), weights(copy)) == {"encoder", "ranking", "merge", "decoder"}


def test_steps_that_float16_skips_are_told(monkeypatch):
    steps = []

    def steep_at_first(logits, *_):
        steps.append(None)
        zero = (logits * 0).sum()
        return 1 + (zero.sqrt() if len(steps) == 1 else zero)  # the slope of a root at 0

    monkeypatch.setitem(losses.LOSSES, "cross_entropy", steep_at_first)
    with pytest.warns(UserWarning, match=r"skipped 1 of 2 steps.*dtype=bfloat16"):
        learned_in_float16(steps=2)


def test_learning_that_float16_skips_altogether_is_an_error(monkeypatch):
    """With torch's own first scale, 2**16, the first gradients are infinite."""
    monkeypatch.setattr(online_module, "_FIRST_SCALE", 2.0**16)
    with pytest.raises(TrainingError, match="skipped 1 of 1 step"):
        learned_in_float16(steps=1)


def test_the_encoder_may_stay():
    model = tiny_ranet("multi")
    copy = learned(model, parameters="decoder")
    assert moved(weights(model), weights(copy)) == {"ranking", "merge", "decoder"}


@pytest.mark.slow
def test_the_copy_knows_the_frame():
    frame, labels = moving(SIZE, 1, {1: (10, 20)}, side=28)[0]
    model = tiny_ranet()
    image = torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 255
    masks = one_hot_masks(torch.from_numpy(labels)[None], 1)

    def overlap(network):
        with torch.inference_mode():
            found = logits_of(network, image, masks, image, masks) > 0
        return float((found * masks).sum() / torch.maximum(found.float(), masks).sum())

    copy = fine_tune(model, frame, labels, config(online=learning(40)))
    assert overlap(model) < 0.5
    assert overlap(copy) > 0.7


def test_the_same_seed_learns_the_same():
    first, again, other = (weights(learned(seed=seed)) for seed in (3, 3, 4))
    assert moved(first, again) == set()
    assert moved(first, other)


def test_no_global_random_state_is_used():
    model = tiny_ranet("multi")
    state = torch.get_rng_state()
    learned(model)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.fixture
def batches(monkeypatch):
    """What the steps of the test have seen."""
    seen = []
    step = online_module.TrainingStep.__call__

    def spy(self, batch, number):
        seen.append(batch)
        return step(self, batch, number)

    monkeypatch.setattr(online_module.TrainingStep, "__call__", spy)
    return seen


def test_steps_see_batches_of_the_inference_size(batches):
    learned(steps=3, batch_size=2, max_objects=1)
    assert [tuple(batch.template_image.shape) for batch in batches] == [(2, 3, *SIZE)] * 3
    assert all(batch.objects.tolist() == [1, 1] for batch in batches)
    assert any(batch.previous_labels.any() for batch in batches)
    assert not torch.equal(batches[0].template_image, batches[1].template_image)


@pytest.mark.parametrize(
    ("objects", "fusion", "together"),
    [("multi", "softmax", 2), ("single", "softmax", 1), ("multi", "sigmoid", 1)],
)
def test_objects_are_learned_together_where_they_compete_only(batches, objects, fusion, together):
    frame, labels = moving(SIZE, 1, STARTS)[0]
    asked = config(online=learning(1, batch_size=2), fusion=fusion)
    fine_tune(tiny_ranet(objects), frame, labels, asked)
    assert [batch.objects.tolist() for batch in batches] == [[together] * 2]


def test_released_weights_learn_one_object_at_a_time(batches):
    model = tiny_ranet("multi")
    model.released = True
    VideoSegmenter(model, config(), online=learning(1)).start(*moving(SIZE, 1, STARTS)[0])
    assert [batch.object_count for batch in batches] == [1]


def test_without_a_previous_mask_at_inference_learning_has_none_either(monkeypatch):
    seen = []
    make_sample = online_module.make_sample

    def spy(*arguments, **options):
        seen.append(make_sample(*arguments, **options))
        return seen[-1]

    monkeypatch.setattr(online_module, "make_sample", spy)
    frame, labels = moving(SIZE, 1, STARTS)[0]
    silent = config(online=learning(), previous_mask="none")
    fine_tune(tiny_ranet("multi"), frame, labels, silent)
    assert not any(sample.previous_labels.any() for sample in seen)


@pytest.mark.parametrize("context", [torch.inference_mode, torch.no_grad])
def test_it_learns_where_the_caller_wants_no_gradients(context):
    model = tiny_ranet("multi")
    with context():
        copy = learned(model)
    assert moved(weights(model), weights(copy))
    expected = learned(model)
    assert moved(weights(expected), weights(copy)) == set()


@pytest.mark.parametrize("matching", ["unranked", "maximum", "concatenation"])
def test_ablations_learn_online(matching):
    model = RANet(backbone="tiny", template_grid=(3, 4), width=0.25, matching=matching)
    expected = {"merge", "decoder"}  # what stands in for the ranking has no parameters
    copy = learned(model, parameters="decoder")
    assert moved(weights(model), weights(copy)) == expected


# --- videos


def test_the_next_video_starts_from_the_unchanged_network():
    model = tiny_ranet("multi")
    before = weights(model)
    first, second = moving(SIZE, 3, STARTS), moving(SIZE, 3, {2: (10, 10)}, step=(1, 2))
    one_after_the_other = VideoSegmenter(model, config(), online=learning())
    follow(one_after_the_other, first)
    results = follow(one_after_the_other, second)
    assert moved(before, weights(model)) == set()
    alone = follow(VideoSegmenter(tiny_ranet("multi"), config(), online=learning()), second)
    for (labels, probabilities), (labels_alone, probabilities_alone) in zip(
        results, alone, strict=True
    ):
        assert (labels == labels_alone).all()
        assert (probabilities == probabilities_alone).all()


def test_the_network_of_the_last_video_is_gone_with_it(monkeypatch):
    """At once, as a GPU out of memory does not make Python look for circles."""
    learned, used = [], []

    def remembered(*arguments):
        model = fine_tune(*arguments)
        learned.append(weakref.ref(model))
        return model

    monkeypatch.setattr(online_module, "fine_tune", remembered)
    segmenter = VideoSegmenter(tiny_ranet("multi"), config(), online=learning(steps=1))
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            follow(segmenter, moving(SIZE, 2, STARTS))
            used.append(weakref.ref(segmenter.method))  # a copy of what has learned
        assert [network() is not None for network in used] == [False, False, True]
        assert [network() for network in learned[:2]] == [None, None]
    finally:
        gc.enable()


def test_a_video_is_followed_with_what_was_learned():
    video = moving(SIZE, 3, STARTS)
    offline = follow(VideoSegmenter(tiny_ranet("multi"), config()), video)
    online = follow(VideoSegmenter(tiny_ranet("multi"), config(), online=learning()), video)
    assert not np.allclose(offline[0][1], online[0][1])


def test_the_configuration_can_ask_for_it():
    video = moving(SIZE, 2, STARTS)
    by_argument = VideoSegmenter(tiny_ranet("multi"), config(), online=learning())
    by_config = VideoSegmenter(tiny_ranet("multi"), config(online=learning()))
    assert by_argument.config == by_config.config
    assert (follow(by_argument, video)[0][1] == follow(by_config, video)[0][1]).all()


def test_frames_of_another_size_than_the_canvas():
    video = moving((90, 101), 2, {9: (10, 12)}, side=30)
    segmenter = VideoSegmenter(tiny_ranet(), config(), online=learning(1))
    assert follow(segmenter, video)[0][0].shape == (90, 101)


def test_its_time_is_told():
    video = moving(SIZE, 2, STARTS)
    offline = VideoSegmenter(tiny_ranet("multi"), config())
    follow(offline, video)
    assert offline.online_seconds == 0
    online = VideoSegmenter(tiny_ranet("multi"), config(), online=learning())
    follow(online, video)
    assert online.online_seconds > 0


def test_added_objects_get_a_template_but_no_further_learning(monkeypatch):
    calls = []

    def counting(*arguments):
        calls.append(arguments)
        return fine_tune(*arguments)

    monkeypatch.setattr(online_module, "fine_tune", counting)
    video = moving(SIZE, 3, {1: (4, 6)})
    segmenter = VideoSegmenter(tiny_ranet("multi"), config(), online=learning())
    follow(segmenter, video[:2])
    frame, labels = draw(SIZE, [(2, 24, 40, 16)])
    segmenter.add_objects(video[1][0], labels)
    segmenter.step(frame)
    assert segmenter.ids == (1, 2)
    assert len(calls) == 1


# --- mistakes


def test_objects_that_no_view_shows(monkeypatch):
    monkeypatch.setattr(online_module, "make_sample", lambda *_, **__: None)
    with pytest.raises(DataError, match=r"no view of the first frame.* 48×80 .*input_size"):
        learned()


def test_a_loss_that_is_not_finite():
    model = tiny_ranet("multi")
    with torch.no_grad():
        model.decoder.logits.bias.fill_(torch.nan)
    with pytest.raises(TrainingError, match=r"not finite.*the first frame"):
        learned(model)


@pytest.mark.parametrize("steps", [1, 3])  # the only update may be the harmful one
def test_learning_that_makes_the_network_worse_is_told(steps, monkeypatch):
    monkeypatch.setattr(loop, "learning_rate", lambda *_: 1000)
    expected = rf"worse on the first frame: with lr = 1 and steps = {steps}, .* \d\.\d+ to \d"
    with pytest.warns(UserWarning, match=expected):
        learned(steps=steps, lr=1)


def test_learning_that_goes_well_is_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learned(steps=3)


def test_a_last_update_that_leaves_no_finite_loss(monkeypatch):
    monkeypatch.setattr(loop, "learning_rate", lambda *_: 1e30)
    with pytest.raises(TrainingError, match=r"lr = 1, .* to (nan|inf)\. Lower"):
        learned(steps=1, lr=1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": 0}, "online.steps: .*greater than 0"),
        ({}, "online.steps: Field required"),
        ({"steps": 1, "parameters": "encoder"}, "online.parameters: .*'decoder'"),
        ({"steps": 1, "lr": -1}, "online.lr: .*greater than 0"),
        ({"steps": 1, "lr": 1e39}, "online.lr: .*less than or equal to 1"),
        ({"steps": 1, "learning_rate": 1}, "online.learning_rate: unknown key"),
    ],
)
def test_wrong_values_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        parse_config(InferenceConfig, {"online": values})


def test_an_override_switches_it_on(tmp_path):
    path = tmp_path / "segment.yaml"
    path.write_text("online: null\n")
    assert load_config(InferenceConfig, path, ["online.steps=7"]).online == OnlineLearning(steps=7)
