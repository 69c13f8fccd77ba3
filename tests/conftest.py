"""Fixtures shared by all tests."""

from pathlib import Path

import pytest
import torch

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(autouse=True, scope="session")
def _few_threads() -> None:
    """Tests are small; many threads only make them fight for cores."""
    torch.set_num_threads(2)


def _shared(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"needs the real data in {folder}, which is not here")
    return folder


@pytest.fixture
def shared_data() -> Path:
    """The folder of real videos and masks beside the clone; the test is skipped without it."""
    return _shared("data")


@pytest.fixture
def shared_parity() -> Path:
    """The folder of golden tensors beside the clone; the test is skipped without it."""
    return _shared("parity")
