"""The exported graphs compute what the segmenter computes, of two objects in small frames."""

import os
import runpy
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from moving_squares import iou, moving
from PIL import Image
from tiny_ranet import tiny_ranet
from torch.nn import functional as F

from ranet import device as devices
from ranet.commands import export_checkpoint, export_onnx
from ranet.commands import parser as parsers
from ranet.config import InferenceConfig, OnlineLearning, load_config
from ranet.datasets.image_io import read_labels, write_image, write_labels
from ranet.errors import ConfigError, RANetError
from ranet.export import files
from ranet.export.programs import export_programs
from ranet.inference.segmenter import VideoSegmenter
from ranet.methods.checkpoint_files import SUFFIX
from ranet.methods.checkpoints import fingerprint, load_pretrained, save_checkpoint
from ranet.methods.ranet.network import SMALLEST_SIDE
from ranet.provenance import CONFIGS

EXAMPLE = Path(__file__).parents[2] / "examples" / "segment_with_onnxruntime.py"
SIZE = (96, 136)
INPUTS = {
    "template": ("image", "masks"),
    "step": ("template_embedding", "template_masks", "image", "previous"),
}
OUTPUTS = {
    "template": ("template_embedding", "template_masks", "probabilities"),
    "step": ("probabilities", "labels"),
}
SIZES = ["input_size=[64,96]", "frame_size=[64,104]"]
"""The canvas has neither the size nor the shape of the frames."""
CONFIG = load_config(InferenceConfig, CONFIGS / "segment.yaml", [*SIZES, "device=cpu"])
VIDEO = moving(SIZE, 4, {1: (20, 12), 5: (50, 70)}, side=40)


def export(*words):
    """What ``ranet export-onnx`` does with these words."""
    parser = parsers.command_parser("ranet export-onnx", None)
    export_onnx.add_options(parser)
    export_onnx.run(parser.parse_intermixed_args(list(map(str, words))))


@pytest.fixture(scope="module")
def network():
    return load_pretrained("ranet-small")


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    """The folder that the command wrote: of ranet-small, as no other network is named."""
    needs_onnx()
    folder = tmp_path_factory.mktemp("graphs")
    export("--out", folder, "--frame-size", *SIZE, "--objects", 2, "--pt2", *SIZES)
    return folder


@pytest.fixture(scope="module")
def expected(network):
    return by_segmenter(network)


def by_segmenter(network):
    """What it makes of the first two frames: template, masks, probabilities, labels."""
    segmenter = VideoSegmenter(network, CONFIG)
    segmenter.start(*VIDEO[0])
    (template,), masks, _ = segmenter.video.state
    labels = segmenter.step(VIDEO[1][0])
    return template, masks, segmenter.video.state.probabilities, labels


@pytest.fixture(scope="module")
def inputs():
    """The first image and masks, and the second image."""
    (first, labels), (second, _), *_ = VIDEO
    images = [torch.from_numpy(f).permute(2, 0, 1)[None].float() / 255 for f in (first, second)]
    masks = torch.stack([torch.from_numpy(labels == k).float() for k in (1, 5)])[None]
    return images[0], masks, images[1]


def same_labels(found, expected):
    """1×H×W of 0…2 as H×W of the ids, but for pixels that rounding decides on this CPU."""
    return np.mean(np.array([0, 1, 5])[np.asarray(found)[0]] == expected) > 0.999


def needs_onnx():
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install '.[export]'")


def test_limits_known_without_torch_are_the_networks():
    assert (parsers.SMALLEST_SIDE, export_checkpoint._SUFFIX) == (SMALLEST_SIDE, SUFFIX)


@pytest.mark.slow
def test_the_command_writes_every_graph(graphs):
    names = ["step.onnx", "step.pt2", "template.onnx", "template.pt2"]
    assert sorted(path.name for path in graphs.iterdir()) == names


def test_a_checkpoint_can_be_named(tmp_path, monkeypatch):
    """And one object is the default; without --pt2, none of torch's files is written."""
    save_checkpoint(tmp_path / "tiny.pt", tiny_ranet("multi"))
    exported, written = [], []
    monkeypatch.setattr(
        "ranet.export.programs.export_programs",
        lambda network, **how: exported.append((network, how)),
    )
    monkeypatch.setattr(
        "ranet.export.files.write_onnx", lambda programs, out, facts: written.append(facts) or []
    )
    out = ("--out", tmp_path / "out")
    export("--checkpoint", tmp_path / "tiny.pt", *out, "--frame-size", *SIZE)
    ((network, how),), (facts,) = exported, written
    assert network.architecture["backbone"] == "tiny"
    assert (how["frame_size"], how["objects"]) == (SIZE, 1)
    assert facts["checkpoint"] == "tiny.pt"
    assert facts["sha256"] == fingerprint(tmp_path / "tiny.pt")
    assert list(tmp_path.rglob("*.pt2")) == []


