import pytest
from tiny_ranet import tiny_ranet

from ranet import benchmark
from ranet.benchmark import Case
from ranet.config import InferenceConfig
from ranet.methods.checkpoints import save_checkpoint


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """The tiny network's file."""
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.pt"
    save_checkpoint(path, tiny_ranet("multi"))
    return path


@pytest.fixture(autouse=True)
def small_matrices(monkeypatch):
    """The machine's peak is not of interest here."""
    monkeypatch.setattr(benchmark, "_SIDE", {"cpu": 16})


@pytest.fixture
def case(checkpoint):
    """Makes cases of inference with the tiny network."""

    def make(part, objects=1, frames=3, videos=1, **fields):
        size = {"input_size": (48, 80), "frame_size": (48, 80)}
        config = InferenceConfig(**size, device="cpu", **fields)
        settings = {"network": "tiny", "objects": objects, "frames": frames, "videos": videos}
        return Case(part, settings, config, checkpoint)

    return make
