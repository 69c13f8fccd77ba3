"""Whatever trains, follows, batches, compiles and exports serves the method as any other."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from moving_squares import iou, moving
from pydantic import ValidationError
from tiny_dmn_aoa import SIZE, Detector, as_tensors, started, tiny_dmn_aoa
from torch.utils import _pytree as pytree

from ranet import InferenceConfig, VideoSegmenter, load_checkpoint
from ranet.config import TrainConfig, load_config
from ranet.datasets.synthetic import write_synthetic_davis
from ranet.errors import CheckpointError, ConfigError, RANetError
from ranet.export.files import write_onnx
from ranet.export.programs import export_programs
from ranet.inference.network import Network, resolved
from ranet.inference.tracker import Tracker
from ranet.methods.checkpoints import save_checkpoint
from ranet.methods.dmn_aoa import sources
from ranet.methods.dmn_aoa.matching import matching_layer
from ranet.structures import one_hot_masks
from ranet.training.checkpoint import checkpoints_in
from ranet.training.log import read_log
from ranet.training.run import starting_model, train

CONFIG = Path(__file__).parents[3] / "configs" / "debug_dmn_aoa.yaml"
VIDEOS = [
    moving(SIZE, 5, {1: (4, 4), 2: (36, 50)}, step=(0, 6)),
    moving(SIZE, 5, {1: (30, 60), 2: (2, 10)}, step=(1, -4)),
]


def inference(**changes):
    return InferenceConfig(**({"device": "cpu", "input_size": SIZE, "frame_size": SIZE} | changes))


def test_a_segmenter_follows_what_a_source_proposes():
    method = tiny_dmn_aoa(iou_weight=0.6, refine=False)
    method.source = Detector()
    segmenter = VideoSegmenter(method, inference())
    (frame, labels), *rest = VIDEOS[0]
    segmenter.start(frame, labels)
    for frame, labels in rest:
        found = segmenter.step(frame)
        assert min(iou(found == k, labels == k) for k in (1, 2)) > 0.9


def test_sources_go_by_their_names(monkeypatch):
    monkeypatch.setitem(sources.SOURCES, "by_colour", lambda channels: Detector())
    asked = {"iou_weight": 0.6, "refine": False}
    by_network = VideoSegmenter(tiny_dmn_aoa(source="by_colour", **asked), inference())
    by_option = VideoSegmenter(tiny_dmn_aoa(**asked), inference(source="by_colour"))
    for segmenter in (by_network, by_option):
        (frame, labels), (second, truth) = VIDEOS[0][:2]
        segmenter.start(frame, labels)
        found = segmenter.step(second)
        assert min(iou(found == k, truth == k) for k in (1, 2)) > 0.9
    with pytest.raises(ConfigError, match="source=by_coluor"):
        VideoSegmenter(tiny_dmn_aoa(), inference(source="by_coluor"))
    with pytest.raises(ValidationError, match="one of none"):
        tiny_dmn_aoa(source="by_coluor")


def test_matching_is_the_networks_or_the_options():
    layer, greedy = tiny_dmn_aoa(), tiny_dmn_aoa(matching="greedy")
    assert VideoSegmenter(layer, inference()).method.solver == "layer"
    assert VideoSegmenter(greedy, inference()).method.solver == "greedy"
    assert VideoSegmenter(greedy, inference(matching="layer")).method.solver == "layer"
    other = tiny_dmn_aoa(inference_matching="greedy")
    assert other.solver == "layer"
    assert VideoSegmenter(other, inference()).method.solver == "greedy"
    assert VideoSegmenter(other, inference(matching="layer")).method.solver == "layer"
    used = VideoSegmenter(layer, inference(matching="hungarian")).method
    frames, labels = as_tensors(VIDEOS[0])
    used.source = Detector()
    with torch.inference_mode():
        prediction, _ = used.step(started(used, frames, labels), frames[1])
    assert set(prediction.aux["assignment"].unique().tolist()) == {0, 1}
    assert layer.solver == "layer"
    with pytest.raises(ConfigError, match="matching=hungary: expected one of layer, hungarian"):
        VideoSegmenter(layer, inference(matching="hungary"))


def test_a_stage_may_leave_parts_of_the_stage_before_out(tmp_path):
    save_checkpoint(tmp_path / "before.pt", tiny_dmn_aoa(alignment="soft"))
    run = load_config(TrainConfig, CONFIG, [f"start_from={tmp_path / 'before.pt'}"])
    arguments = tiny_dmn_aoa().arguments

    def started_with(**changes):
        model = arguments.model_copy(update=changes)
        return starting_model(run.model_copy(update={"model": model}))

    before = tiny_dmn_aoa().state_dict()
    less = started_with(alignment="none", memory="first", refine=False, iou_weight=0.3)
    after = less.state_dict()
    assert len(after) < len(before)
    assert all(torch.equal(before[name], value) for name, value in after.items())
    with pytest.raises(CheckpointError, match="channels is 16 there, but 8 here"):
        started_with(channels=8)
    with pytest.raises(CheckpointError, match="source is 'none' there, but 'light' here"):
        started_with(source="light")


def test_a_source_that_learns_is_the_networks(monkeypatch):
    class Learned(torch.nn.Conv2d):
        def forward(self, image, pyramid, limit):
            return Detector()(image, pyramid, limit)

    monkeypatch.setitem(sources.SOURCES, "learned", lambda channels: Learned(channels, 1, 1))
    method = tiny_dmn_aoa(source="learned", iou_weight=0.6, refine=False)
    assert method.state_dict()["detector.weight"].shape == (1, 16, 1, 1)
    frames, labels = as_tensors(VIDEOS[0])
    with torch.no_grad():
        prediction, _ = method.step(started(method, frames, labels), frames[1])
    assert prediction.aux["valid"].sum() == 2
    with pytest.raises(RANetError, match="learned with source=none"):
        VideoSegmenter(tiny_dmn_aoa(), inference(source="learned"))


def test_half_precision_finds_the_same():
    found = []
    for dtype in ("float32", "float16"):
        method = tiny_dmn_aoa(iou_weight=0.6)
        method.source = Detector()
        segmenter = VideoSegmenter(method, inference(dtype=dtype))
        segmenter.start(*VIDEOS[0][0])
        found.append([segmenter.step(frame) for frame, _ in VIDEOS[0][1:3]])
        assert segmenter.video.state.memory.values.dtype == torch.float32
    assert np.mean([a == b for a, b in zip(*found, strict=True)]) > 0.98


@pytest.mark.parametrize("limit", [None, 3])
def test_videos_that_began_at_different_times_are_followed_together(limit):
    method = tiny_dmn_aoa()
    config = inference(memory_limit=limit)
    alone = []
    for video in VIDEOS:
        segmenter = VideoSegmenter(method, config)
        segmenter.start(*video[0])
        alone.append([segmenter.step(frame) for frame, _ in video[1:4]])
    tracker = Tracker(method, config)
    first = tracker.start(*VIDEOS[0][0])
    together = [tracker.step([first], [VIDEOS[0][1][0]])]
    second = tracker.start(*VIDEOS[1][0])
    for number in (1, 2):
        frames = [VIDEOS[0][number + 1][0], VIDEOS[1][number][0]]
        together.append(tracker.step([first, second], frames))
    places = {video.state.memory.stored.shape[2] for video in (first, second)}
    assert places == {limit or 4}
    for ours, truth in (
        ([together[0][0], together[1][0], together[2][0]], alone[0]),
        ([together[1][1], together[2][1]], alone[1][:2]),
    ):
        assert np.mean([a == b for a, b in zip(ours, truth, strict=True)]) > 0.99


def test_a_growing_state_is_not_compiled_and_says_so():
    with pytest.warns(UserWarning, match="memory_limit"):
        segmenter = VideoSegmenter(tiny_dmn_aoa(), inference(compile=True))
    segmenter.start(*VIDEOS[0][0])
    segmenter.step(VIDEOS[0][1][0])
    assert segmenter.video.network.problem == "ran without compile"


@pytest.mark.slow
def test_a_limited_memory_goes_through_the_compiler():
    method = tiny_dmn_aoa(source="light")
    config = resolved(inference(memory_limit=3, compile=True), method)
    network = Network(method, config, backend="eager")
    frames, labels = as_tensors(VIDEOS[0])
    compiled = plain = started(network.method, frames, labels)
    with torch.inference_mode():
        for image in frames[1:]:
            prediction, compiled = network.step(compiled, image)
            expected, plain = network.method.step(plain, image)
            assert torch.allclose(prediction.logits, expected.logits, atol=1e-5)
    assert network.problem is None


@pytest.mark.slow
def test_onnx_files_take_the_steps_that_a_segmenter_takes(tmp_path, monkeypatch):
    """Each from its state: what rounding changes would add up in a network of random weights."""
    # A graph writes out the 150 projections of the matching layer; 12 are as good to look at.
    for name in ("gradient_steps", "projections"):
        monkeypatch.setitem(matching_layer.__kwdefaults__, name, 2)
    onnxruntime = pytest.importorskip("onnxruntime")
    method, config = tiny_dmn_aoa(), inference(memory_limit=3)
    graphs = export_programs(method, frame_size=SIZE, objects=2, config=config)
    paths = write_onnx(graphs, tmp_path, {})
    template, step = (onnxruntime.InferenceSession(path) for path in paths)
    segmenter = VideoSegmenter(method, config)
    (frame, labels), *rest = VIDEOS[0]
    segmenter.start(frame, labels)

    def state():
        tensors = pytree.tree_leaves(segmenter.video.state)
        return dict(zip(graphs["template"].outputs, [t.numpy() for t in tensors], strict=True))

    def image(pixels):
        return pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255

    masks = one_hot_masks(torch.from_numpy(labels)[None], 2).numpy()
    begun = template.run(None, {"image": image(frame), "masks": masks})
    for found, expected in zip(begun, state().values(), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-4)
    for pixels, _ in rest[:4]:  # the fourth overwrites what the second stored
        before = state()
        given = {"image": image(pixels), "previous": before["probabilities"], **before}
        given |= {f"previous_{name}": value for name, value in before.items()}
        *changed, found = step.run(None, {name: given[name] for name in graphs["step"].inputs})
        assert (found[0] != segmenter.step(pixels)).mean() < 0.005
        after = dict(zip(graphs["step"].outputs, changed, strict=False))
        np.testing.assert_array_equal(after["memory_written"], state()["memory_written"])
        assert np.abs(after["probabilities"] - state()["probabilities"]).mean() < 1e-3


def test_a_source_that_takes_a_file_is_given_it(monkeypatch):
    given = []

    def of_a_file(channels, file=""):
        given.append(file)
        return Detector()

    monkeypatch.setitem(sources.SOURCES, "of_a_file", of_a_file)
    sources.create_source("of_a_file:weights.pth", 8)
    sources.create_source("of_a_file", 8)
    assert given == ["weights.pth", ""]
    with pytest.raises(ConfigError, match=r"light, .* of_a_file:FILE"):
        sources.create_source("light:weights.pth", 8)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"source": "maskrcnn:weights.pth"}, "source=maskrcnn:weights.pth finds as many"),
        ({"source": "of_numpy"}, "source=of_numpy runs numpy: export with another source"),
        ({"matching": "hungarian"}, "matching=hungarian runs scipy"),
    ],
)
def test_what_no_graph_can_hold_is_refused(monkeypatch, option, message):
    class OfNumpy(Detector):
        no_graph = "runs numpy"

    monkeypatch.setitem(sources.SOURCES, "of_numpy", lambda channels: OfNumpy())
    config = inference(memory_limit=3, **option)
    with pytest.raises(RANetError, match=message):
        export_programs(tiny_dmn_aoa(), frame_size=SIZE, objects=2, config=config)


@pytest.mark.slow
def test_a_limited_memory_can_be_exported():
    method = tiny_dmn_aoa(source="light")
    with pytest.raises(RANetError, match="memory_limit"):
        export_programs(method, frame_size=SIZE, objects=2, config=inference())
    config = inference(memory_limit=3)
    graphs = export_programs(method, frame_size=SIZE, objects=2, config=config)
    segmenter = VideoSegmenter(method, config)
    (frame, labels), *rest = VIDEOS[0]
    segmenter.start(frame, labels)

    def image(pixels):
        return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255

    masks = one_hot_masks(torch.from_numpy(labels)[None], 2)
    step = graphs["step"]
    known = dict(
        zip(graphs["template"].outputs, graphs["template"].program.module()(image(frame), masks),
            strict=True)
    )  # fmt: skip
    for pixels, _ in rest[:3]:
        expected = segmenter.step(pixels)
        given = {"previous": known["probabilities"], "image": image(pixels)}
        given |= {f"previous_{name}": tensor for name, tensor in known.items()} | known
        *changed, found = step.program.module()(*(given[name] for name in step.inputs))
        known |= dict(zip(step.outputs[:-1], changed, strict=True))
        assert (found[0].numpy() == expected).mean() > 0.99


@pytest.mark.slow
def test_the_debug_run_learns_and_goes_on_where_it_stopped(tmp_path):
    write_synthetic_davis(
        tmp_path / "clips", train=4, val=0, frames=4, size=SIZE, seed=0, max_objects=2, clutter=0
    )

    def run(name, steps):
        words = [f"data.sources.0.root={tmp_path / 'clips'}", f"output={tmp_path / name}"]
        words += [f"steps={steps}", "checkpoint_every=15", "log_every=1", "pictures_every=7"]
        return load_config(TrainConfig, CONFIG, [*words, "optimizer.schedule=constant"])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        train(run("whole", 30))
        # What a run that stopped in the middle has left.
        shutil.copytree(tmp_path / "whole", tmp_path / "parts")
        (tmp_path / "parts" / "model.pt").unlink()
        checkpoints_in(tmp_path / "parts" / "checkpoints")[-1].unlink()
        train(run("parts", 30), resume=True)
    whole, parts = (read_log(tmp_path / name / "log.jsonl") for name in ("whole", "parts"))
    assert [r["total"] for r in whole] == [r["total"] for r in parts]
    assert [r["step_time"] for r in whole[:15]] == [r["step_time"] for r in parts[:15]]
    assert [r["step_time"] for r in whole[15:]] != [r["step_time"] for r in parts[15:]]
    for name in ("jaccard", "proposal_matching"):
        values = [record[name] for record in whole]
        assert np.mean(values[-5:]) < 0.7 * np.mean(values[:5])
    model = load_checkpoint(tmp_path / "whole" / "model.pt")
    assert model.label == "DMN-AOA-style"
    segmenter = VideoSegmenter(model, inference())
    segmenter.start(*VIDEOS[0][0])
    assert segmenter.step(VIDEOS[0][1][0]).shape == SIZE