@pytest.mark.slow
def test_programs_of_torch_are_exact_when_read_again(graphs, network, inputs, monkeypatch):
    """But for the layout in memory that the segmenter chooses on a CPU, which rounds otherwise."""
    monkeypatch.setattr("ranet.methods.timm_backbone._faster_in_channels_last", lambda image: False)
    first, masks, second = inputs
    template, on_canvas, probabilities, labels = by_segmenter(network)
    with torch.inference_mode():
        found = torch.export.load(graphs / "template.pt2").module()(first, masks)
        torch.testing.assert_close(found, (*template, on_canvas), rtol=0, atol=0)
        program = torch.export.load(graphs / "step.pt2").module()
        found = program(*template, second, on_canvas)
    torch.testing.assert_close(found[0], probabilities, rtol=0, atol=0)
    assert found[1].dtype == torch.uint8
    np.testing.assert_array_equal(np.array([0, 1, 5])[found[1][0]], labels)


@pytest.mark.slow
def test_onnxruntime_computes_the_same(graphs, expected, inputs):
    import onnxruntime

    first, masks, second = inputs
    template, on_canvas, probabilities, labels = expected
    sessions = {
        name: onnxruntime.InferenceSession(graphs / f"{name}.onnx") for name in ("template", "step")
    }
    for name, session in sessions.items():
        assert tuple(one.name for one in session.get_inputs()) == INPUTS[name]
        assert tuple(one.name for one in session.get_outputs()) == OUTPUTS[name]
        assert (
            session.get_modelmeta().custom_metadata_map["checkpoint"] == "ranet_small.safetensors"
        )
    given = dict(zip(INPUTS["template"], (first.numpy(), masks.numpy()), strict=True))
    found = sessions["template"].run(None, given)
    for one, other in zip(found, (*template, on_canvas), strict=True):
        np.testing.assert_allclose(one, other.numpy(), atol=1e-4)
    *of_template, previous = found
    given = dict(zip(INPUTS["step"], (*of_template, second.numpy(), previous), strict=True))
    found = sessions["step"].run(None, given)
    np.testing.assert_allclose(found[0], probabilities.numpy(), atol=1e-3)
    assert np.unique(labels).tolist() == [0, 1, 5]  # there is something to agree on
    assert same_labels(found[1], labels)


@pytest.mark.slow
def test_the_example_gives_the_masks_of_the_segmenter_without_torch(network, graphs, tmp_path):
    found = run_example(graphs, tmp_path)
    assert list(found) == ["8", "9", "10", "11"]
    for one, other in zip(found.values(), segmented(network), strict=True):
        assert set(one.flat) == {0, 1, 5}
        for label in (1, 5):
            # Rounding decides a few of a square's 1,600 pixels.
            assert iou(one == label, other == label) > 0.998


def segmented(network):
    """Labels of all frames, by the segmenter."""
    segmenter = VideoSegmenter(network, CONFIG)
    return [segmenter.start(*VIDEO[0]), *(segmenter.step(frame) for frame, _ in VIDEO[1:])]


def run_example(graphs, folder):
    """Labels by name, of the video; neither torch nor ranet is found."""
    for number, (frame, labels) in enumerate(VIDEO):
        write_image(folder / "frames" / f"{number + 8}.png", frame)  # 10 is behind 9
        write_labels(
            folder / f"{number}.png", np.where(labels == 0, 255 * (frame[..., 0] % 2), labels)
        )
    forbidden = "import sys; sys.modules.update(torch=None, ranet=None); "
    run = f"import runpy; runpy.run_path({str(EXAMPLE)!r})"
    command = [sys.executable, "-c", forbidden + run, str(graphs), "frames", "0.png", "masks"]
    subprocess.run(command, cwd=folder, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    paths = sorted((folder / "masks").iterdir(), key=lambda path: int(path.stem))
    return {path.stem: read_labels(path) for path in paths}


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.array([[0, 255]] * 2, np.uint8), r"found \[255\] in L, \[2, 2\]"),
        (np.array([[1, 255]] * 2, np.uint8), r"found \[1\] in L, \[2, 2\]"),
        (np.zeros((*SIZE, 3), np.uint8), "found .* in RGB"),
        (np.ones((9, 9), np.uint8), r"found \[1\] in L, \[9, 9\]"),
    ],
)
def test_the_example_names_what_is_wrong_with_a_mask(
    graphs, tmp_path, monkeypatch, pixels, message
):
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    given = [graphs, tmp_path, tmp_path / "mask.png", tmp_path / "masks"]
    monkeypatch.setattr(sys, "argv", ["example", *map(str, given)])
    expected = r"mask\.png: expected 2 ids in an indexed or grey .*\[96, 136\]"
    with pytest.raises(SystemExit, match=f"{expected}, {message}"):
        runpy.run_path(str(EXAMPLE))


