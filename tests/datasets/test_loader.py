import multiprocessing
import os
import signal

import numpy as np
import pytest
import torch
from training_data import HEIGHT, WIDTH, data_config, write_pairs

from ranet.datasets import loader
from ranet.datasets.loader import BatchLoader
from ranet.datasets.sampling import TrainingSamples
from ranet.errors import DataError
from ranet.structures import TrainingBatch


@pytest.fixture
def pairs(tmp_path):
    return {"kind": "pairs", "root": write_pairs(tmp_path)}


def batches(config, first_step=0, steps=4):
    return BatchLoader(config, seed=7, batch_size=2, steps=range(first_step, first_step + steps))


def assert_same(one, other):
    assert one.names == other.names
    for name in ("template_image", "template_labels", "current_image", "current_labels"):
        assert torch.equal(getattr(one, name), getattr(other, name))
    assert torch.equal(one.previous_labels, other.previous_labels)
    assert torch.equal(one.objects, other.objects)


def test_a_batch_holds_the_samples_of_its_step(pairs):
    config = data_config(pairs, workers=0)
    samples = TrainingSamples(config, seed=7)
    made = batches(config, first_step=5, steps=2)
    assert len(made) == 2
    for step, batch in zip((5, 6), made, strict=True):
        assert batch.template_image.shape == (2, 3, HEIGHT, WIDTH)
        assert_same(batch, TrainingBatch.collate([samples[2 * step], samples[2 * step + 1]]))


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_changes_nothing(pairs, workers):
    alone = list(batches(data_config(pairs, workers=0)))
    helped = list(batches(data_config(pairs, workers=workers)))
    assert len(alone) == len(helped) == 4
    for one, other in zip(alone, helped, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_goes_on_where_it_stopped(pairs, workers):
    config = data_config(pairs, workers=workers, samples_per_epoch=3)
    through = list(batches(config, steps=5))
    resumed = list(batches(config, first_step=3, steps=2))
    for one, other in zip(through[3:], resumed, strict=True):
        assert_same(one, other)


def test_training_does_not_depend_on_global_random_states(pairs):
    config = data_config(pairs, workers=0)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = next(iter(batches(config)))
    np.random.default_rng()
    torch.manual_seed(1)
    assert_same(first, next(iter(batches(config))))
    torch.manual_seed(0)
    list(batches(config))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_corrupt_file_is_named_in_one_message(pairs, workers):
    path = pairs["root"] / "images" / "p1.png"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"images/p1\.png") as caught:
        list(batches(data_config(pairs, workers=workers), steps=20))
    assert "Traceback" not in str(caught.value)


class FourGoodSamples(TrainingSamples):
    def __getitem__(self, n):
        if n == 4:
            raise DataError("broken")
        return super().__getitem__(n)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_before_an_error_still_come(pairs, monkeypatch, workers):
    monkeypatch.setattr(loader, "TrainingSamples", FourGoodSamples)
    iterator = iter(batches(data_config(pairs, workers=workers), steps=9))
    assert len([next(iterator), next(iterator)]) == 2
    with pytest.raises(DataError, match="broken"):
        next(iterator)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_left_to_the_main_process(pairs, number):
    iterator = iter(batches(data_config(pairs, workers=1), steps=30))
    next(iterator)
    (worker,) = multiprocessing.active_children()
    os.kill(worker.pid, number)
    assert sum(1 for _ in iterator) == 29


def test_leaving_early_ends_the_workers(pairs):
    iterator = iter(batches(data_config(pairs, workers=2), steps=1000))
    next(iterator)
    workers = multiprocessing.active_children()
    assert len(workers) == 2
    iterator.close()
    for worker in workers:
        worker.join(timeout=10)
        assert not worker.is_alive()


def test_a_missing_source_is_told_before_training_starts(tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        batches(data_config({"kind": "pairs", "root": tmp_path / "nowhere"}))


def test_batches_of_clips(pairs):
    batch = next(iter(batches(data_config(pairs, workers=0, clip_length=3))))
    assert batch.current_image.shape == (2, 3, 3, HEIGHT, WIDTH)
    assert batch.current_labels.shape == (2, 3, HEIGHT, WIDTH)
    assert batch.previous_labels.shape == (2, HEIGHT, WIDTH)
