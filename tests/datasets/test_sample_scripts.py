import pytest
import yaml
from training_data import HEIGHT, WIDTH, write_pairs

from ranet.datasets.image_io import read_image
from ranet.methods.checkpoints import save_checkpoint
from ranet.methods.registry import create_method


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


def test_show_samples(run_script, config, tmp_path):
    sheet = tmp_path / "sheets" / "sheet.png"
    done = run_script("show_samples.py", "--config", config, "--out", sheet, "--count", 3)
    assert (done.status, done.out) == (0, f"wrote {sheet}\n"), done.error
    height, width, _ = read_image(sheet).shape
    assert height > 3 * HEIGHT
    assert width > 4 * WIDTH


def test_show_samples_with_overrides_between_the_options(run_script, config, tmp_path):
    sheet = tmp_path / "sheet.png"
    done = run_script(
        *("show_samples.py", "data.max_objects=1", "--config", config, "seed=3"),
        *("--out", sheet, "--count", 1),
    )
    assert (done.status, done.out) == (0, f"wrote {sheet}\n"), done.error


def test_show_samples_of_a_missing_folder(run_script, config, tmp_path):
    sheet = tmp_path / "sheet.png"
    done = run_script(
        *("show_samples.py", "--config", config, "--out", sheet),
        f"data.sources.0.root={tmp_path / 'nowhere'}",
    )
    assert done.status == 1
    assert done.error.startswith("error: ")
    assert "nowhere" in done.error
    assert not sheet.exists()


def test_show_samples_to_a_network(run_script, config, tmp_path):
    detector = {"backbone": "tiny", "channels": 8, "source": "light"}
    save_checkpoint(tmp_path / "detector.pt", create_method({"name": "dmn_aoa", **detector}))
    command = ("show_samples.py", "--config", config, "--count", 3)
    done = run_script(*command, "--checkpoint", tmp_path / "detector.pt")
    assert done.status == 0, done.error
    boxes, masks = done.out.splitlines()
    assert boxes.startswith("proposed_box_iou: mean 0.")
    assert masks.startswith("oracle_j: mean 0.")
    assert "at least 0.5 in " in boxes
    done = run_script(*command)
    assert done.status == 2
    assert "name --out, --checkpoint, or both" in done.error