class OfOneObject:
    """A session of a graph: it leaves the object where it was."""

    def __init__(self, path):
        steps = path.stem == "step"
        self.inputs = {"image": [1, 3, *SIZE], "previous" if steps else "masks": [1, 1, *SIZE]}
        self.outputs = ["probabilities", "labels"] if steps else ["probabilities"]

    def get_inputs(self):
        return [SimpleNamespace(name=name, shape=shape) for name, shape in self.inputs.items()]

    def get_outputs(self):
        return [SimpleNamespace(name=name) for name in self.outputs]

    def run(self, _, given):
        mask = given.get("masks", given.get("previous"))
        return [mask, mask[:, 0].astype(np.uint8)][: len(self.outputs)]


def test_the_example_takes_black_and_white_and_gives_it(tmp_path, monkeypatch):
    mask = np.where(VIDEO[0][1] == 1, 255, 0).astype(np.uint8)
    Image.fromarray(mask).save(tmp_path / "mask.png")
    for number in range(2):
        write_image(tmp_path / "frames" / f"{number}.png", VIDEO[number][0])
    given = ["graphs", tmp_path / "frames", tmp_path / "mask.png", tmp_path / "masks"]
    monkeypatch.setattr(sys, "argv", ["example", *map(str, given)])
    sessions = SimpleNamespace(InferenceSession=OfOneObject)
    monkeypatch.setitem(sys.modules, "onnxruntime", sessions)
    runpy.run_path(str(EXAMPLE))
    for number in range(2):
        with Image.open(tmp_path / "masks" / f"{number}.png") as written:
            assert (np.array(written) == mask).all()


def test_the_example_tells_its_arguments(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["example", "graphs"])
    with pytest.raises(SystemExit, match=r"outputs/onnx frames first_mask\.png outputs/masks"):
        runpy.run_path(str(EXAMPLE))


def test_the_example_has_40_lines_of_code_at_most():
    _, _, code = EXAMPLE.read_text("utf-8").split('"""', 2)
    assert len([line for line in code.splitlines() if line]) <= 40


@pytest.mark.parametrize(
    ("side", "parts"), [((7, 10), (3, 4)), ((8, 12), (4, 4)), ((3, 2), (5, 3))]
)
def test_maximum_pooling_in_slices_is_exact(side, parts):
    x = torch.rand(2, 3, *side, generator=torch.Generator().manual_seed(0))
    pooled, _ = files._adaptive_max_pool2d(x, parts)
    torch.testing.assert_close(pooled, F.adaptive_max_pool2d(x, parts), rtol=0, atol=0)


def test_graphs_are_float32_so_that_no_dtype_is_told_to_be_slow(monkeypatch):
    monkeypatch.setattr(devices, "_is_fast_on_this_cpu", lambda dtype: False)
    monkeypatch.setattr(torch.export, "export", lambda graph, inputs: graph)
    config = CONFIG.model_copy(update={"dtype": "bfloat16"})
    with warnings.catch_warnings(action="error"):
        graphs = export_programs(tiny_ranet(), frame_size=SIZE, objects=1, config=config)
    assert {weight.dtype for graph in graphs.values() for weight in graph.program.parameters()} == {
        torch.float32
    }


def test_online_learning_cannot_be_exported(network):
    learning = CONFIG.model_copy(update={"online": OnlineLearning(steps=1)})
    with pytest.raises(ConfigError, match="leave online at null"):
        export_programs(network, frame_size=SIZE, config=learning)


def test_missing_packages_are_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(RANetError, match=r"pip install -e '\.\[export\]'"):
        files.write_onnx({}, tmp_path / "out", {})
    assert not (tmp_path / "out").exists()
