"""Where this code comes from: its folder, its revision, and the versions that it runs with."""

import functools
import platform
import subprocess
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "share"

SHIPPED = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent
"""Holds ``configs`` and ``checkpoints``: a clone, or a folder of the package that was installed."""

CONFIGS = SHIPPED / "configs"
"""The configurations that come with the project."""


@functools.cache
def revision() -> str:
    """The commit this package is run from, with ``+`` where files differ; "unknown" outside git.

    Looked up once a process: what runs is what was loaded, whatever is committed meanwhile. Work
    that takes long therefore asks when it begins.

    A copy that merely lies inside somebody's repository, as a virtual environment does, is
    outside.
    """
    try:
        _git("ls-files", "--error-unmatch", __file__, cwd=_PACKAGE)
        return _git("describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*", cwd=_PACKAGE)
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def versions() -> dict[str, str]:
    """Versions of Python, torch and this project, and the platform."""
    import torch

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "revision": revision(),
    }


def _git(*arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=cwd, capture_output=True, text=True, timeout=10, check=True
    )
    return done.stdout.strip()
