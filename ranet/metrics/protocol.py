"""Which frames and objects count, by the rules of a DAVIS year (semi-supervised track).

The first and the last annotated frame of a sequence are not scored. Objects are the ids 1…K, K
being the largest id of the first annotation (void apart); in 2016, all that is not black is the
one object. Every check that a mask exists stands here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ranet.datasets.image_io import VOID, MaskReader, label_reader, read_labels
from ranet.datasets.index import contents_of, entries, images_by_name, unmatched
from ranet.errors import ConfigError, DataError
from ranet.wording import bullets, count, some_of


@dataclass(frozen=True)
class ScoredFrame:
    """Two masks that exist, how to read them, and how many objects to compare."""

    prediction: Path
    annotation: Path
    first: Path  # the first annotation of the sequence
    objects: int  # K
    read: MaskReader


@dataclass(frozen=True)
class ScoredVideo:
    """A sequence and its frames that count: all annotated ones but the first and the last."""

    name: str
    annotated: tuple[str, ...]  # names of all annotated frames, in order
    objects: int  # K
    frames: tuple[ScoredFrame, ...]


def find_videos(
    annotations: Path, predictions: Path, *, year: int, sequences: Sequence[str] | None
) -> list[ScoredVideo]:
    """The sequences to score, in the order given; arguments as in :func:`evaluate_davis`.

    Raises:
        DataError: masks are missing, there is nothing to score, or a first annotation cannot be
            read or (from 2017) holds no object. The problems of all sequences are told at once.
        ConfigError: there are no rules for ``year``.
    """
    if year not in (2016, 2017):
        raise ConfigError(f"DAVIS has rules for the years 2016 and 2017, but the year is {year!r}.")
    annotated = _sequences_in(annotations, "annotations")
    _sequences_in(predictions, "predictions")
    videos, problems = [], []
    for name in annotated if sequences is None else dict.fromkeys(sequences):
        try:
            videos.append(_find_video(annotations / name, predictions / name, year))
        except DataError as error:
            problems.append(str(error))
    raise_all(problems)
    if not any(video.frames for video in videos):
        raise DataError(
            f"Nothing to score in {annotations}: the first and the last annotated frame do not "
            "count, so at least one sequence of three annotations is expected, but "
            f"{some_of([video.name for video in videos]) or 'an empty list of sequences'} has "
            "none. Give longer videos."
        )
    return videos


def raise_all(problems: Sequence[str]) -> None:
    """Raise one DataError that lists the problems, if there are any."""
    if problems:
        told = count(problems, "problem")
        raise DataError(f"Cannot score the predictions, {told}:\n{bullets(problems)}")


def _largest_id(annotation: Path) -> int:
    labels = read_labels(annotation)
    largest = int(labels.max(where=labels != VOID, initial=0))
    if largest == 0:
        raise DataError(
            f"{annotation} holds no object: the first annotation of a sequence tells which objects "
            "are scored (ids 1…K). Correct it, or leave the sequence out."
        )
    return largest


def _sequences_in(folder: Path, what: str) -> list[str]:
    """Names of the folders in ``folder``, which must hold some."""
    expected = f"expected the {what} as {folder}/<sequence>/00000.png, …"
    if not folder.is_dir():
        raise DataError(f"No folder {folder}: {expected}. Check the path.")
    names = [path.name for path in entries(folder) if path.is_dir()]
    if not names:
        raise DataError(f"No sequences in {folder}: {expected}, but it holds no folder.")
    return names


def _find_video(annotations: Path, predictions: Path, year: int) -> ScoredVideo:
    """One sequence; raises a DataError that tells what is missing of it."""
    truths, predicted = _masks_in(annotations), _masks_in(predictions)
    if not truths:
        raise DataError(
            f"{annotations} holds no masks: expected PNG files, one per annotated frame. The "
            "folder of annotations is the one above the sequences, such as Annotations/480p."
        )
    scored = list(truths)[1:-1]
    missing = unmatched(scored, predicted)
    explanation = _misnamed(list(truths), list(predicted))
    if missing:
        raise DataError(
            f"{predictions} lacks {len(missing)} of the {len(scored)} scored frames: "
            f"{some_of([f'{frame}.png' for frame in missing])}.{explanation} Write a mask for "
            "each, named like its annotation."
        )
    if explanation:
        raise DataError(
            f"{predictions} has no mask of {some_of(unmatched(truths, predicted))}, and masks of "
            f"frames without annotation: {some_of(unmatched(predicted, truths))}.{explanation} "
            "Name each mask like its annotation."
        )
    first = next(iter(truths.values()))
    objects = 1 if year == 2016 else _largest_id(first)
    read = label_reader(year)
    frames = tuple(
        ScoredFrame(predicted[name], truths[name], first, objects, read) for name in scored
    )
    return ScoredVideo(annotations.name, tuple(truths), objects, frames)


def _misnamed(annotated: list[str], predicted: list[str]) -> str:
    """What masks are probably called instead of the names of their annotations; else empty.

    Predictions may be of more frames than are annotated, and may lack the first and the last.
    """
    if not unmatched(annotated, predicted) or not unmatched(predicted, annotated):
        return ""
    endings = [re.search(r"[0-9]+$", name) for name in (*annotated, *predicted)]
    if None in endings:
        return ""
    numbers = [int(ending[0]) for ending in endings if ending]
    wanted, found = numbers[: len(annotated)], numbers[len(annotated) :]
    if set(wanted) <= set(found):
        return (
            f" They seem to be named otherwise: {predicted[0]}, where {annotated[0]} is expected."
        )
    shift = found[0] - wanted[0]
    through = wanted == list(range(wanted[0], wanted[0] + len(wanted)))
    shifted_beyond = through and (
        (wanted[0] not in found and wanted[-1] + 1 in found)
        or (wanted[-1] not in found and wanted[0] - 1 in found)
    )
    if found == [number + shift for number in wanted] or (abs(shift) == 1 and shifted_beyond):
        return f" They seem to be numbered from {found[0]}, the annotations from {wanted[0]}."
    if len(found) == len(wanted) and found == list(range(found[0], found[0] + len(found))):
        return f" They seem to be numbered through; the annotations are {some_of(annotated)}."
    return ""


def _masks_in(folder: Path) -> dict[str, Path]:
    """The PNG files of a folder by frame name, in order; other images are no masks."""
    if not folder.is_dir():
        raise DataError(
            f"No folder {folder}: {contents_of(folder.parent)}. Expected the masks of this "
            "sequence, one PNG file a frame; check the path and the list of sequences."
        )
    return images_by_name(path for path in entries(folder) if path.suffix.lower() == ".png")
