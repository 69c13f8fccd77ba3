"""Where the configurations and networks lie that come with the project."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "share"

SHIPPED = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent
"""Holds ``configs`` and ``checkpoints``: a clone, or a folder of the package that was installed."""
