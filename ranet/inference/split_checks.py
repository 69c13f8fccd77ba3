"""What has to hold of a DAVIS split before it is segmented: told before the work, not after."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ranet.datasets.image_io import image_size, marks_reader
from ranet.datasets.index import VideoSequence
from ranet.errors import DataError, OutputError
from ranet.files import check_outside
from ranet.inference.first_mask import checked_labels, naming_first_mask
from ranet.wording import bullets, count


class FirstFrame(NamedTuple):
    """What a sequence begins with."""

    size: tuple[int, int]  # (H, W)
    objects: int  # how many are marked


def check_apart(out: Path, root: Path) -> None:
    """Raise OutputError where results would lie among the data in ``root``.

    Nothing is ever written there; other folders in the tree are the user's.
    """
    if out.resolve() == root.resolve():
        raise OutputError(f"{out} is the DAVIS tree itself, and no place for results.")
    check_outside(out, [root / part for part in ("JPEGImages", "Annotations", "ImageSets")])


def checked_first_frames(sequences: Sequence[VideoSequence], year: int) -> dict[str, FirstFrame]:
    """What the sequences begin with, by name.

    Raises:
        DataError: some could not be started; all of them are named.
    """
    found, problems = {}, []
    for sequence in sequences:
        first = sequence.annotations[0]
        try:
            with warnings.catch_warnings(action="ignore"):  # told when the sequence is segmented
                labels = marks_reader(year)(first)
            size = image_size(sequence.frames[0])
            with naming_first_mask(first):
                _, ids = checked_labels(labels, size)
            found[sequence.name] = FirstFrame(size, len(ids))
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise DataError(
            f"{len(problems)} of {count(sequences, 'sequence')} cannot be segmented:\n"
            + bullets(problems)
        )
    return found


def check_scorable(sequences: Sequence[VideoSequence]) -> None:
    """Raise DataError where there is nothing to score."""
    if all(sum(mask is not None for mask in s.annotations) < 3 for s in sequences):
        raise DataError(
            "Nothing could be scored: expected three annotated frames in a sequence, as the first "
            f"and the last do not count, found fewer in {sequences[0].annotations[0].parent} and "
            "all others."
        )
