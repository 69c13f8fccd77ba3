import json

import pytest
import yaml

from ranet.benchmark import loader
from ranet.benchmark.drawn_videos import draw_video
from ranet.benchmark.loader import cores_needed, per_core, tell_cores
from ranet.benchmark.rows import Row
from ranet.benchmark.timing import Spread
from ranet.datasets.image_io import write_image, write_labels


@pytest.fixture
def config(tmp_path):
    frames, labels = draw_video((48, 80), objects=1, frames=3)
    for number, frame in enumerate(frames):
        write_image(tmp_path / "pairs" / "images" / f"{number}.jpg", frame)
        write_labels(tmp_path / "pairs" / "masks" / f"{number}.png", labels)
    values = {
        "name": "test",
        "output": str(tmp_path / "run"),
        "batch_size": 2,
        "data": {
            "sources": [{"kind": "pairs", "root": str(tmp_path / "pairs")}],
            "size": [48, 80],
        },
    }
    path = tmp_path / "run.yaml"
    path.write_text(yaml.dump(values))
    return path


def test_samples_are_counted_and_cores_told(run_script, config, tmp_path):
    file = tmp_path / "loader.json"
    done = run_script(
        *("benchmark.py", "loader", "--config", config, "--json", file, "--step-ms", 100),
        *("--workers", "0,1", "--repeats", 2, "--batches", 2, "batch_size=3"),
    )
    assert done.status == 0, done.error
    rows = json.loads(file.read_text())["rows"]
    assert [row["settings"]["workers"] for row in rows] == [0, 1]
    assert [row["units"] for row in rows] == [6, 6]
    assert rows[0]["details"]["data"]["size"] == [48, 80]
    best = max(row["units_per_second"] for row in rows)
    assert f"data.workers={cores_needed(3, 0.1, best)}\n" in done.out


def test_a_negative_number_of_workers(run_script, config):
    done = run_script("benchmark.py", "loader", "--config", config, "--workers", -1)
    assert done.status == 1
    assert "data.workers" in done.error


def row(workers, seconds):
    spread = Spread(1, *[seconds] * 5)
    return Row("loader", {"workers": workers, "batch": 4}, "sample", 20, spread)


def test_workers_beyond_the_cores_share_them(monkeypatch):
    monkeypatch.setattr(loader, "usable_cores", lambda: 2)
    assert [per_core(row(workers, 0.5)) for workers in (0, 1, 2, 8)] == [40, 40, 20, 20]


def test_how_many_cores_feed_a_step():
    assert cores_needed(8, 0.1, 25) == 4
    assert cores_needed(8, 0.1, 26.6) == 4
    assert cores_needed(8, 0.1, 26.7) == 3
    assert tell_cores([row(0, 1.0), row(1, 0.5)], 0.1) == [
        "40.0 samples a second and core at best",
        "A step of 4 samples in 100 ms is fed by 1 core: data.workers=1",
    ]
    assert tell_cores([row(0, 1.0)], None) == ["20.0 samples a second and core at best"]
