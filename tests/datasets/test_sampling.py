import dataclasses

import numpy as np
import pytest
from training_data import HEIGHT, WIDTH, data_config, write_pairs, write_videos

from ranet.datasets.image_io import write_labels
from ranet.datasets.sampling import TrainingSamples
from ranet.errors import DataError


@pytest.fixture
def sources(tmp_path):
    return (
        {"kind": "davis", "root": write_videos(tmp_path), "weight": 3},
        {"kind": "pairs", "root": write_pairs(tmp_path), "weight": 1},
    )


def same(one, other):
    return all(
        np.array_equal(getattr(one, field.name), getattr(other, field.name))
        for field in dataclasses.fields(one)
    )


def test_sample_n_depends_on_seed_and_n_alone(sources):
    config = data_config(*sources, samples_per_epoch=5)
    samples, again = TrainingSamples(config, seed=3), TrainingSamples(config, seed=3)
    forwards = [samples[n] for n in range(12)]
    backwards = [again[n] for n in reversed(range(12))][::-1]
    assert all(same(a, b) for a, b in zip(forwards, backwards, strict=True))
    assert not same(forwards[0], TrainingSamples(config, seed=4)[0])


def test_no_epoch_repeats_another(sources):
    samples = TrainingSamples(data_config(*sources, samples_per_epoch=5), seed=0)
    made = [samples[n] for n in range(15)]
    for i in range(15):
        for j in range(i):
            assert not same(made[i], made[j])


def test_the_generator_is_that_of_seed_epoch_and_index(sources):
    # One sample an epoch or many: sample [seed, epoch 0, index 0] is the same.
    one, many = (
        TrainingSamples(data_config(*sources, samples_per_epoch=length), seed=1)
        for length in (1, 100)
    )
    assert same(one[0], many[0])
    assert same(one[1], many[100])
    assert not same(one[1], many[1])


def test_sources_are_mixed_by_weight(sources):
    samples = TrainingSamples(data_config(*sources, size=(8, 8)), seed=0)
    videos = sum(samples[n].name[0] in "ab" for n in range(100))
    assert 60 < videos < 90  # 75 expected, deviation 4.3


def test_draws_without_objects_are_drawn_again(tmp_path):
    root = write_pairs(tmp_path, count=3)
    write_labels(root / "masks/p1.png", np.zeros((HEIGHT, WIDTH), dtype=np.uint8))
    samples = TrainingSamples(data_config({"kind": "pairs", "root": root}), seed=0)
    assert {samples[n].name for n in range(20)} == {"p0", "p2"}


def test_a_source_without_objects_is_an_error(tmp_path):
    root = write_pairs(tmp_path, count=1)
    write_labels(root / "masks/p0.png", np.zeros((HEIGHT, WIDTH), dtype=np.uint8))
    samples = TrainingSamples(data_config({"kind": "pairs", "root": root}), seed=0)
    with pytest.raises(DataError, match=r"pairs had no object .*0\.05%.*check-data"):
        samples[0]


def test_real_pairs_and_videos(shared_data):
    samples = TrainingSamples(
        data_config(
            {"kind": "davis", "root": shared_data / "video_train"},
            {"kind": "pairs", "root": shared_data / "static"},
            size=(96, 172),
            max_objects=3,
            static={"new_background": 0.5, "distractor": 0.5},
        ),
        seed=0,
    )
    for n in range(12):
        sample = samples[n]
        assert 1 <= sample.objects <= 3
        seen = np.bincount(sample.template_labels.ravel(), minlength=sample.objects + 1)
        assert len(seen) == sample.objects + 1
        assert seen.min() > 0
