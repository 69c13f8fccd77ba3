"""Options of a training run: each does what it says, and nothing else."""

import logging
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from runs import TINY_RANET, in_float64, stop_after, tiny_config
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_ranet import logits_of

from ranet import device as devices
from ranet.config import TrainConfig
from ranet.datasets.loader import BatchLoader
from ranet.methods.checkpoints import load_checkpoint
from ranet.methods.ranet.network import RANet
from ranet.training.checkpoint import checkpoints_in
from ranet.training.log import read_log
from ranet.training.run import train

TRAIN = Path(__file__).parents[2] / "scripts" / "train.py"


def changed(config: TrainConfig, **changes: object) -> TrainConfig:
    return config.model_copy(update=changes)


def losses(run: TrainConfig) -> list[float]:
    return [record["total"] for record in read_log(run.output / "log.jsonl")]


def same(first: Path, second: Path) -> bool:
    a, b = load_checkpoint(first).state_dict(), load_checkpoint(second).state_dict()
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def plain_run(synthetic_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    """Two steps without any option, a checkpoint of each; finished."""
    output = tmp_path_factory.mktemp("plain") / "run"
    run = changed(tiny_config(synthetic_tree, output, TINY_RANET), steps=2, checkpoint_every=1)
    run = changed(run, pictures_every=2)
    train(run)
    return run


@pytest.fixture(scope="module")
def averaged_run(plain_run: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    output = tmp_path_factory.mktemp("averaged") / "run"
    run = changed(plain_run, average_decay=0.5, output=output)
    train(run)
    return run


def test_accumulating_parts_changes_no_loss(
    slow_run: TrainConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    assert_same_curves: Callable[..., None],
) -> None:
    in_float64(monkeypatch)
    whole = changed(slow_run, output=tmp_path / "whole")
    parts = changed(slow_run, accumulate=2, output=tmp_path / "parts")
    train(whole)
    train(parts)
    assert_same_curves(whole, parts)


def test_the_average_of_the_weights_is_the_result(
    plain_run: TrainConfig, averaged_run: TrainConfig
) -> None:
    assert losses(plain_run) == losses(averaged_run)  # the average does not take part
    last = [checkpoints_in(run.output / "checkpoints")[-1] for run in (plain_run, averaged_run)]
    assert same(*last)
    assert not same(plain_run.output / "model.pt", averaged_run.output / "model.pt")


def test_the_average_goes_on_after_a_resumption(
    averaged_run: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = changed(averaged_run, output=tmp_path / "broken")
    with monkeypatch.context() as patch:
        _fail_at_step(2, patch)
        with pytest.raises(RuntimeError, match="power cut"):
            train(broken)
    train(broken, resume=True)
    assert same(averaged_run.output / "model.pt", broken.output / "model.pt")


def _fail_at_step(step: int, patch: pytest.MonkeyPatch) -> None:
    from ranet.training import loop

    compute = loop.learning_rate

    def fail(config: object, done: int, steps: int) -> float:
        if done == step - 1:
            raise RuntimeError("power cut")
        return compute(config, done, steps)

    patch.setattr(loop, "learning_rate", fail)


def test_a_run_goes_on_where_there_is_less_memory(
    plain_run: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = changed(plain_run, output=tmp_path / "smaller")
    with monkeypatch.context() as patch:
        stop_after(1, patch)
        with pytest.raises(KeyboardInterrupt):
            train(run)
    smaller = changed(run, accumulate=2, recompute_activations=True, channels_last=True)
    train(smaller, resume=True)
    assert losses(run) == pytest.approx(losses(plain_run), rel=3e-2)  # but for rounding
    train(changed(run, compile=True), resume=True)  # it has nothing left to compile


def test_recomputing_activations_changes_no_bit(plain_run: TrainConfig, tmp_path: Path) -> None:
    frugal = changed(plain_run, recompute_activations=True, output=tmp_path / "frugal")
    train(frugal)
    assert losses(plain_run) == losses(frugal)
    assert same(plain_run.output / "model.pt", frugal.output / "model.pt")


def test_recomputing_activations_keeps_fewer_of_them() -> None:
    def kept(recompute: bool) -> int:
        torch.manual_seed(0)
        model = RANet(backbone="tiny", template_grid=(3, 4), ranked=8, width=0.25)
        if recompute:
            model.recompute_activations()
        sizes = []

        def note(tensor: torch.Tensor) -> torch.Tensor:
            sizes.append(tensor.numel())
            return tensor

        image, masks = torch.rand(1, 3, 64, 96), torch.rand(1, 1, 64, 96)
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            logits_of(model, image, masks, image, masks)
        return sum(sizes)

    assert kept(recompute=True) < kept(recompute=False) / 2


def test_tensorboard_has_curves_pictures_and_scores(plain_run: TrainConfig) -> None:
    events = EventAccumulator(str(plain_run.output / "tensorboard"), size_guidance={"images": 0})
    events.Reload()
    tags = events.Tags()
    assert {
        "training/total",
        "training/learning_rate",
        "training/gradient_norm",
        "training/data_time",
    } <= set(tags["scalars"])
    assert [e.step for e in events.Scalars("training/total")] == [1, 2]
    assert [e.step for e in events.Images("samples")] == [2]
    assert [e.step for e in events.Histograms("ranking scores")] == [2]


def test_without_tensorboard_training_goes_on_and_says_where_the_curves_are(
    tiny_run: TrainConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with caplog.at_level(logging.INFO, "ranet"):
        train(changed(tiny_run, steps=2, output=tmp_path))
    assert sum("log.jsonl" in message for message in caplog.messages) == 1
    assert not (tmp_path / "tensorboard").exists()
    assert (tmp_path / "model.pt").is_file()


@pytest.mark.slow
def test_a_compiled_network_trains_to_the_same_losses(
    plain_run: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The eager backend traces the network as every backend does, without a C compiler.
    compile_with_any = torch.compile
    monkeypatch.setattr(torch, "compile", partial(compile_with_any, backend="eager"))
    compiled = changed(plain_run, compile=True, output=tmp_path / "compiled")
    train(compiled)
    assert losses(compiled) == pytest.approx(losses(plain_run), rel=1e-4)


@pytest.mark.slow
def test_half_precision_trains_and_tells_where_it_is_slow(
    ranet_run: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_is_fast_on_this_cpu", lambda dtype: False)
    small = ranet_run.data.model_copy(update={"size": (40, 40)})  # float16 is slow on a CPU
    for dtype in ("bfloat16", "float16"):
        run = changed(ranet_run, steps=1, data=small, dtype=dtype, output=tmp_path / dtype)
        with pytest.warns(UserWarning, match=f"dtype is {dtype}, .*no instructions"):
            train(run)
        assert all(0 < loss < 10 for loss in losses(run))


def test_each_process_makes_its_own_part_of_a_batch(tiny_run: TrainConfig) -> None:
    def names(process: int, processes: int) -> list[tuple[str, ...]]:
        loader = BatchLoader(
            tiny_run.data,
            seed=0,
            batch_size=4,
            steps=range(2),
            process=process,
            processes=processes,
        )
        return [batch.names for batch in loader]

    halves = zip(names(0, 2), names(1, 2), strict=True)
    assert [first + second for first, second in halves] == names(0, 1)
