"""The networks as ``torch.hub`` finds them."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_ranet import tiny_ranet

import ranet
from ranet.errors import ConfigError

ROOT = str(Path(__file__).parents[1])


def load(entry, *arguments, **options):
    return torch.hub.load(ROOT, entry, *arguments, source="local", **options)


def same_weights(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_torch_hub_lists_the_networks_and_nothing_else():
    content = runpy.run_path(str(Path(ROOT) / "hubconf.py"))
    entries = {name for name, value in content.items() if callable(value) and name[0] != "_"}
    small = {"ranet_small", "dmvos_small", "dmn_aoa_small"}
    assert entries == small | {"ranet_checkpoint", "ranet_resnet101"}


@pytest.mark.parametrize("name", ["ranet-small", "dmvos-small", "dmn-aoa-small"])
def test_small_networks_come_with_their_weights(name):
    network = load(name.replace("-", "_"))
    assert same_weights(network, ranet.load_pretrained(name))
    assert not network.training


@pytest.mark.parametrize("name", ["ranet_small", "dmvos_small", "dmn_aoa_small"])
def test_small_networks_without_weights_have_their_architecture(name):
    trained, random = load(name), load(name, pretrained=False)
    assert type(random) is type(trained)
    assert random.architecture == trained.architecture
    assert not same_weights(random, trained)
    assert not random.training


@pytest.mark.parametrize("objects", ["single", "multi"])
def test_any_architecture_can_be_built(objects):
    network = load("ranet_resnet101", objects, backbone="resnet18", width=0.25)
    assert network.architecture["objects"] == objects
    assert network.architecture["backbone"] == "resnet18"
    assert network.architecture["ranked"] == 256


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"objects": "many"}, "objects: .*'single'.*, found 'many'"),
        ({"backbone": "vgg"}, "backbone"),
        ({"widht": 0.5}, "widht"),
    ],
)
def test_an_architecture_that_there_is_not(arguments, message):
    with pytest.raises(ConfigError, match=message):
        load("ranet_resnet101", **arguments)


def test_a_checkpoint_is_read(tmp_path):
    ranet.save_checkpoint(tmp_path / "tiny.pt", tiny_ranet())
    assert same_weights(load("ranet_checkpoint", str(tmp_path / "tiny.pt")), tiny_ranet())


@pytest.mark.slow
def test_the_dependencies_are_all_that_a_network_needs():
    """Whatever else the package depends on cannot be imported here."""
    others = ["av", "cv2", "matplotlib", "tensorboard", "tqdm"]
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({others!r}))\n"
        f"import torch; torch.hub.load({ROOT!r}, 'ranet_small', source='local')"
    )
    # Elsewhere than in the clone: torch.hub has to find the package by itself.
    subprocess.run([sys.executable, "-c", script], check=True, cwd="/")
