"""Mistakes in a configuration: whose they are, and what may have been meant."""

import re
from pathlib import Path

import pytest

from ranet.config import EvalConfig, InferenceConfig, OnlineLearning, TrainConfig, load_config
from ranet.errors import ConfigError

TRAINING = "{name: n, output: o, data: {sources: [{kind: davis, root: r}]}}"
COMMAND_LINE = "The command line (key=value, on top of "


def mistakes(kind, folder: Path, text: str, *overrides: str) -> str:
    path = folder / "file.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(kind, path, overrides)
    return str(caught.value)


# --- whose they are


def test_a_wrong_override_is_not_the_files(tmp_path):
    message = mistakes(InferenceConfig, tmp_path, "{dtype: float16}", "inptu_size=[48, 80]")
    assert message.splitlines() == [
        f"{COMMAND_LINE}{tmp_path / 'file.yaml'}) is not valid:",
        "  inptu_size: unknown key; did you mean 'input_size'?",
    ]


def test_mistakes_of_the_file_and_of_the_command_line_are_told_apart(tmp_path):
    message = mistakes(
        InferenceConfig, tmp_path, "{crop_scael: 2, dtype: half}", "device=gpu", "dtype=float8"
    )
    file, command_line = message.split(COMMAND_LINE)
    assert file.startswith(f"{tmp_path / 'file.yaml'} is not valid:\n")
    assert re.findall(r"^  (\w+):", file, re.MULTILINE) == ["crop_scael"]
    assert set(re.findall(r"^  (\w+):", command_line, re.MULTILINE)) == {"device", "dtype"}


def test_an_override_that_leaves_the_files_mistake_is_not_blamed(tmp_path):
    message = mistakes(InferenceConfig, tmp_path, "{dtype: half}", "device=cpu")
    assert COMMAND_LINE not in message


@pytest.mark.parametrize(
    ("override", "mistake"),
    [
        ("data.max_objects=2", "model.objects is 'single'"),  # of two fields together
        ("data.sources.0.yaer=2016", "did you mean 'year'?"),
        ("validation.every=3", "validation.davis: Field required"),  # in a section that it has made
    ],
)
def test_what_goes_wrong_by_an_override_alone(tmp_path, override, mistake):
    message = mistakes(TrainConfig, tmp_path, TRAINING, override)
    assert message.startswith(COMMAND_LINE)
    assert mistake in message


# --- what may have been meant


@pytest.mark.parametrize("key", ["year", "checkpoint"])
def test_a_key_that_is_near_to_none_gets_a_list(tmp_path, key):
    message = mistakes(InferenceConfig, tmp_path, "{}", f"{key}=3")
    assert "did you mean" not in message
    assert f"  {key}: unknown key; known keys here: channels_last, compile, " in message


@pytest.mark.parametrize(
    ("kind", "override", "meant"),
    [
        (EvalConfig, "device=cpu", "'inference.device'"),
        (EvalConfig, "lr=1e-5", "'inference.online.lr'"),
        (InferenceConfig, "inference.device=cpu", "'device'"),
        (TrainConfig, "learning_rate=1", "'optimizer.learning_rate'"),
        (TrainConfig, "split=val", "'data.sources.0.split' or 'validation.evaluation.split'"),
    ],
)
def test_a_key_of_another_section_gets_its_whole_name(tmp_path, kind, override, meant):
    text = TRAINING if kind is TrainConfig else "{}"
    message = mistakes(kind, tmp_path, text, override)
    assert message.endswith(f": unknown key; did you mean {meant}?")


def test_the_sections_own_keys_are_listed_where_another_ones_key_stands(tmp_path):
    message = mistakes(TrainConfig, tmp_path, TRAINING, "optimizer.lr=1")
    assert "known keys here: betas, clip_norm, learning_rate" in message


# --- a key twice


def test_a_key_that_stands_twice_in_a_file(tmp_path):
    text = "crop_scale: 2\nonline:\n  steps: 3\n  steps: 4\n"
    message = mistakes(InferenceConfig, tmp_path, text)
    assert f"{tmp_path / 'file.yaml'} is not YAML: the key 'steps' stands there twice" in message
    assert "line 4" in message


def test_a_key_that_stands_twice_in_an_override(tmp_path):
    message = mistakes(InferenceConfig, tmp_path, "{}", "online={steps: 3, steps: 4}")
    assert "online={steps: 3, steps: 4}" in message
    assert "'steps' stands there twice" in message


def test_merged_sections_may_replace_keys(tmp_path):
    path = tmp_path / "file.yaml"
    path.write_text(
        "static: &mild {shift: 0.1, scale: [1, 2]}\n"
        "video: &wild {<<: *mild, shift: 0.2}\n"
        "again: {<<: *wild, shift: 0.3}\n"
    )
    with pytest.raises(ConfigError, match="unknown key") as caught:  # YAML was all right
        load_config(InferenceConfig, path)
    assert "twice" not in str(caught.value)


# --- in Python


def test_fields_given_in_python_are_told_the_same_way():
    with pytest.raises(ConfigError) as caught:
        OnlineLearning(step=1)
    assert str(caught.value).splitlines() == [
        "OnlineLearning is not valid:",
        "  steps: Field required",
        "  step: unknown key; did you mean 'steps'?",
    ]


def test_sections_inside_tell_all_their_mistakes_together():
    with pytest.raises(ConfigError) as caught:
        EvalConfig(yaer=2016, inference={"dtype": "half", "online": {"step": 1}})
    places = re.findall(r"^  ([\w.]+):", str(caught.value), re.MULTILINE)
    assert set(places) == {
        "yaer",
        "inference.dtype",
        "inference.online.steps",
        "inference.online.step",
    }
