"""The frames of a video from a later one to its first."""

import itertools
from pathlib import Path

import cv2
import numpy as np

from ranet.datasets.video_io import FrameSource, ImageFrames
from ranet.errors import DataError, OutputError
from ranet.files import make_folder, output_errors

_FAST = (cv2.IMWRITE_PNG_COMPRESSION, 1)


def backwards(source: FrameSource, count: int, folder: Path) -> ImageFrames:
    """The first ``count`` frames of a video, the last of them first.

    Video files can only be decoded forwards: their frames are laid down in ``folder``, without
    loss, so that memory does not grow with their number (the disk's share does: about 0.6 MB a
    frame of 480×854).

    Args:
        source: frames that can be read more than once.
        count: at least 1.
        folder: for the frames of a video file; must stay until the last of them is read.

    Raises:
        DataError: there are fewer frames, or they cannot be read.
        OutputError: there is no room for them.
    """
    if isinstance(source, ImageFrames):
        paths = source.paths[:count]
    else:
        make_folder(folder)
        paths = tuple(
            _laid_down(folder / f"{name}.png", frame)
            for name, frame in itertools.islice(source, count)
        )
    if len(paths) < count:
        raise DataError(f"The video has {len(paths)} frames; {count} were to be read backwards.")
    return ImageFrames(paths[::-1])


def _laid_down(path: Path, frame: np.ndarray) -> Path:
    encoded, data = cv2.imencode(".png", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), _FAST)
    if not encoded:
        raise OutputError(f"Cannot write {path}: OpenCV could not encode this frame as PNG.")
    with output_errors(path):
        path.write_bytes(data)  # only for this process: it need not appear whole
    return path
