"""The demo, end to end, at a size that takes seconds."""

import json
from pathlib import Path

import cv2
import pytest

from ranet.config import EvalConfig, TrainConfig, load_config
from ranet.datasets.video_io import open_frames
from ranet.demo import DemoVideos, run_demo, summary
from ranet.methods.ranet.network import RANet
from ranet.methods.registry import save_checkpoint

CONFIGS = Path(__file__).parents[1] / "configs"


@pytest.fixture
def configs(tmp_path: Path) -> tuple[TrainConfig, EvalConfig]:
    train = load_config(
        TrainConfig,
        CONFIGS / "quickstart.yaml",
        [
            f"output={tmp_path / 'training'}",
            f"data.sources.0.root={tmp_path / 'data'}",
            "data.workers=0",
            "data.size=[64,96]",
            "model.width=0.25",
            "steps=3",
        ],
    )
    return train, load_config(
        EvalConfig, CONFIGS / "eval_quickstart.yaml", ["inference.input_size=[64,96]"]
    )


@pytest.fixture
def pretrained(tmp_path: Path) -> Path:
    network = RANet(backbone="tiny", template_grid=(3, 4), ranked=8, width=0.25)
    network.input_size = (64, 96)
    save_checkpoint(tmp_path / "tiny.pt", network)
    return tmp_path / "tiny.pt"


def test_every_step_leaves_its_result(
    configs: tuple[TrainConfig, EvalConfig],
    pretrained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    videos = DemoVideos(train=2, val=2, frames=5, size=(96, 160))
    run_demo(videos, *configs, pretrained, tmp_path, workers=1)
    said = capsys.readouterr().out
    for row in ("copying the first mask ", "network trained here ", "tiny "):
        assert f"\n{row}" in said
    assert "J&F-Mean" in said
    assert (tmp_path / "training" / "model.pt").is_file()
    for name in ("trained_here", "pretrained", "copying"):
        assert len(list((tmp_path / name / "masks").glob("val-*/*.png"))) == 2 * 5
    settings = json.loads((tmp_path / "pretrained" / "result.json").read_text())["settings"]
    assert settings["config"]["inference"]["input_size"] == [64, 96]
    overlay = open_frames(tmp_path / "overlay.mp4")
    assert overlay.size == (96, 160)
    assert sum(1 for _ in overlay) == 5
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape[1] > 5 * 280

    # Once more: what is finished is kept.
    made = {path: path.stat().st_mtime_ns for path in tmp_path.glob("pretrained/masks/*/*.png")}
    run_demo(videos, *configs, pretrained, tmp_path, workers=1)
    again = capsys.readouterr().out
    assert again.splitlines()[-7:] == said.splitlines()[-7:]
    assert {path: path.stat().st_mtime_ns for path in made} == made


def test_the_summary_tells_margins() -> None:
    assert summary("small", copying=20.0, trained_here=50.0, pretrained=8.5).splitlines()[1:] == [
        "copying the first mask   20.0   +0.0",
        "network trained here     50.0  +30.0",
        "small                     8.5  -11.5",
    ]
