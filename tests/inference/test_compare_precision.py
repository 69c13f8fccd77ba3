"""Masks of a faster step beside those of the plain one, with networks whose answers are known."""

from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from colour_network import ColourNetwork
from fake_method import Fake
from moving_squares import draw, moving
from torch import Tensor

from ranet.config import InferenceConfig, OnlineLearning
from ranet.datasets.image_io import write_image, write_labels
from ranet.errors import ConfigError, DataError
from ranet.inference.precision import (
    Agreement,
    Comparison,
    compare_with_plain,
    table,
    with_noise,
)
from ranet.methods.base import Prediction

SCRIPT = Path(__file__).parents[2] / "scripts/compare_precision.py"
SIZE = (48, 80)
SIDE = 20
FRAMES = 4


def config(**changes) -> InferenceConfig:
    same_pixels = {"input_size": SIZE, "frame_size": SIZE, "crop": "whole_frame", "device": "cpu"}
    return InferenceConfig(**{**same_pixels, **changes})


class Wasting(ColourNetwork):
    """Keeps the masks of the frame before; in half precision, all but a column of them."""

    def segment(self, template, frame, previous_masks, objects_at_once=None) -> Tensor:
        kept = (previous_masks > 0.5).float()
        if torch.is_autocast_enabled("cpu"):
            kept = kept * kept.roll(1, dims=-1)
        return self.confidence * (kept - 0.5)


class Discerning(ColourNetwork):
    """An object is wherever red is the grey of the frames, or a level above it."""

    def segment(self, template, frame, previous_masks, objects_at_once=None) -> Tensor:
        is_bright = (frame.embedding[:, :1] * 255 > 109.5).float()
        return self.confidence * (is_bright - 0.5).expand_as(previous_masks)


class Remembering(ColourNetwork):
    """An object is wherever the first frame had as much red as the frames' grey."""

    def segment(self, template, frame, previous_masks, objects_at_once=None) -> Tensor:
        was_bright = (template[0].embedding[:, :1] * 255 > 109.5).float()
        return self.confidence * (was_bright - 0.5).expand_as(previous_masks)


def still(objects: dict[int, tuple[int, int]]) -> tuple[list[np.ndarray], np.ndarray]:
    """Frames in which nothing moves, and the labels of the first."""
    frames, labels = zip(*moving(SIZE, FRAMES, objects, step=(0, 0), side=SIDE), strict=True)
    return list(frames), labels[0]


def test_what_is_lost_in_a_step_adds_up_in_the_video():
    frames, labels = still({1: (5, 5), 2: (20, 50)})
    comparison = compare_with_plain(Wasting(), config(dtype="bfloat16"), iter(frames), labels)
    assert (comparison.objects, comparison.frames) == (2, 3)
    assert comparison.faster.step == pytest.approx([(SIDE - 1) / SIDE] * 6)
    assert comparison.faster.video == pytest.approx(
        [(SIDE - lost) / SIDE for lost in (1, 1, 2, 2, 3, 3)]
    )
    assert comparison.noisy.step == comparison.noisy.video == [1] * 6
    assert comparison.problem is None


class CountedState(NamedTuple):
    probabilities: Tensor
    first: Tensor
    steps: Tensor


class Losing(Fake):
    """Keeps the masks, but for a column a step so far; in half precision, of each step two."""

    def add_objects(self, state, image, masks) -> CountedState:
        return CountedState(masks, masks, torch.zeros(1))

    def step(self, state, image) -> tuple[Prediction, CountedState]:
        half = self.options.dtype == torch.bfloat16
        steps = state.steps + (2 if half else 1)
        columns = torch.arange(image.shape[-1])
        kept = (state.first * (columns >= 5 + steps)).clamp(0, 1)
        return Prediction(kept), state._replace(probabilities=kept, steps=steps)


def test_a_single_step_goes_on_from_all_that_the_plain_step_has_changed():
    frame, labels = draw(SIZE, [(1, 5, 5, SIDE)])
    comparison = compare_with_plain(Losing(), config(dtype="bfloat16"), [frame] * 4, labels)
    # Of 20 columns, the plain step has lost 1, 2, 3; a faster step from its states 2, 3, 4.
    assert comparison.faster.step == pytest.approx([18 / 19, 17 / 18, 16 / 17])
    assert comparison.faster.video == pytest.approx([18 / 19, 16 / 18, 14 / 17])


def test_every_object_counts_for_itself():
    """One is 20 pixels wide, the other 10."""
    frame, labels = draw(SIZE, [(1, 5, 5, 20), (2, 20, 50, 10)])
    comparison = compare_with_plain(Wasting(), config(dtype="bfloat16"), [frame] * 2, labels)
    assert comparison.faster.step == pytest.approx([19 / 20, 9 / 10])


def test_an_object_that_both_have_lost_does_not_count():
    frame, labels = draw(SIZE, [(1, 5, 5, 20)])
    frames = [frame, frame, np.zeros_like(frame)]
    comparison = compare_with_plain(ColourNetwork(), config(channels_last=True), frames, labels)
    assert comparison.frames == 2
    assert comparison.faster.step == comparison.faster.video == [1]


def test_the_scale_is_what_noise_does():
    """Of the pixels' red, an eighth falls below the frames' grey."""
    frame, labels = draw(SIZE, [])
    labels[5:25, 5:25] = 1
    comparison = compare_with_plain(
        Discerning(), config(channels_last=True), [frame] * FRAMES, labels
    )
    assert comparison.faster.step == [1] * 3
    assert comparison.noisy.step == pytest.approx([7 / 8] * 3, abs=0.02)
    assert comparison.noisy.video == comparison.noisy.step


