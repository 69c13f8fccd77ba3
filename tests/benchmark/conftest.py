import pytest
from tiny_ranet import tiny_ranet

from ranet.benchmark import flop
from ranet.model.weights import save_checkpoint


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """The tiny network's file."""
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.pt"
    save_checkpoint(path, tiny_ranet("multi"))
    return path


@pytest.fixture(autouse=True)
def small_matrices(monkeypatch):
    """The machine's peak is not of interest here."""
    monkeypatch.setattr(flop, "_SIDE", {"cpu": 16})
