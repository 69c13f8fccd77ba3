import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from training_data import HEIGHT, WIDTH, write_pairs

from ranet.datasets.image_io import read_image

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config(tmp_path):
    values = {
        "name": "test",
        "output": str(tmp_path / "run"),
        "batch_size": 2,
        "data": {
            "sources": [{"kind": "pairs", "root": str(write_pairs(tmp_path))}],
            "size": [HEIGHT, WIDTH],
        },
    }
    path = tmp_path / "run.yaml"
    path.write_text(yaml.dump(values))
    return path


def run(script, *arguments):
    command = [sys.executable, str(ROOT / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_show_samples(config, tmp_path):
    sheet = tmp_path / "sheets" / "sheet.png"
    done = run("scripts/show_samples.py", "--config", config, "--out", sheet, "--count", 3)
    assert (done.returncode, done.stdout) == (0, f"wrote {sheet}\n"), done.stderr
    height, width, _ = read_image(sheet).shape
    assert height > 3 * HEIGHT
    assert width > 4 * WIDTH


def test_show_samples_with_overrides_between_the_options(config, tmp_path):
    sheet = tmp_path / "sheet.png"
    done = run(
        *("scripts/show_samples.py", "data.max_objects=1", "--config", config, "seed=3"),
        *("--out", sheet, "--count", 1),
    )
    assert (done.returncode, done.stdout) == (0, f"wrote {sheet}\n"), done.stderr


def test_show_samples_of_a_missing_folder(config, tmp_path):
    sheet = tmp_path / "sheet.png"
    done = run(
        *("scripts/show_samples.py", "--config", config, "--out", sheet),
        f"data.sources.0.root={tmp_path / 'nowhere'}",
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "nowhere" in done.stderr
    assert not sheet.exists()
