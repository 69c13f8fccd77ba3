"""Checks of one video: a folder of frames, with or without masks, or a video file."""

from pathlib import Path

from ranet.datasets.check.file_facts import Reading
from ranet.datasets.check.report import DataReport
from ranet.datasets.check.sequence import (
    first_masks,
    list_sequence,
    sequence_problems,
    sequence_table,
)
from ranet.datasets.video_io import VideoFrames
from ranet.errors import DataError
from ranet.wording import count, size_text


def check_frames(root: Path, masks: Path | None, reading: Reading) -> DataReport:
    """Check a folder of frames and, if there is one, the folder of their masks."""
    sequence = list_sequence(root.name, root, masks)
    facts = reading.facts(
        sequence.frames.values(), sequence.masks.values(), always_whole=first_masks([sequence])
    )
    return DataReport(
        root,
        "a folder of frames" + ("" if masks is None else f", with masks in {masks}"),
        tuple(sequence_table([sequence], facts)),
        tuple(sequence_problems(sequence, facts)),
    )


def check_video(path: Path) -> DataReport:
    """Decode a video file to its end.

    Raises:
        DataError: it is no video.
    """
    video = VideoFrames(path)
    number, problems = 0, []
    try:
        for _ in video:
            number += 1
    except DataError as error:
        problems.append(str(error))
    rate = "" if video.frame_rate is None else f", {float(video.frame_rate):g} frames a second"
    contents = f"{count(number, 'frame')} of {size_text(video.size)}{rate}"
    return DataReport(path, "a video file", (contents,), tuple(problems))
