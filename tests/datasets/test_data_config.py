import pytest
import yaml

from ranet.config import (
    DataConfig,
    DavisSource,
    ImageSource,
    InferenceConfig,
    TrainConfig,
    load_config,
    parse_config,
)
from ranet.errors import ConfigError

PAIRS = {"kind": "pairs", "root": "static"}
DAVIS = {"kind": "davis", "root": "DAVIS"}


def refused(**values):
    with pytest.raises(ConfigError) as caught:
        parse_config(DataConfig, {"sources": [PAIRS], **values})
    return str(caught.value)


def test_sources_of_different_kinds():
    config = parse_config(DataConfig, {"sources": [PAIRS, {**DAVIS, "year": 2016, "weight": 2}]})
    assert isinstance(config.sources[0], ImageSource)
    assert isinstance(config.sources[1], DavisSource)
    assert config.sources[1].weight == 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sources": []}, "sources: .*at least 1 item"),
        ({"sources": [{**PAIRS, "weight": 0}]}, r"sources\.0\.weight.*greater than 0"),
        ({"sources": [{"kind": "pairs"}]}, r"sources\.0\.root.*required"),
        (
            {"sources": [{"kind": "video", "root": "x"}]},
            r"sources\.0\.kind: .*'davis', 'youtube_vos', 'pairs', 'msra10k'.*found 'video'",
        ),
        ({"sources": [{"root": "x"}]}, r"sources\.0\.kind: .*required"),
        ({"sources": [{**DAVIS, "yaer": 2016}]}, r"sources\.0\.yaer.*'year'"),
        ({"sources": [DAVIS, {**PAIRS, "nams": "*"}]}, r"sources\.1\.nams.*'names'"),
        ({"augment": {"scale": [1.2, 0.8]}}, r"augment\.scale: a range reads \[low, high\]"),
        ({"augment": {"spline_grid": [1, 4]}}, r"augment\.spline_grid\.0"),
        ({"augment": {"crop_shift": 0.5}}, r"augment\.crop_shift"),
        ({"static": {"previous": {"empy": 0.1}}}, r"static\.previous\.empy.*'empty'"),
        ({"smallest_object": 0}, "smallest_object"),
    ],
)
def test_mistakes_are_told(values, message):
    with pytest.raises(ConfigError, match=message):
        parse_config(DataConfig, {"sources": [PAIRS], **values})


def test_a_wrong_source_is_one_mistake():
    """Nor is a list said to be empty whose only item is wrong."""
    message = refused(sources=[{**DAVIS, "yaer": 2016}])
    assert len(message.splitlines()) == 2


def test_all_mistakes_at_once():
    message = refused(max_objets=1, augment={"rotation": -1}, crop="box")
    assert all(part in message for part in ("max_objets", "augment.rotation", "crop"))


def test_a_partly_given_section_keeps_its_own_defaults():
    config = parse_config(
        DataConfig,
        {
            "sources": [PAIRS],
            "static": {"previous": {"empty": 0.1}},
            "video": {"previous": {"empty": 0.1}},
        },
    )
    assert config.static.previous.shift > 0
    assert config.video.previous.shift == 0


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(yaml.dump({"name": "n", "output": "o", "data": {"sources": [DAVIS, PAIRS]}}))
    return path


def test_overrides_reach_into_the_list_of_sources(file):
    config = load_config(TrainConfig, file, ["data.sources.1.root=elsewhere"])
    assert [str(source.root) for source in config.data.sources] == ["DAVIS", "elsewhere"]
    replaced = load_config(TrainConfig, file, ["data.sources.0={kind: pairs, root: other}"])
    assert isinstance(replaced.data.sources[0], ImageSource)


@pytest.mark.parametrize(
    "override", ["data.sources.2.root=x", "data.sources.first.root=x", "data.sources.-1={}"]
)
def test_an_override_of_no_item(file, override):
    with pytest.raises(ConfigError, match="list that has 2: give its position, 0 for the first"):
        load_config(TrainConfig, file, [override])


def test_an_override_inside_a_value(file):
    with pytest.raises(ConfigError, match="inside 'root', which is not a section"):
        load_config(TrainConfig, file, ["data.sources.0.root.deeper=x"])


def test_a_single_object_network_and_several_objects(file):
    with pytest.raises(ConfigError, match=r"takes samples of 1 object, but data\.max_objects is 2"):
        load_config(TrainConfig, file, ["data.max_objects=2"])
    several = load_config(TrainConfig, file, ["data.max_objects=2", "model.objects=multi"])
    assert several.data.max_objects == 2


def test_crops_have_one_name_and_earlier_configurations_are_read():
    training = parse_config(DataConfig, {"sources": [PAIRS], "crop": "previous_mask"})
    inference = parse_config(InferenceConfig, {"crop": "previous_prediction"})
    assert training.crop == inference.crop == "around_objects"
    assert training == parse_config(DataConfig, {"sources": [PAIRS]})
    assert parse_config(InferenceConfig, {"crop": "whole_frame"}).crop == "whole_frame"
    with pytest.raises(ConfigError, match=r"crop: .*'around_objects' or 'whole_frame'.*'box'"):
        parse_config(InferenceConfig, {"crop": "box"})
