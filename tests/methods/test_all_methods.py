"""What holds for all methods alike, by the seam or by what uses it."""

from itertools import pairwise

import fake_method
import pytest
import torch
from tiny_ranet import tiny_ranet
from torch.utils import _pytree as pytree

from ranet.config import InferenceConfig
from ranet.errors import ConfigError
from ranet.inference.network import Network, resolved
from ranet.methods.dmn_aoa.network import DMNAOA
from ranet.methods.dmvos.method import DMVOS

SIZE = (64, 96)
SETTINGS = {"input_size": SIZE, "frame_size": SIZE, "device": "cpu"}
METHODS = {
    "ranet": lambda: tiny_ranet("multi"),
    "dmvos": lambda: DMVOS(backbone="tiny", k=4, embedding_channels=16, width=0.125),
    "dmn_aoa": lambda: _dmn_aoa("all"),
    "dmn_aoa_first": lambda: _dmn_aoa("first"),
    "dmn_aoa_first_last": lambda: _dmn_aoa("first_last"),
    "fake": fake_method.Fake,
}


def _dmn_aoa(memory):
    return DMNAOA(backbone="tiny", channels=16, key_channels=8, width=0.25, memory=memory)


@pytest.fixture(params=METHODS)
def network(request):
    torch.manual_seed(0)
    return METHODS[request.param]().eval()


@torch.inference_mode()
def test_a_state_grows_by_the_same_every_frame_or_not_at_all(network):
    method = Network(network, resolved(InferenceConfig(**SETTINGS), network)).method
    image, masks = torch.rand(1, 3, *SIZE), torch.zeros(1, 1, *SIZE)
    masks[..., 20:40, 30:60] = 1
    state = method.add_objects(method.new_state(image), image, masks)
    sizes = []
    for _ in range(4):
        sizes.append(sum(tensor.nbytes for tensor in pytree.tree_leaves(state)))
        _, state = method.step(state, image)
    first, *others = (late - early for early, late in pairwise(sizes))
    assert (first > 0) == method.state_grows
    assert others == [first, first]


@pytest.mark.parametrize(
    ("method", "option"),
    [
        ("ranet", {"memory_limit": 8}),
        ("ranet", {"source": "none"}),
        ("dmvos", {"memory_limit": 8}),
        ("dmvos", {"matching": "greedy"}),
        ("dmn_aoa", {"crop_smoothing": 0.5}),
        ("dmn_aoa", {"crop_scale": 2}),
        ("dmn_aoa", {"previous_mask": "none"}),
        ("dmn_aoa_first", {"memory_limit": 8}),
        ("dmn_aoa_first_last", {"memory_limit": 8}),
    ],
)
def test_an_option_that_a_method_does_not_read_is_refused(method, option):
    ((name, value),) = option.items()
    with pytest.raises(ConfigError, match=rf"has no use for {name}, which is '?{value}"):
        resolved(InferenceConfig(**SETTINGS, **option), METHODS[method]())


def test_what_a_method_made_of_its_configuration_is_no_option_that_was_set(network):
    config = resolved(InferenceConfig(**SETTINGS), network)
    assert resolved(config, network) == config
