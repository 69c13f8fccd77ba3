"""Reading configurations: what extends what, whose a mistake is, and writing them out again."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from ranet.config import EvalConfig, InferenceConfig, OnlineLearning, TrainConfig, load_config
from ranet.config_files import to_yaml
from ranet.errors import ConfigError

CONFIGS = Path(__file__).parents[1] / "configs"
TRAINING = "{name: n, output: o, data: {sources: [{kind: davis, root: r}]}}"
COMMAND_LINE = "The command line (key=value, on top of "


def refused(kind, folder: Path, text: str, *overrides: str) -> str:
    path = folder / "file.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(kind, path, overrides)
    return str(caught.value)


# --- extends


@pytest.fixture
def base(tmp_path):
    path = tmp_path / "base.yaml"
    path.write_text(
        "name: base\noutput: o\nmodel: {width: 0.5, ranked: 7}\nlosses: {jaccard: 1}\n"
        "data: {size: [64, 96], sources: [{kind: davis, root: r}, {kind: pairs, root: p}]}\n"
    )
    return path


def test_a_file_says_what_differs_from_the_one_that_it_extends(tmp_path, base):
    (tmp_path / "folder").mkdir()
    middle = tmp_path / "folder/middle.yaml"
    middle.write_text("extends: ../base.yaml\nmodel: {ranked: 8}\nstart_from: model.pt\n")
    last = tmp_path / "last.yaml"
    last.write_text(
        "extends: folder/middle.yaml\nname: last\nstart_from: null\n"
        "data: {sources: [{kind: pairs, root: other}]}\nlosses: {cross_entropy: 2}\n"
    )
    config = load_config(TrainConfig, last, ["model.ranked=9"])
    assert (config.name, str(config.output), config.start_from) == ("last", "o", None)
    assert (config.model.width, config.model.ranked) == (0.5, 9)
    assert [source.root for source in config.data.sources] == [Path("other")]
    assert config.data.size == (64, 96)
    assert config.losses == {"jaccard": 1, "cross_entropy": 2}
    assert load_config(TrainConfig, middle).model.ranked == 8


def test_a_section_of_another_kind_replaces_the_one_it_extends(tmp_path):
    (tmp_path / "base.yaml").write_text("inference: {name: a, x: 1, y: 2}\n")
    same = refused(EvalConfig, tmp_path, "extends: base.yaml\ninference: {name: a, x: 3}\n")
    other = refused(EvalConfig, tmp_path, "extends: base.yaml\ninference: {name: b, x: 3}\n")
    assert "inference.y:" in same
    assert "inference.x:" in other
    assert "inference.y:" not in other


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("extends: file.yaml", "extends itself"),
        ("extends: again.yaml", "extends itself: .*file.yaml → .*again.yaml → .*file.yaml"),
        ("extends: nowhere.yaml", "Cannot read .*nowhere.yaml, which .*file.yaml extends"),
        ("extends: [base.yaml]", "extends in .* path"),
        ("extends: words.yaml", "words.yaml, which .* should hold `key: value`"),
    ],
)
def test_what_cannot_be_extended(tmp_path, text, told):
    (tmp_path / "again.yaml").write_text("extends: file.yaml\n")
    (tmp_path / "words.yaml").write_text("some words\n")
    (tmp_path / "file.yaml").write_text(text)
    with pytest.raises(ConfigError, match=told):
        load_config(TrainConfig, tmp_path / "file.yaml")


# --- whose a mistake is


def test_mistakes_are_told_together_by_file_and_those_of_the_command_line_apart(tmp_path, base):
    text = base.read_text().replace("width: 0.5", "wdith: 0.5").replace("[64", "[0")
    base.write_text(text.replace("root: p", "root: p, weight: 0"))
    message = refused(
        TrainConfig,
        tmp_path,
        "extends: base.yaml\nmodel: {ranked: 0}\nstepz: 3\n",
        *("dtype=half", "data.sources.0.yaer=2016", "validation.every=3", "losses.jacard=1"),
    )
    of_file, of_base, of_command_line = message.split(" is not valid:\n")[1:]
    assert of_base.splitlines()[-1].startswith(f"{COMMAND_LINE}{tmp_path / 'file.yaml'})")
    found = [
        {line.split(":")[0].strip() for line in part.splitlines() if line.startswith("  ")}
        for part in (of_file, of_base, of_command_line)
    ]
    assert found == [
        {"model.ranked", "stepz"},
        {"model.wdith", "data.size.0", "data.sources.1.weight"},
        {"dtype", "data.sources.0.yaer", "validation.davis", "losses.jacard"},
    ]


def test_a_mistake_of_two_fields_together_is_the_overrides(tmp_path):
    message = refused(TrainConfig, tmp_path, TRAINING, "data.max_objects=2")
    assert message.startswith(COMMAND_LINE)
    assert "data.max_objects is 2" in message


@pytest.mark.parametrize(
    ("kind", "override", "meant"),
    [
        (InferenceConfig, "inptu_size=[48, 80]", "did you mean 'input_size'?"),
        (EvalConfig, "device=cpu", "did you mean 'inference.device'?"),
        (InferenceConfig, "inference.device=cpu", "did you mean 'device'?"),
        (InferenceConfig, "inference.crop_smothing=0.5", "did you mean 'crop_smoothing'?"),
        (
            TrainConfig,
            "augment.rotaton=3",
            "did you mean 'data.augment.rotation' or 'data.video.previous.rotation' or "
            "'data.video.motion.rotation'?",
        ),
        (
            TrainConfig,
            "augment.rotation=3",
            "did you mean 'data.augment.rotation' or "
            "'validation.evaluation.inference.online.augment.rotation'?",
        ),
        (EvalConfig, "inference.year=1", "known keys here: channels_last, compile, "),
        (
            TrainConfig,
            "split=val",
            "did you mean 'data.sources.0.split' or 'validation.evaluation.split'?",
        ),
    ],
)
def test_an_unknown_key_is_told_what_may_have_been_meant(tmp_path, kind, override, meant):
    message = refused(kind, tmp_path, TRAINING if kind is TrainConfig else "", override)
    assert f": unknown key; {meant}" in message


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("input_size=240", "input_size: Input should be a list, found 240"),
        (
            "input_size=[240, 432, 3]",
            "input_size: Input should be a list of 2, found [240, 432, 3]",
        ),
        ("online=[3]", "online: Input should be a section of `key: value` lines, found [3]"),
        ("online={steps: 1, losses: [1]}", "online.losses: Input should be a section"),
    ],
)
def test_lists_and_sections_are_called_what_yaml_calls_them(tmp_path, override, told):
    inner = refused(InferenceConfig, tmp_path, "", override)
    outer = refused(EvalConfig, tmp_path, "", f"inference.{override}")
    assert f"  {told}" in inner
    assert f"  inference.{told}" in outer


def test_a_key_that_stands_twice(tmp_path):
    text = "crop_scale: 2\nonline:\n  steps: 3\n  steps: 4\n"
    message = refused(InferenceConfig, tmp_path, text)
    assert "'steps' stands there twice" in message
    assert "line 4" in message
    message = refused(InferenceConfig, tmp_path, "{}", "online={steps: 3, steps: 4}")
    assert "'steps' stands there twice" in message


def test_a_date_that_there_is_not(tmp_path):
    assert "is not YAML" in refused(InferenceConfig, tmp_path, "crop_scale: 2026-99-99")


def test_yaml_s_own_merged_sections_may_replace_keys(tmp_path):
    text = "static: &mild {shift: 0.1}\nvideo: &wild {<<: *mild, shift: 0.2}\n"
    assert "twice" not in refused(InferenceConfig, tmp_path, text)


def test_python_raises_pydantics_error_with_all_mistakes():
    with pytest.raises(ValidationError, match="did you mean 'steps'") as caught:
        EvalConfig(yaer=2016, inference={"dtype": "half", "online": {"step": 1}})
    assert {mistake["loc"] for mistake in caught.value.errors()} == {
        ("yaer",),
        ("inference", "dtype"),
        ("inference", "online", "steps"),
        ("inference", "online", "step"),
    }


# --- plugins


def test_plugins_are_imported_once_before_other_fields_are_looked_at(tmp_path, monkeypatch):
    plugin = tmp_path / "a_plugin_of_a_test.py"
    plugin.write_text("import sys\nsys.times_imported = getattr(sys, 'times_imported', 0) + 1\n")
    monkeypatch.setattr(sys, "times_imported", 0, raising=False)
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    path = tmp_path / "file.yaml"
    path.write_text(f"plugins: [json, {plugin}]\nyaer: 2016")
    for _ in range(2):
        with pytest.raises(ConfigError, match="yaer"):
            load_config(EvalConfig, path)
    assert sys.times_imported == 1
    assert str(tmp_path) not in sys.path


def test_a_plugin_that_cannot_be_imported(tmp_path):
    files = {"json.py": "", "sys.py": "", "a_wrong_plugin.py": "def (", "nowhere.py": None}
    for name, text in files.items():
        if text is not None:
            (tmp_path / name).write_text(text)
    for plugin in ("no_module", ".", *(tmp_path / name for name in files)):
        message = refused(EvalConfig, tmp_path, f"plugins: [{plugin}]")
        assert f"plugins: cannot import the plugin '{plugin}': " in message


# --- written out again


def test_every_value_is_written_with_what_it_means():
    text = to_yaml(load_config(TrainConfig, CONFIGS / "static_single.yaml"))
    assert [
        line for line in text.splitlines() if not line.endswith(":") and "  # " not in line
    ] == []


def test_a_configuration_that_is_written_out_reads_the_same(tmp_path):
    config = load_config(
        TrainConfig,
        CONFIGS / "small_clips.yaml",
        [
            "name='häuser: \"two\nlines\" # no comment'",
            "optimizer.learning_rate=1e-7",
            "imagenet_weights=false",
            "validation={every: 2, davis: d, evaluation: {inference: {online: {steps: 1}}}}",
        ],
    )
    path = tmp_path / "again.yaml"
    path.write_text(to_yaml(config), encoding="utf-8")
    assert load_config(TrainConfig, path) == config
    assert "\n  ranked: 128  # R: " in path.read_text("utf-8")


def test_print_config_needs_no_torch_and_nothing_but_a_configuration(tmp_path):
    code = (
        "import sys; sys.modules['torch'] = None; from ranet.commands import program; "
        "program.main()"
    )

    def printed(*words):
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        path = tmp_path / "printed.yaml"
        path.write_text(done.stdout)
        return path

    debug = CONFIGS / "debug.yaml"
    path = printed("train", "--config", str(debug), "--print-config", "steps=7")
    assert load_config(TrainConfig, path) == load_config(TrainConfig, debug, ["steps=7"])
    words = ("--video", "v.mp4", "--mask", "12=a.png", "--backward")  # the whole command will do
    path = printed("segment", *words, "--print", "online.steps=2")
    assert load_config(InferenceConfig, path).online == OnlineLearning(steps=2)
