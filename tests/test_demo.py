"""Both demos, end to end at a size that takes seconds, and their command line."""

import json
from pathlib import Path
from typing import Any

import pytest
from scripts_in_process import ScriptRunner

from ranet.config import EvalConfig, TrainConfig, load_config
from ranet.datasets.image_io import read_image
from ranet.datasets.video_io import open_frames
from ranet.demo import DemoVideos, show
from ranet.methods.checkpoints import save_checkpoint
from ranet.methods.ranet.network import RANet

CONFIGS = Path(__file__).parents[1] / "configs"
VIDEOS = DemoVideos(train=2, val=2, frames=3, size=(64, 96), max_objects=2, clutter=1.0)


@pytest.fixture(autouse=True)
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take longer to draw than all else of a report, whose own tests look at them."""
    monkeypatch.setattr("ranet.report.page.has_matplotlib", lambda: False)


@pytest.fixture
def evaluation() -> EvalConfig:
    overrides = ["inference.input_size=null"]
    return load_config(EvalConfig, CONFIGS / "eval_quickstart.yaml", overrides)


def check_what_is_left(out: Path) -> None:
    for method in ("network", "copying"):
        assert len(list((out / method / "masks").glob("val-*/*.png"))) == 2 * 3
    film = open_frames(out / "overlay.mp4")
    assert film.size == (64, 96)
    assert sum(1 for _ in film) == 2 * 3
    assert read_image(out / "sheet.png").shape[1] > 5 * 280
    assert "copying the first mask" in (out / "report.html").read_text("utf-8")


@pytest.mark.slow
def test_a_network_is_shown_beside_copying(
    evaluation: EvalConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = RANet(backbone="tiny", template_grid=(3, 4), ranked=8, width=0.25)
    network.input_size = (64, 96)
    save_checkpoint(tmp_path / "mine.pt", network)
    out = tmp_path / "out"
    for _ in range(2):  # once more: what is finished is kept
        show(VIDEOS, tmp_path / "mine.pt", evaluation, out, workers=1)
        check_what_is_left(out)
        masks = {path: path.stat().st_mtime_ns for path in out.glob("*/masks/*/*.png")}
        said = capsys.readouterr().out
        assert "\nmine " in said
        assert "ranet segment --video" in said
        assert all(str(out / name) in said for name in ("overlay.mp4", "sheet.png", "report.html"))
    assert {path: path.stat().st_mtime_ns for path in masks} == masks
    scored = json.loads((out / "network" / "result.json").read_text())
    assert scored["settings"]["config"]["inference"]["input_size"] == [64, 96]


@pytest.mark.slow
def test_a_network_is_trained_and_shown(
    evaluation: EvalConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    overrides = [f"output={out / 'training'}", f"data.sources.0.root={out / 'videos'}"]
    overrides += ["data.workers=0", "data.size=[64,96]", "model.width=0.25", "steps=2"]
    training = load_config(TrainConfig, CONFIGS / "quickstart.yaml", overrides)
    show(VIDEOS, training, evaluation, out, workers=1)
    assert (out / "training" / "model.pt").is_file()
    check_what_is_left(out)
    assert "\nnetwork trained here " in capsys.readouterr().out


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The arguments of the demos that were run; none is."""
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr("ranet.demo.show", lambda *arguments: calls.append(arguments))
    return calls


def test_the_network_that_comes_with_the_project_is_shown(
    run_script: ScriptRunner, asked: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    done = run_script("demo.py", "--out", tmp_path / "demo")
    assert (done.status, done.error) == (0, "")
    ((videos, checkpoint, evaluation, out, _),) = asked
    assert videos.train == 0
    assert evaluation.inference.input_size is None
    assert (checkpoint.is_file(), out) == (True, tmp_path / "demo")


@pytest.mark.parametrize("name", ["demo", "a #1", "key: value", "[🎬]"])
def test_a_training_is_below_the_folder_whatever_its_name(
    name: str, run_script: ScriptRunner, asked: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    out = tmp_path / name
    done = run_script("demo.py", "--train", "steps=3", "--out", out, "batch_size=2")
    assert (done.status, done.error) == (0, "")
    ((_, training, _, folder, _),) = asked
    assert (training.steps, training.batch_size) == (3, 2)
    assert training.data.sources[0].root == out / "videos"
    assert training.output == out / "training"
    assert folder == out


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--out", "file/demo"], 1, "file is not a folder"),
        (["--train", "--out", "demo", "stepps=3"], 1, "did you mean 'steps'?"),
        (["--out", "demo", "steps=3"], 2, "steps=3 is a field of the training"),
    ],
)
def test_mistakes_are_told_before_anything_is_made(
    words: list[str],
    status: int,
    message: str,
    run_script: ScriptRunner,
    asked: list[tuple[Any, ...]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    done = run_script("demo.py", *words)
    assert done.status == status
    assert message in done.error
    assert asked == []
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
