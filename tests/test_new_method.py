"""The pages on a new method and a new matching, followed to the letter."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

import ranet
from ranet.datasets.image_io import read_image, read_labels
from ranet.errors import RANetError
from ranet.export.programs import export_programs
from ranet.methods import registry
from ranet.methods.ranet import config as ranet_config

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]


def expanded(commands):
    """Each call of a script, with those in a loop once for every name."""
    loop = re.search(r"for name in (.*?); do\n(.*?)done\n", commands, flags=re.DOTALL)
    if loop:
        calls = "".join(loop[2].replace("$name", name) for name in loop[1].split())
        commands = commands.replace(loop[0], calls)
    return [line.strip() for line in commands.splitlines() if line.strip()]


@pytest.fixture
def follow(tmp_path, monkeypatch, run_script):
    """Write the files of a page as it names them, and run its commands."""
    monkeypatch.chdir(tmp_path)
    for table in (registry._METHODS, ranet_config.MATCHINGS):
        for name in table:
            monkeypatch.setitem(table, name, table[name])
    (tmp_path / "configs").symlink_to(ROOT / "configs")

    def following(page):
        text = (ROOT / "docs" / page).read_text()
        names = re.findall(r"`(\w+\.(?:py|yaml))`", text)
        blocks = re.findall(r"```(\w*)\n(.*?)```", text, flags=re.DOTALL)
        for (_, block), name in zip([b for b in blocks if b[0]], names, strict=False):
            Path(name).write_text(block)
        (commands,) = (block for language, block in blocks if not language)
        for command in expanded(re.sub(r"\\\n\s*", " ", commands)):
            _, script, *words = command.split()
            outcome = run_script(Path(script).name, *words)
            assert outcome.status == 0, outcome.error

    yield following
    for name in ("previous_mask", "mean_map"):
        sys.modules.pop(name, None)
    registry._METHODS.pop("previous_mask", None)
    ranet_config.MATCHINGS.pop("mean", None)


def test_a_method_in_a_file_of_its_own_is_served_by_everything(follow, run_script):
    follow("new_method.md")
    assert "previous_mask" in Path("outputs/previous_mask/report/report.html").read_text()
    model = ranet.load_checkpoint("outputs/previous_mask/model.pt")
    assert (model.label, model.architecture) == ("previous_mask", {"channels": 4})

    (video,) = list(Path("outputs/debug/data/JPEGImages/480p").iterdir())[:1]
    first = Path("outputs/debug/data/Annotations/480p") / video.name / "00000.png"
    frames = [read_image(path) for path in sorted(video.iterdir())]
    given = ["--checkpoint", "outputs/previous_mask/model.pt", "--video", video, "--mask", first]
    outcome = run_script("segment.py", *given, "--out", "masks", "plugins=[previous_mask.py]")
    assert outcome.status == 0, outcome.error
    config = ranet.InferenceConfig(device="cpu")
    segmenter = ranet.VideoSegmenter(model, config)
    labels = [segmenter.start(frames[0], read_labels(first)), *map(segmenter.step, frames[1:])]
    for path, expected in zip(sorted(Path("masks").iterdir()), labels, strict=True):
        np.testing.assert_array_equal(read_labels(path), expected)

    graphs = export_programs(model, frame_size=(64, 96), config=config)
    assert graphs["step"].inputs == ("image", "previous")
    with pytest.raises(RANetError, match="previous_mask offers no explanation"):
        ranet.visual.explain(video, first, 1, model=model)


def test_a_matching_in_a_file_of_its_own(follow):
    follow("new_ablation.md")
    model = ranet.load_checkpoint("outputs/mean/model.pt")
    assert model.architecture["matching"] == "mean"
    assert model.ranking.channels == 1
