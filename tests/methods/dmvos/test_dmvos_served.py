"""What serves every method serves this one: training runs, export, explanations."""

from contextlib import closing

import numpy as np
import pytest
import torch
from dmvos_videos import SIZE, TINY, tiny_dmvos
from moving_squares import moving
from ranks import in_two_ranks
from runs import changed, in_float64, stop_after, tiny_config

from ranet.config import DataConfig, InferenceConfig, TrainConfig, parse_config
from ranet.datasets.image_io import write_image
from ranet.datasets.loader import BatchLoader
from ranet.datasets.synthetic import write_synthetic_davis
from ranet.errors import ConfigError, RANetError
from ranet.export.files import write_onnx
from ranet.export.programs import export_programs
from ranet.inference.explain import explain
from ranet.inference.segmenter import VideoSegmenter
from ranet.methods.checkpoints import load_checkpoint
from ranet.methods.dmvos.config import DMVOSConfig
from ranet.training.log import read_log
from ranet.training.processes import Processes
from ranet.training.run import new_training_step, train

CONFIG = InferenceConfig(input_size=(48, 80), frame_size=SIZE, smallest_crop=8, device="cpu")
VIDEO = moving(SIZE, 4, {1: (6, 6), 5: (34, 60)})


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("synthetic") / "tree"
    write_synthetic_davis(root, train=2, val=0, frames=5, size=(64, 96), seed=1, max_objects=2)
    return root


def run_of(data, output, **changes):
    run = tiny_config(data, output)
    crops = run.data.model_dump() | {"crop_clips": "all_frames", "clip_length": 2}
    return changed(
        run,
        model=DMVOSConfig(**TINY),
        losses={"cross_entropy": 1.0, "centre_offset": 1.0, "margin": 0.5},
        data=parse_config(DataConfig, crops),
        **{"steps": 4, "checkpoint_every": 2, **changes},
    )


def weights_of(path):
    return load_checkpoint(path).state_dict()


def test_a_run_that_was_interrupted_goes_on_to_the_bit(data, tmp_path, monkeypatch):
    straight = weights_of(train(run_of(data, tmp_path / "straight")))
    interrupted = run_of(data, tmp_path / "interrupted")
    with monkeypatch.context() as patch:
        stop_after(2, patch)
        with pytest.raises(KeyboardInterrupt):
            train(interrupted)
    gone_on = weights_of(train(interrupted, resume=True))
    assert all(torch.equal(straight[name], value) for name, value in gone_on.items())


def test_what_a_step_draws_depends_on_nothing_that_was_drawn_before(data, tmp_path):
    """Such as pictures for TensorBoard, or other numbers in another process."""
    run = run_of(data, tmp_path, model__centre_noise=0.2)
    loader = BatchLoader(run.data, seed=0, batch_size=2, steps=range(1), instances=True)
    with closing(iter(loader)) as batches:
        batch = next(batches)

    def loss(step=0, rank=0, drawn_before=0):
        processes = Processes(rank, count=1, device=torch.device("cpu"))
        training = new_training_step(run, processes)
        torch.rand(drawn_before)
        return training(batch, step)["cross_entropy"]

    assert loss() == loss(drawn_before=5)
    assert len({loss(), loss(step=1), loss(rank=1)}) == 3


def train_with_others(rank, run):
    with pytest.MonkeyPatch.context() as patch:
        in_float64(patch)
        train(run)


@pytest.mark.slow
@pytest.mark.parametrize("detach", [False, True])
def test_two_processes_have_the_losses_of_one(data, tmp_path, monkeypatch, detach):
    runs = [run_of(data, tmp_path / name, batch_size=4, steps=2) for name in ("one", "two")]
    certain = {"model__centre_noise": 0, "model__centre_dropout": 0}  # else drawn by each process
    runs = [changed(run, model__offset_detach=detach, **certain) for run in runs]
    assert in_two_ranks(train_with_others, runs[1]) == [0, 0]
    in_float64(monkeypatch)
    train(runs[0])
    one, two = (read_log(run.output / "log.jsonl") for run in runs)
    for name in ("cross_entropy", "centre_offset", "margin", "gradient_norm"):
        assert [r[name] for r in two] == pytest.approx([r[name] for r in one], rel=1e-9), name


