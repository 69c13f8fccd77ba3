from pathlib import Path

import pytest

from ranet.benchmark.results import Results
from ranet.benchmark.sweep import Sweep, training_cases
from ranet.benchmark.training import prepare_training

DEBUG = Path(__file__).parents[2] / "configs" / "debug.yaml"


def case(**changes):
    sweep = Sweep(devices=["cpu"], sizes=[(64, 96)], overrides=["optimizer.learning_rate=0.01"])
    (only,) = training_cases(sweep, [2], config=DEBUG)
    return only


def test_training_steps_are_timed(run_script, tmp_path):
    file = tmp_path / "results.json"
    done = run_script(
        *("benchmark.py", "training", "--config", DEBUG, "--size", "64x96", "--batch", "1,2"),
        *("--objects", 2, "--warm-up", 0, "--repeats", 1, "--seconds", 0, "--json", file),
    )
    assert done.status == 0, done.error
    one, two = Results.read(file).rows
    assert (one.units, two.units, two.unit) == (1, 2, "pair")
    assert two.flop == 2 * one.flop
    assert two.settings["network"] == "multi-tiny"
    assert (two.settings["batch"], two.settings["objects"]) == (2, 2)
    assert two.details["config"]["data"]["size"] == [64, 96]


def test_it_is_a_real_step():
    with prepare_training(case()) as work:
        first, second, *_ = (work.call()["total"] for _ in range(5))
        assert work.call()["total"] < min(first, second)
    assert work.flop > 0


def test_one_object_is_all_that_the_single_object_network_learns(run_script):
    done = run_script("benchmark.py", "training", "--objects", 2)
    assert done.status == 1
    assert "model.objects" in done.error


@pytest.mark.parametrize("field", ["start_from", "imagenet_weights"])
def test_no_weights_are_read(field):
    assert not getattr(case().config, field)
