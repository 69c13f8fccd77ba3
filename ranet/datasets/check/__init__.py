"""What is in a data folder, and everything that is wrong with it, in one go.

Known are a DAVIS tree (``JPEGImages``, ``Annotations``, ``ImageSets``) and those laid out like it
(MOSE, LVOS, VOST), YouTube-VOS (``train`` with a ``meta.json``), the image sets of
:mod:`ranet.datasets.image_sets`, and a folder of frames, whose masks may lie in another. A video
file is decoded to its end.
"""

from pathlib import Path

from ranet.datasets.check.davis import check_davis, check_splits
from ranet.datasets.check.findings import DataReport, Reading
from ranet.datasets.check.pairs import check_image_set
from ranet.datasets.check.sequence import check_frames, check_video
from ranet.datasets.check.youtube_vos import check_youtube_vos
from ranet.datasets.image_sets import IMAGE_SETS, recognise_image_set
from ranet.datasets.index import contents_of, entries, is_image
from ranet.errors import DataError

__all__ = ["DataReport", "check_data"]

_SPLITS = ("train", "valid", "val", "test")
"""What archives unpack to; of YouTube-VOS, all but the first have no masks to check."""


def check_data(
    root: str | Path,
    *,
    kind: str | None = None,
    masks: str | Path | None = None,
    resolution: str | None = None,
    quick: bool = False,
    workers: int = 1,
    progress: bool = False,
) -> DataReport:
    """Check a data folder or a video file.

    Args:
        root: a DAVIS tree, an image set, a folder of frames, …, or a video.
        kind: which image set it is, by its name in the configuration; None: see by its folders.
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
        if kind is not None:
            return check_image_set(root, IMAGE_SETS[kind], reading)
        return _check(root, resolution, reading)
    except DataError as error:
        return DataReport(root, "cannot be checked", (), (str(error),))


def _check(root: Path, resolution: str | None, reading: Reading) -> DataReport:
    """Check ``root`` for what it looks like."""
    if (root / "JPEGImages").is_dir():
        return check_davis(root, resolution, reading)
    splits = [root / name for name in _SPLITS if (root / name / "JPEGImages").is_dir()]
    if (root / _SPLITS[0] / "meta.json").exists():
        return check_youtube_vos(root, _SPLITS[0], reading)
    if splits:
        return check_splits(root, splits, reading)
    image_set = recognise_image_set(root)
    if image_set is not None:
        return check_image_set(root, image_set, reading)
    if root.is_dir() and any(is_image(path) for path in entries(root)):
        return check_frames(root, None, reading)
    if root.is_file() and not is_image(root):
        return check_video(root)
    raise DataError(
        f"No data in {root}. Expected a DAVIS tree (JPEGImages, Annotations, ImageSets), or one "
        f"like it (MOSE, LVOS, VOST), YouTube-VOS (train/meta.json), image-mask pairs (images, "
        "masks) or another image set "
        f"({', '.join(sorted(IMAGE_SETS))}), a folder of frames, or a video file, but "
        f"{contents_of(root)}. data/README.md tells where to put what."
    )
