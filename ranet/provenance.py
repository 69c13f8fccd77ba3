"""Where a result comes from: the revision of this project and the versions it ran with."""

import functools
import platform
import subprocess
from pathlib import Path

import torch


@functools.cache
def revision() -> str:
    """The commit this package is run from, with ``+`` where files differ; "unknown" outside git.

    Looked up once a process: what runs is what was loaded, whatever is committed meanwhile. Work
    that takes long therefore asks when it begins.

    A copy that merely lies inside somebody's repository, as a virtual environment does, is
    outside.
    """
    package = Path(__file__).parent
    try:
        _git("ls-files", "--error-unmatch", __file__, cwd=package)
        return _git("describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*", cwd=package)
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def versions() -> dict[str, str]:
    """Versions of Python, torch and this project, and the platform."""
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
