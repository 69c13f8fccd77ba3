"""Scores predicted masks as the DAVIS benchmark does; :mod:`ranet.metrics.protocol` has its rules.

An object that a prediction lacks is an empty mask. An id above K is an error, as are a missing
frame and one of another size (the official tool ends with status 0 where an id is too large).
"""

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np

from ranet.datasets.numbering import skipped_numbers
from ranet.errors import DataError
from ranet.metrics.measures import boundary_radius, f_measure, jaccard, labelled_box
from ranet.metrics.protocol import ScoredFrame, ScoredVideo, find_videos, raise_all
from ranet.metrics.result import DavisResult, Measure, ObjectResult, VideoResult
from ranet.wording import size_text, some_of

FrameScores = list[tuple[float, float]]
"""J and F of the objects 1…K in one frame."""

Shape = tuple[int, ...]


def evaluate_davis(
    annotations: str | Path,
    predictions: str | Path,
    *,
    year: Literal[2016, 2017],
    sequences: Sequence[str] | None = None,
    workers: int = 1,
) -> DavisResult:
    """Score predicted masks against annotations.

    Each frame is read once and scored by itself, ``workers`` frames at a time. The workers are
    threads: decoding and measuring run outside Python's global lock, and threads start at once
    and are safe beside CUDA and other threads, where forked processes are not.

    Args:
        annotations: the folder with one folder of masks (PNG) per sequence.
        predictions: the folder with one folder per sequence, masks named like the annotations.
            Other folders and frames in it, and frames that do not count, are not looked at.
        year: whose rules hold; 2016 has one object a sequence.
        sequences: names of those to score; None takes all in ``annotations``.
        workers: how many frames are scored at the same time.

    Returns:
        All values, the sequences in the order given. A sequence without a frame that counts has
        none: a warning names it, and it does not enter the averages. Another tells where
        annotations seem to be missing.

    Raises:
        DataError: folders or frames are missing, corrupt, of another size, or hold ids above K.
            What is missing is found before anything is scored. All problems are told at once.
        ConfigError: there are no rules for ``year``.

    Examples:
        >>> result = evaluate_davis("annotations", "annotations", year=2017)  # the truth itself
        >>> result.averages["J&F-Mean"]
        1.0
    """
    annotations, predictions = Path(annotations), Path(predictions)
    videos = find_videos(annotations, predictions, year=year, sequences=sequences)
    scores = iter(_score_all([frame for video in videos for frame in video.frames], workers))
    results = {
        video.name: _over_video(video, list(islice(scores, len(video.frames)))) for video in videos
    }
    unscored = [video.name for video in videos if not video.frames]
    if unscored:
        warnings.warn(
            f"Not scored, and left out of the averages: {some_of(unscored)}. The first and the "
            "last annotated frame do not count, and there is no other.",
            UserWarning,
            stacklevel=2,
        )
    _warn_of_gaps(videos, annotations)
    return DavisResult(year, annotations, predictions, results)


def _warn_of_gaps(videos: Sequence[ScoredVideo], annotations: Path) -> None:
    """The protocol scores the frames that are annotated; say where one seems to be lost."""
    gaps = [
        f"{video.name} ({skipped})"
        for video in videos
        if (skipped := skipped_numbers(video.annotated))
    ]
    if gaps:
        warnings.warn(
            f"{annotations} lacks annotations among others: {some_of(gaps)}. These frames are not "
            "scored, as the protocol has it, so the scores are not those of the whole data. Copy "
            "the missing masks.",
            UserWarning,
            stacklevel=3,
        )


def _score_all(frames: Sequence[ScoredFrame], workers: int) -> list[FrameScores]:
    """The scores of each frame; the problems of all frames are raised together."""
    with ThreadPoolExecutor(workers) as pool:
        outcomes = list(pool.map(_scores_or_problem, frames))
    raise_all([str(outcome) for outcome in outcomes if isinstance(outcome, DataError)])
    return [outcome for outcome in outcomes if not isinstance(outcome, DataError)]


def _scores_or_problem(frame: ScoredFrame) -> FrameScores | DataError:
    try:
        return _score(frame)
    except DataError as error:
        return error


def _score(frame: ScoredFrame) -> FrameScores:
    predicted, truth = frame.read(frame.prediction), frame.read(frame.annotation)
    if predicted.shape != truth.shape:
        raise DataError(_size_mistake(frame, predicted.shape, truth.shape))
    if predicted.max() > frame.objects:
        above = [str(label) for label in np.unique(predicted) if label > frame.objects]
        raise DataError(
            f"{frame.prediction} holds the id {some_of(above)}, but ids up to {frame.objects} are "
            "expected: the first annotation of the sequence has no larger one."
        )
    radius, box = boundary_radius(*truth.shape), labelled_box(predicted | truth)
    predicted, truth = predicted[box], truth[box]
    masks = ((predicted == label, truth == label) for label in range(1, frame.objects + 1))
    return [(jaccard(*pair), f_measure(*pair, radius=radius)) for pair in masks]


def _size_mistake(frame: ScoredFrame, predicted: Shape, truth: Shape) -> str:
    """Which of two masks of different sizes is wrong: the first annotation tells."""
    if frame.read(frame.first).shape == predicted:
        return (
            f"{frame.annotation}, an annotation, has {size_text(truth)} pixels, but the first one "
            f"of its sequence and the prediction have {size_text(predicted)}. Save all annotations "
            "at the size of the frames."
        )
    return (
        f"{frame.prediction} has {size_text(predicted)} pixels, but its annotation "
        f"{frame.annotation} has {size_text(truth)}. Write predictions at the annotations' size."
    )


def _over_video(video: ScoredVideo, scores: list[FrameScores]) -> VideoResult:
    """Group the scores of a video's frames by object, and summarise them over time."""
    objects = {}
    for index in range(video.objects):
        region, boundary = ([frame[index][m] for frame in scores] for m in (0, 1))
        objects[index + 1] = ObjectResult(
            J=Measure.over_video(region, frames=len(video.annotated)),
            F=Measure.over_video(boundary, frames=len(video.annotated)),
        )
    return VideoResult(video.annotated, objects)
