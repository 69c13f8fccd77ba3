"""Where a clone of the repository keeps what commands fall back on."""

from pathlib import Path

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
"""The configurations that come with the project."""
