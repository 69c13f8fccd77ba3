"""The demo, end to end, at a size that takes seconds."""

from pathlib import Path

import cv2
import pytest

from ranet.config import EvalConfig, TrainConfig, load_config
from ranet.datasets.video_io import open_frames
from ranet.demo import DemoVideos, run_demo

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


def test_every_step_leaves_its_result(
    configs: tuple[TrainConfig, EvalConfig], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    videos = DemoVideos(train=2, val=2, frames=5, size=(96, 160))
    run_demo(videos, *configs, tmp_path, workers=1)
    said = capsys.readouterr().out
    assert "copying the first mask: " in said
    assert "J&F-Mean" in said
    assert (tmp_path / "training" / "model.pt").is_file()
    assert len(list((tmp_path / "ranet" / "masks").glob("val-*/*.png"))) == 2 * 5
    overlay = open_frames(tmp_path / "overlay.mp4")
    assert overlay.size == (96, 160)
    assert sum(1 for _ in overlay) == 5
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape[1] > 5 * 280

    # Once more: what is finished is kept.
    made = {path: path.stat().st_mtime_ns for path in tmp_path.glob("ranet/masks/*/*.png")}
    run_demo(videos, *configs, tmp_path, workers=1)
    again = capsys.readouterr().out
    assert again.splitlines()[-4:] == said.splitlines()[-4:]
    assert {path: path.stat().st_mtime_ns for path in made} == made
