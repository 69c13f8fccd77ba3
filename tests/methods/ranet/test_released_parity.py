"""Golden tensors of the authors' network, in float64."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ranet.errors import DataError
from ranet.methods.ranet.released import (
    _kind_of,
    compare_with_fixture,
    ruled_network,
    ruled_weight,
)

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "name", [pytest.param("single_object", marks=pytest.mark.slow), "multi_object"]
)
def test_network_agrees_with_the_authors(name: str, shared_parity: Path) -> None:
    differences = compare_with_fixture(shared_parity / f"{name}.npz")
    assert {d.array for d in differences} >= {"probability", "merge_output_1", "R3_output_mean_std"}
    assert all(d.largest < 1e-6 for d in differences), differences


@pytest.mark.parametrize(
    ("entries", "objects", "asked", "expected"),
    [
        ({"ranking_net_output_1": 0}, 1, None, "single"),
        ({}, 3, None, "multi"),
        ({"objects": "single"}, 1, None, "single"),
        ({"objects": "multi"}, 1, None, "multi"),
        ({}, 1, "single", "single"),
        ({}, 1, "multi", "multi"),
        ({}, 1, None, "does not tell"),
        ({"objects": "both"}, 1, None, "does not tell"),
        ({"objects": "multi"}, 1, "single", "not single"),
    ],
)
def test_the_kind_of_a_fixture_is_told_and_never_guessed(
    entries: dict, objects: int, asked: str | None, expected: str
) -> None:
    fixture = {name: np.array(value) for name, value in entries.items()}
    fixture["probability"] = np.zeros((1, objects, 4, 4))
    if expected in ("single", "multi"):
        assert _kind_of(fixture, asked, "some.npz") == expected
    else:
        with pytest.raises(DataError, match=expected):
            _kind_of(fixture, asked, "some.npz")


@pytest.mark.slow
def test_a_changed_fixture_fails_the_script(tmp_path: Path) -> None:
    """Only the array that was changed differs."""
    generator = np.random.default_rng(0)
    images = {
        f"{name}_image": generator.integers(0, 256, (64, 96, 3)).astype(np.uint8)
        for name in ("template", "current")
    }
    labels = np.zeros((64, 96), np.uint8)
    labels[16:48, 24:72] = 1
    masks = torch.from_numpy(labels == 1)[None, None].double()
    network = ruled_network("multi", seed=1)
    template_image, current_image = (
        torch.from_numpy(image / 255).permute(2, 0, 1)[None] for image in images.values()
    )
    with torch.inference_mode():
        template = network.encode_template(template_image, masks)
        logits = network.segment(template, network.encode_frame(current_image), masks)
    probability = logits.sigmoid().numpy()
    probability[0, 0, 10, 10] += 1e-3
    np.savez(
        tmp_path / "changed.npz",
        **images,
        template_labels=labels,
        previous_labels=labels,
        seed=1,
        template_embedding=template.embedding.numpy(),
        probability=probability,
    )
    done = subprocess.run(
        [
            sys.executable,
            ROOT / "scripts/check_released_parity.py",
            tmp_path / "changed.npz",
            "--objects",
            "multi",
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 1
    verdicts = {line.split()[0]: line.split()[-1] for line in done.stdout.splitlines()[1:]}
    assert verdicts["probability"] == "DIFFERS"
    assert verdicts["template_embedding"] == "ok"


def test_rule_of_the_weights() -> None:
    matrix = ruled_weight("a.weight", (64, 32, 3, 3), seed=1)
    assert matrix.dtype == torch.float64
    assert torch.equal(matrix, matrix.float().double())  # made in float32, then widened
    assert abs(matrix.std().item() - (2 / 288) ** 0.5) < 0.001
    assert abs(ruled_weight("a.weight", (4000,), seed=1).mean().item() - 1) < 0.01
    assert abs(ruled_weight("a.bias", (4000,), seed=1).std().item() - 0.05) < 0.005
    assert not torch.equal(ruled_weight("a.bias", (9,), 1), ruled_weight("a.bias", (9,), 2))


def test_a_file_that_is_no_fixture_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", seed=1)
    with pytest.raises(DataError, match="lacks template_image"):
        compare_with_fixture(tmp_path / "x.npz")
    inputs = ("template_image", "template_labels", "current_image", "previous_labels")
    np.savez(tmp_path / "z.npz", seed=1, **dict.fromkeys(inputs, np.zeros(1)))
    with pytest.raises(DataError, match="lacks probability"):
        compare_with_fixture(tmp_path / "z.npz")
    (tmp_path / "y.npz").write_bytes(b"nothing")
    with pytest.raises(DataError, match="Cannot read the fixture"):
        compare_with_fixture(tmp_path / "y.npz")
    with pytest.raises(DataError, match="Cannot read the fixture"):
        compare_with_fixture(tmp_path / "absent.npz")
