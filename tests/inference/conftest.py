import pytest
from tiny_ranet import tiny_ranet

from ranet.methods.checkpoints import save_checkpoint


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A file of the tiny network, with another name than its backbone's."""
    path = tmp_path_factory.mktemp("checkpoint") / "small.pt"
    save_checkpoint(path, tiny_ranet("multi"))
    return path
