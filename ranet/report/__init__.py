"""One page about results, to be looked at in a browser: :func:`ranet.report.page.write_report`."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pictures:
    """Which pictures a report has, and of which size."""

    every: int = 5
    """Each n-th annotated frame of a sequence is shown, and the last."""
    width: int = 480
    """Pixels; larger frames are reduced."""
    quality: int = 70
    """JPEG quality, 1…95."""
    worst: int = 12
    """How many of the worst frames are shown."""
    frames: Path | None = None
    """The folder with a folder of images per sequence; None: as the results tell."""
    annotations: Path | None = None
    """The folder with a folder of true masks per sequence; None: as the results tell."""


DEFAULT_PICTURES = Pictures()