def test_the_first_frame_has_noise_as_well():
    frame, labels = draw(SIZE, [])
    labels[5:25, 5:25] = 1
    comparison = compare_with_plain(Remembering(), config(channels_last=True), [frame] * 2, labels)
    assert comparison.faster.video == [1]
    assert comparison.noisy.video == pytest.approx([7 / 8], abs=0.02)


def test_noise_is_one_in_a_quarter_of_the_values():
    frame = np.full((100, 100, 3), 7, np.uint8)
    noisy = with_noise(frame, np.random.default_rng(1))
    assert noisy.dtype == np.uint8
    values, counts = np.unique(noisy, return_counts=True)
    assert values.tolist() == [6, 7, 8]
    assert counts / noisy.size == pytest.approx([1 / 8, 3 / 4, 1 / 8], abs=0.01)


def test_noise_stays_within_the_range_of_bytes():
    frame = np.repeat(np.uint8([0, 255]), 300).reshape(10, 20, 3)
    noisy = with_noise(frame, np.random.default_rng(1))
    assert set(np.unique(noisy)) == {0, 1, 254, 255}


def test_what_did_not_happen_is_told():
    frames, labels = still({1: (5, 5)})
    with pytest.warns(UserWarning, match="only a CUDA GPU"):
        comparison = compare_with_plain(ColourNetwork(), config(cuda_graph=True), frames, labels)
    assert comparison.problem == "ran without cuda_graph"


@pytest.mark.parametrize(
    ("changes", "frames", "error", "message"),
    [
        ({}, 2, ConfigError, "is that of the plain step, .* such as dtype=bfloat16"),
        ({"crop_scale": 2.0}, 2, ConfigError, "is that of the plain step"),
        (
            {"dtype": "bfloat16", "online": OnlineLearning(steps=1)},
            2,
            ConfigError,
            "learned apart.* Set online=null",
        ),
        ({"dtype": "bfloat16"}, 1, DataError, "at least two frames"),
        ({"dtype": "bfloat16"}, 0, DataError, "at least two frames"),
    ],
)
def test_what_cannot_be_compared_is_an_error(changes, frames, error, message):
    drawn, labels = still({1: (5, 5)})
    with pytest.raises(error, match=message):
        compare_with_plain(ColourNetwork(), config(**changes), islice(drawn, frames), labels)


# --- the table


FOUND = Comparison(
    faster=Agreement(step=[0.5, 0.75], video=[0.25, 0.5]),
    noisy=Agreement(step=[1.0, 0.875], video=[]),
    objects=1,
    frames=2,
    device="CPU (2 threads)",
    problem=None,
)


def test_the_table_has_mean_and_least_of_steps_and_video():
    assert table(FOUND, config(dtype="bfloat16", compile=True)) == [
        "1 object, 2 frames after the first, CPU (2 threads)",
        "IoU with the plain step      steps: mean   least  video: mean   least",
        "dtype=bfloat16 compile=true       0.6250  0.5000       0.3750  0.2500",
        "frames with noise of ±1           0.9375  0.8750            –       –",
    ]


def test_a_step_that_was_not_the_one_asked_for_has_no_figures():
    missed = Comparison(**{**vars(FOUND), "problem": "ran without cuda_graph"})
    _, _, faster, noisy = table(missed, config(cuda_graph=True))
    assert faster.split("  ")[0] == "cuda_graph=true, ran without cuda_graph"
    assert faster.split()[4:] == ["–"] * 4
    assert "0.9375" in noisy


# --- the script


@pytest.fixture
def video(tmp_path):
    """A folder of frames with the file of the first masks."""
    frames, labels = still({1: (5, 5), 2: (20, 50)})
    for number, frame in enumerate(frames):
        write_image(tmp_path / "frames" / f"{number:05d}.png", frame)
    write_labels(tmp_path / "first.png", labels)
    return tmp_path


@pytest.fixture
def compare(run_script, video, checkpoint):
    def run(*more):
        return run_script(
            SCRIPT,
            *("--video", video / "frames", "--mask", video / "first.png"),
            *("--checkpoint", checkpoint, "device=cpu", "input_size=[64, 96]", *more),
        )

    return run


def test_the_script_tells_a_table(compare, checkpoint):
    outcome = compare("--frames", "3", "channels_last=true")
    assert outcome.status == 0, outcome.error
    what, where, header, faster, noisy = outcome.out.splitlines()
    assert what.startswith(f"{checkpoint}, ")
    assert where.startswith("2 objects, 2 frames after the first, CPU")
    assert header.startswith("IoU with the plain step  ")
    for line, name in ((faster, "channels_last=true"), (noisy, "frames with noise of ±1")):
        assert line.startswith(f"{name}  ")
        step, least_step, video, least_video = map(float, line.removeprefix(name).split())
        assert 0.5 < least_step <= step <= 1
        assert 0.5 < least_video <= video <= 1


def test_the_script_tells_what_was_without_effect(compare):
    outcome = compare("cuda_graph=true")
    assert outcome.status == 0
    assert "cuda_graph=true, ran without cuda_graph  " in outcome.out
    assert "only a CUDA GPU" in outcome.error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["dtype=float32"], "error: The configuration is that of the plain step"),
        (["--mask", "missing.png", "dtype=bfloat16"], "error: Cannot read missing.png"),
        (["--frames", "1", "dtype=bfloat16"], "expected a whole number from 2 on"),
    ],
)
def test_mistakes_are_told(compare, words, message):
    outcome = compare(*words)
    assert outcome.status in (1, 2)
    assert message in outcome.error
    assert not outcome.out
