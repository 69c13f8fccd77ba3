"""The configurations that come with the project: valid, complete, and as the paper says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ranet.config import EvalConfig, InferenceConfig, Section, TrainConfig, load_config
from ranet.datasets.index import read_set_file
from ranet.errors import ConfigError
from ranet.methods.checkpoints import build_model

FOLDER = Path(__file__).parents[1] / "configs"
FILES = sorted(FOLDER.rglob("*.yaml"))
NO_CHOICE_OF_THE_MODEL = {"ranking_gradient", "objects", "train", "truth_share"}
"""What a stage may change of the network of the stage before: it has no weights."""

HELD_OUT = {"bear", "tennis", "schoolgirls"}
"""The videos that recipes and checkpoints of ranet-small are chosen by (docs/experiments.md)."""


def kind_of(path: Path) -> type[Section]:
    if path.name.startswith("eval_"):
        return EvalConfig
    return InferenceConfig if path.name == "segment.yaml" else TrainConfig


def training_runs() -> dict[str, TrainConfig]:
    """By the name of the file."""
    paths = [path for path in FILES if kind_of(path) is TrainConfig]
    return {path.stem: load_config(TrainConfig, path) for path in paths}


def said(values: Any, *location: str) -> Iterator[list[str]]:
    """Where a file says something: its single values and its lists."""
    if isinstance(values, dict):
        for key, value in values.items():
            yield from said(value, *location, key)
    else:
        yield list(location)


def without(values: Any, location: list[str]) -> Any:
    """The values without the one there, nor the sections that then are empty."""
    key, *inside = location
    left = without(values[key], inside) if inside else {}
    rest = {name: value for name, value in values.items() if name != key}
    return rest | {key: left} if left else rest


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_valid_and_says_only_what_differs(path, tmp_path):
    config = load_config(kind_of(path), path)
    assert path.read_text().startswith("# ")
    values = yaml.safe_load(path.read_text()) or {}
    if base := values.pop("extends", None):
        values["extends"] = str((path.parent / base).resolve())
    for location in said(values):
        if location in (["name"], ["output"], ["extends"], ["losses", "cross_entropy"]):
            continue
        (tmp_path / "less.yaml").write_text(yaml.safe_dump(without(values, location)))
        try:
            less = load_config(kind_of(path), tmp_path / "less.yaml")
        except ConfigError:
            continue
        assert less != config, f"{'.'.join(location)} is what it would be anyway"


def test_all_stages_are_there():
    assert training_runs().keys() >= {
        "static_single",
        "static_multi",
        "video_davis16",
        "video_davis17",
        "small_static",
        "small_clips",
        "debug",
        "quickstart",
    }


def test_names_and_outputs_are_those_of_the_files():
    runs = training_runs()
    assert {config.name for config in runs.values()} == runs.keys()
    assert len({config.output for config in runs.values()}) == len(runs)


@pytest.mark.parametrize(
    ("stage", "before"),
    [
        ("video_davis16", "static_single"),
        ("video_davis17", "static_multi"),
        ("small_clips", "small_static"),
        ("dmvos_video", "dmvos_static"),
        ("dmvos_small_clips", "dmvos_small"),
        ("dmn_aoa_static", "dmn_aoa_detector"),
        ("dmn_aoa_video", "dmn_aoa_static"),
    ],
)
def test_a_stage_starts_where_the_one_before_ends(stage, before):
    runs = training_runs()
    assert runs[stage].start_from == runs[before].output / "model.pt"
    networks = [
        runs[name].model.model_dump(exclude=NO_CHOICE_OF_THE_MODEL) for name in (stage, before)
    ]
    assert networks[0] == networks[1]


@pytest.mark.parametrize(
    "name", ["small_static", "small_clips", "dmvos_small", "dmvos_small_clips"]
)
def test_small_networks_are_not_trained_on_the_videos_they_are_chosen_by(name):
    (source,) = [
        s for s in training_runs()[name].data.sources if s.root == Path("data/video_train")
    ]
    assert not HELD_OUT & set(read_set_file(FOLDER.parent / source.set_file))


def test_the_listed_videos_are_there(shared_data):
    there = set(read_set_file(shared_data / "video_train/ImageSets/train.txt"))
    assert set(read_set_file(FOLDER / "lists/video_train.txt")) <= there - HELD_OUT
    assert set(read_set_file(FOLDER / "lists/held_out.txt")) == HELD_OUT <= there


@pytest.mark.parametrize(
    "name", ["static_single", "static_multi", "video_davis16", "video_davis17"]
)
def test_the_papers_numbers(name):
    config = training_runs()[name]
    assert config.optimizer.learning_rate == 1e-5
    assert dict(config.losses) == {"cross_entropy": 1.0}
    assert config.data.size == (480, 864)
    rows, columns = config.data.augment.spline_grid
    assert rows * columns == 16
    assert config.data.augment.spline_shift == 0.15
    assert config.data.augment.rotation == 30
    assert config.data.augment.scale == (0.75, 1.25)
    assert config.data.video.max_previous_gap == 5
    assert config.model.backbone == "resnet101"
    assert config.model.template_grid == (15, 27)
    assert config.model.ranked == 256
    assert config.imagenet_weights == name.startswith("static")
    kinds = {
        "static_single": {"msra10k", "ecssd", "hku_is"},
        "static_multi": {"msra10k", "ecssd", "hku_is", "soc", "ilso"},
    }
    assert {source.kind for source in config.data.sources} == kinds.get(name, {"davis"})
    if name.startswith("video"):
        (source,) = config.data.sources
        assert f"video_davis{source.year % 100}" == name


@pytest.mark.parametrize(
    ("ours", "theirs"), [("dmvos_small", "small_static"), ("dmvos_small_clips", "small_clips")]
)
def test_small_networks_of_two_methods_see_the_same(ours, theirs):
    one, other = (training_runs()[name] for name in (ours, theirs))
    assert one.model.backbone == other.model.backbone
    assert one.model.frozen_stages == other.model.frozen_stages
    for field in ("sources", "size", "clip_length"):
        assert getattr(one.data, field) == getattr(other.data, field)
    assert (one.batch_size, one.steps, one.optimizer) == (
        other.batch_size,
        other.steps,
        other.optimizer,
    )


@pytest.mark.parametrize("name", ["dmn_aoa_static", "dmn_aoa_video"])
def test_clips_are_cut_as_in_dmn_aoas_supplement(name):
    data = training_runs()[name].data
    assert (data.crop_clips, data.size) == ("patch", (352, 352))
    assert (data.augment.scale, data.augment.flip) == ((1.0, 1.5), 0.5)
    assert data.augment.spline_shift == data.augment.rotation == 0


@pytest.mark.parametrize("name", ["debug_dmvos", "dmvos_small", "dmvos_small_clips"])
def test_small_networks_of_dmvos_can_be_built(name):
    built = build_model(training_runs()[name].model.model_dump())
    assert sum(parameter.numel() for parameter in built.parameters()) < 20e6


@pytest.mark.parametrize("name", ["small_static", "small_clips", "debug", "quickstart"])
def test_small_networks_can_be_built(name):
    model = training_runs()[name].model
    built = build_model(model.model_dump())
    rows, columns = model.template_grid
    assert model.ranked <= rows * columns
    assert sum(parameter.numel() for parameter in built.parameters()) < 20e6
