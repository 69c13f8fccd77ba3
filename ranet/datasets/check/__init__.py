"""What is in a data folder, and everything that is wrong with it, in one go.

Three kinds of folders are known: a DAVIS tree (``JPEGImages``, ``Annotations``, ``ImageSets``),
image-mask pairs (``images``, ``masks``), and a folder of frames, whose masks may lie in another.
A video file is decoded to its end.
"""

from pathlib import Path

from ranet.datasets.check.davis import check_davis
from ranet.datasets.check.file_facts import Reading
from ranet.datasets.check.pairs import check_pairs
from ranet.datasets.check.report import DataReport
from ranet.datasets.check.video import check_frames, check_video
from ranet.datasets.index import contents_of, entries, is_image
from ranet.errors import DataError

__all__ = ["DataReport", "check_data"]


def check_data(
    root: str | Path,
    *,
    masks: str | Path | None = None,
    resolution: str | None = None,
    quick: bool = False,
    workers: int = 1,
    progress: bool = False,
) -> DataReport:
    """Check a data folder or a video file.

    Args:
        root: a DAVIS tree, a folder with ``images`` and ``masks``, a folder of frames, or a video.
        masks: the masks of a folder of frames.
        resolution: of a DAVIS tree, the only folder below ``JPEGImages`` to check; None: all.
        quick: decode only the first mask of each video and read no more than the header of all
            other files; damage behind the headers and wrong ids in later masks go unnoticed.
        workers: processes that read files.
        progress: show a progress bar if standard error is a terminal.

    Returns:
        The report. A root that cannot be checked at all is one more problem in it.
    """
    root = Path(root)
    reading = Reading(quick=quick, workers=workers, progress=progress)
    try:
        if masks is not None:
            return check_frames(root, Path(masks), reading)
        return _check(root, resolution, reading)
    except DataError as error:
        return DataReport(root, "cannot be checked", (), (str(error),))


def _check(root: Path, resolution: str | None, reading: Reading) -> DataReport:
    """Check ``root`` for what it looks like."""
    if (root / "JPEGImages").is_dir():
        return check_davis(root, resolution, reading)
    if (root / "images").is_dir() or (root / "masks").is_dir():
        return check_pairs(root, reading)
    if root.is_dir() and any(is_image(path) for path in entries(root)):
        return check_frames(root, None, reading)
    if root.is_file() and not is_image(root):
        return check_video(root)
    raise DataError(
        f"No data in {root}. Expected a DAVIS tree (JPEGImages, Annotations, ImageSets), "
        "image-mask pairs (images, masks), a folder of frames, or a video file, but "
        f"{contents_of(root)}. data/README.md tells where to put what."
    )