@pytest.mark.parametrize(
    ("model", "loss"),
    [({"centre_offset": False}, "centre_offset"), ({"correlation": "plain"}, "margin")],
)
def test_a_loss_of_what_is_left_out_is_refused(data, tmp_path, model, loss):
    run = run_of(data, tmp_path).model_dump()
    run["model"] |= model
    with pytest.raises(ConfigError, match=f"the loss '{loss}' needs"):
        parse_config(TrainConfig, run)


@pytest.mark.slow
def test_the_exported_graphs_compute_what_the_segmenter_does(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    network = tiny_dmvos()
    programs = export_programs(network, frame_size=SIZE, objects=2, config=CONFIG)
    assert programs["step"].outputs == ("probabilities", "sides", "centre", "last_masks", "labels")
    write_onnx(programs, tmp_path, {})
    template, step = (
        onnxruntime.InferenceSession(tmp_path / f"{name}.onnx") for name in ("template", "step")
    )
    segmenter = VideoSegmenter(network, CONFIG)
    (frame, labels), *rest = VIDEO
    segmenter.start(frame, labels)
    masks = np.stack([labels == 1, labels == 5])[None].astype(np.float32)
    given = {"image": image_of(frame), "masks": masks}
    state = dict(zip(programs["template"].outputs, template.run(None, given), strict=True))
    for frame, _ in rest:
        state = {**state, **{f"previous_{name}": value for name, value in state.items()}}
        state |= {"previous": state["probabilities"], "image": image_of(frame)}
        inputs = {name: state[name] for name in programs["step"].inputs}
        state |= dict(zip(programs["step"].outputs, step.run(None, inputs), strict=True))
        found = np.array([0, 1, 5], np.uint8)[state["labels"][0]]
        assert (found != segmenter.step(frame)).mean() < 0.002
        probabilities = segmenter.video.state.probabilities.numpy()
        assert np.abs(probabilities - state["probabilities"]).mean() < 1e-3


def image_of(frame):
    return frame.transpose(2, 0, 1)[None].astype(np.float32) / 255


def test_an_explanation_is_of_the_step_that_was_taken(tmp_path):
    for number, (frame, _) in enumerate(VIDEO):
        write_image(tmp_path / "video" / f"{number:05d}.png", frame)
    network, labels = tiny_dmvos(), VIDEO[0][1]
    out = tmp_path / "figures"
    e = explain(tmp_path / "video", labels, 3, out, model=network, object_id=5, config=CONFIG)
    assert len(list(out.glob("*.png"))) == 7
    segmenter = VideoSegmenter(network, CONFIG)
    segmenter.start(*VIDEO[0])
    for frame, _ in VIDEO[1:]:
        before = segmenter.video.state
        result = segmenter.step(frame)
    np.testing.assert_array_equal(e.labels, result)
    look = segmenter.method.look(before)
    assert list(e.current.box) == look.boxes[0, 1].tolist()
    assert e.found == bool(look.found[0, 1])
    assert e.foreground.shape == e.background.shape == (4, 3, 5)
    assert (np.diff(e.foreground, axis=0) <= 0).all()
    assert (np.abs(e.margin - 0.5) <= 0.5).all()
    with pytest.raises(RANetError, match="leave points out"):
        explain(tmp_path / "video", labels, 1, model=network, points=[(1, 1)], config=CONFIG)


def test_without_votes_there_is_nothing_to_explain(tmp_path):
    write_image(tmp_path / "00000.png", VIDEO[0][0])
    network = tiny_dmvos(centre_offset=False)
    with pytest.raises(RANetError, match="offers no explanation without"):
        explain(tmp_path, VIDEO[0][1], 1, model=network, config=CONFIG)
