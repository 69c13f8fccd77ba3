"""The sequences of a DAVIS split from frames to masks: one after the other, or several at once."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ranet.datasets.image_io import marks_reader
from ranet.datasets.index import VideoSequence
from ranet.datasets.video_io import ImageFrames
from ranet.inference.batch_segmenter import BatchSegmenter, Group
from ranet.inference.batch_sequences import Job, segment_together
from ranet.inference.sequence import Follower, Timing, segment_sequence
from ranet.inference.split_checks import FirstFrame

Segmented = Iterator[tuple[VideoSequence, Timing]]
"""Each sequence when its masks are there, and its times."""

Progress = Callable[[Sequence[str]], None]
"""Called with the names of the sequences that were taken a frame further."""


def one_by_one(
    follower: Follower,
    sequences: Iterable[VideoSequence],
    masks: Path,
    year: int,
    progress: Progress,
) -> Segmented:
    """One sequence after the other.

    Args:
        follower: what segments.
        sequences: whose first frames are annotated.
        masks: the folder in which each gets a folder with its name.
        year: of DAVIS: whose rules the first masks are read by.
        progress: see :data:`Progress`.

    Raises:
        DataError: a frame cannot be read, or a first mask does not fit.
        OutputError: a mask cannot be written.
    """
    for sequence in sequences:
        first = sequence.annotations[0]
        timing = segment_sequence(
            follower,
            ImageFrames(sequence.frames),
            marks_reader(year)(first),
            masks / sequence.name,
            labels_from=first,
            after_frame=lambda frame, labels, name=sequence.name: progress([name]),
        )
        yield sequence, timing


def several_at_once(
    segmenter: BatchSegmenter,
    sequences: Iterable[VideoSequence],
    masks: Path,
    year: int,
    progress: Progress,
    *,
    first_frames: Mapping[str, FirstFrame],
    at_once: int,
) -> Segmented:
    """So many sequences at the same time, those that can be in one batch together.

    Args:
        segmenter: what segments.
        sequences, masks, year, progress: as for :func:`one_by_one`.
        first_frames: what each sequence begins with, by its name.
        at_once: how many sequences.

    Raises:
        DataError, OutputError: as :func:`one_by_one`; of the sequences under way nothing is kept.
    """
    groups: dict[Group, list[VideoSequence]] = {}
    for sequence in sequences:
        group = segmenter.group(*first_frames[sequence.name])
        groups.setdefault(group, []).append(sequence)
    for members in groups.values():
        by_name = {sequence.name: sequence for sequence in members}
        jobs = (_job(sequence, masks, year) for sequence in members)
        segmented = segment_together(segmenter, jobs, at_once=at_once, after_frames=progress)
        with contextlib.closing(segmented):
            for job, timing in segmented:
                yield by_name[job.name], timing


def _job(sequence: VideoSequence, masks: Path, year: int) -> Job:
    first = sequence.annotations[0]
    return Job(
        sequence.name,
        ImageFrames(sequence.frames),
        marks_reader(year)(first),
        labels_from=first,
        folder=masks / sequence.name,
    )
