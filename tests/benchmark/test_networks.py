import pytest
import torch

from ranet.benchmark.networks import named_network, network_of_file
from ranet.errors import CheckpointError, ConfigError


def test_networks_of_the_paper_with_other_backbones():
    network = named_network("multi-resnet18")
    model = network.build()
    assert (model.architecture["objects"], model.architecture["backbone"]) == ("multi", "resnet18")
    assert not model.training


def test_random_weights_are_always_the_same_and_leave_the_global_generator_alone():
    before = torch.random.get_rng_state()
    one, other = (named_network("single-resnet18").build() for _ in range(2))
    assert torch.equal(before, torch.random.get_rng_state())
    for name, weights in one.state_dict().items():
        assert torch.equal(weights, other.state_dict()[name]), name


def test_unknown_names_are_refused_before_anything_is_built(tmp_path):
    with pytest.raises(ConfigError, match="single-resnet9"):
        named_network("single-resnet9")
    with pytest.raises(CheckpointError, match="ranet-small"):
        named_network("ranet-large")
    with pytest.raises(CheckpointError, match=r"none\.pt"):
        network_of_file(tmp_path / "none.pt").build()
