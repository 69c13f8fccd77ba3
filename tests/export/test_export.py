"""The exported graphs compute what the segmenter computes; tiny, and with two objects."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from moving_squares import moving
from tiny_ranet import tiny_ranet
from torch.nn import functional as F

from ranet.commands.export_onnx import main
from ranet.config import InferenceConfig, OnlineLearning
from ranet.datasets.image_io import read_labels, write_image, write_labels
from ranet.errors import ConfigError, RANetError
from ranet.export import files
from ranet.export.programs import INPUTS, OUTPUTS, export_programs
from ranet.inference.frame_step import FrameStep
from ranet.inference.resolve import resolved
from ranet.inference.segmenter import VideoSegmenter
from ranet.model.weights import save_checkpoint
from ranet.structures import EncodedFrame, Template

EXAMPLE = Path(__file__).parents[2] / "examples" / "segment_with_onnxruntime.py"
SIZE = (96, 136)
CONFIG = InferenceConfig(input_size=(64, 96), frame_size=None, device="cpu")
VIDEO = moving(SIZE, 4, {1: (20, 12), 5: (50, 70)})


class ColourNetwork(torch.nn.Module):
    """Finds each object by its mean colour in the template, beyond doubt.

    Where a network with random weights finds two objects alike, rounding decides; this one lets
    whole videos be compared, to the pixel.
    """

    released = False
    input_size = None

    def encode_frame(self, image):
        return EncodedFrame(embedding=image, skips=None)

    def encode_template(self, image, masks):
        return Template(embedding=image, masks=masks)

    def segment(self, templates, frame, previous_masks, objects_at_once=None):
        (template,) = templates
        colours = torch.einsum("bchw,bkhw->bkc", template.embedding, template.masks)
        colours = colours / template.masks.sum(dim=(2, 3))[..., None]
        distance = (frame.embedding[:, None] - colours[..., None, None]).abs().amax(dim=2)
        return 50 * (0.2 - distance)  # B×K×h×w


@pytest.fixture(scope="module")
def network():
    return tiny_ranet("multi")


@pytest.fixture(scope="module")
def graphs(network, tmp_path_factory):
    """The folder that the command wrote."""
    needs_onnx()
    folder = tmp_path_factory.mktemp("graphs")
    save_checkpoint(folder / "tiny.pt", network)
    given = ["--checkpoint", folder / "tiny.pt", "--out", folder / "out", "--frame-size", *SIZE]
    main("ranet export-onnx", [*map(str, given), "--objects", "2", "--pt2", "input_size=[64,96]"])
    return folder / "out"


@pytest.fixture(scope="module")
def step(network):
    return FrameStep(network, resolved(CONFIG, network)).eval()


@pytest.fixture(scope="module")
def inputs():
    """The first image and masks, and the second image."""
    (first, labels), (second, _), *_ = VIDEO
    images = [torch.from_numpy(f).permute(2, 0, 1)[None].float() / 255 for f in (first, second)]
    masks = torch.stack([torch.from_numpy(labels == k).float() for k in (1, 5)])[None]
    return images[0], masks, images[1]


def needs_onnx():
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install '.[export]'")


def test_the_command_writes_every_graph(graphs):
    names = ["step.onnx", "step.pt2", "template.onnx", "template.pt2"]
    assert sorted(path.name for path in graphs.iterdir()) == names


def test_programs_of_torch_are_exact_when_read_again(graphs, step, inputs):
    first, masks, second = inputs
    with torch.inference_mode():
        template = step.encode_template(first, masks)
        found = torch.export.load(graphs / "template.pt2").module()(first, masks)
        torch.testing.assert_close(found, tuple(template), rtol=0, atol=0)
        expected = step([template], second, masks)
        program = torch.export.load(graphs / "step.pt2").module()
        probabilities, labels = program(*template, second, masks)
    torch.testing.assert_close(probabilities, expected, rtol=0, atol=0)
    assert labels.dtype == torch.uint8
    assert set(labels.unique().tolist()) <= {0, 1, 2}


def test_onnxruntime_computes_the_same(graphs, step, inputs):
    import onnxruntime

    first, masks, second = inputs
    with torch.inference_mode():
        template = step.encode_template(first, masks)
        expected = step([template], second, masks)
    sessions = {
        name: onnxruntime.InferenceSession(graphs / f"{name}.onnx") for name in ("template", "step")
    }
    for name, session in sessions.items():
        assert tuple(one.name for one in session.get_inputs()) == INPUTS[name]
        assert tuple(one.name for one in session.get_outputs()) == OUTPUTS[name]
        assert session.get_modelmeta().custom_metadata_map["checkpoint"] == "tiny.pt"
    given = dict(zip(INPUTS["template"], (first.numpy(), masks.numpy()), strict=True))
    found = sessions["template"].run(None, given)
    for one, other in zip(found, template, strict=True):
        np.testing.assert_allclose(one, other.numpy(), atol=1e-4)
    given = (*found, second.numpy(), masks.numpy())
    probabilities, _ = sessions["step"].run(None, dict(zip(INPUTS["step"], given, strict=True)))
    np.testing.assert_allclose(probabilities, expected.numpy(), atol=1e-3)


def test_the_example_gives_the_masks_of_the_segmenter_without_torch(tmp_path):
    needs_onnx()
    network = ColourNetwork()
    graphs = export_programs(network, frame_size=SIZE, objects=2, config=CONFIG)
    files.write_onnx(graphs, tmp_path / "graphs", {})
    for number, (frame, labels) in enumerate(VIDEO):
        write_image(tmp_path / "frames" / f"{number:05d}.png", frame)
        write_labels(tmp_path / f"{number}.png", labels)
    forbidden = "import sys; sys.modules.update(torch=None, ranet=None); "
    run = f"import runpy; runpy.run_path({str(EXAMPLE)!r})"
    command = [sys.executable, "-c", forbidden + run, "graphs", "frames", "0.png", "masks"]
    subprocess.run(command, cwd=tmp_path, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    segmenter = VideoSegmenter(network, CONFIG)
    expected = [segmenter.start(*VIDEO[0]), *(segmenter.step(frame) for frame, _ in VIDEO[1:])]
    found = [read_labels(path) for path in sorted((tmp_path / "masks").iterdir())]
    np.testing.assert_array_equal(found, expected)
    assert all(set(labels.flat) == {0, 1, 5} for labels in found)


def test_the_example_has_40_lines_at_most():
    assert len(EXAMPLE.read_text("utf-8").splitlines()) <= 40


@pytest.mark.parametrize(
    ("side", "parts"), [((7, 10), (3, 4)), ((8, 12), (4, 4)), ((3, 2), (5, 3))]
)
def test_maximum_pooling_in_slices_is_exact(side, parts):
    x = torch.rand(2, 3, *side, generator=torch.Generator().manual_seed(0))
    pooled, _ = files._adaptive_max_pool2d(x, parts)
    torch.testing.assert_close(pooled, F.adaptive_max_pool2d(x, parts), rtol=0, atol=0)


def test_online_learning_cannot_be_exported(network):
    learning = CONFIG.model_copy(update={"online": OnlineLearning(steps=1)})
    with pytest.raises(ConfigError, match="leave online at null"):
        export_programs(network, frame_size=SIZE, config=learning)


def test_missing_packages_are_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(RANetError, match=r"pip install -e '\.\[export\]'"):
        files.write_onnx({}, tmp_path / "out", {})
    assert not (tmp_path / "out").exists()
