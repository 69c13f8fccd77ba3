"""A whole DAVIS split: segmented, scored and reported; the only file that knows all the parts."""

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from ranet.config import EvalConfig, InferenceConfig
from ranet.datasets.index import VideoSequence, choose_resolution, find_set_file, index_davis
from ranet.device import device_name, peak_memory, reset_peak_memory, resolve_device
from ranet.errors import ConfigError, DataError
from ranet.files import stored_path
from ranet.inference.batch_segmenter import BatchSegmenter
from ranet.inference.report import Report, summarise_times
from ranet.inference.resolve import CHANGES_NO_MASK
from ranet.inference.results_folder import ResultsFolder, opened_results
from ranet.inference.segmenter import VideoSegmenter
from ranet.inference.sequence import CopyFirstMask, Follower, Timing
from ranet.inference.split_checks import (
    FirstFrame,
    check_apart,
    check_scorable,
    checked_first_frames,
)
from ranet.inference.split_segmentation import Progress, Segmented, one_by_one, several_at_once
from ranet.methods.registry import fingerprint, load_checkpoint
from ranet.metrics import DavisResult, evaluate_davis
from ranet.provenance import revision, versions
from ranet.tables.published import PublishedResult, published, published_result
from ranet.wording import bullets, count, some_of

_logger = logging.getLogger(__name__)

CHANGES_NO_RESULT = {
    "plugins": True,  # the network tells what it was made by
    "released_objects": True,  # the architecture tells
    "inference": CHANGES_NO_MASK,
}
"""Fields of the configuration in which a run may differ from the one that it goes on with."""


@dataclass(frozen=True)
class Method:
    """What segments, and what it depends on."""

    follower: Follower
    """What follows one video after the other."""
    device: torch.device
    settings: dict[str, Any]
    inference: InferenceConfig | None = None
    """As configured, with what is left to the network filled in; None: nothing is."""
    checkpoint: Path | None = None
    stages: Sequence[dict[str, Any]] = ()
    """How the network was trained, see :mod:`ranet.methods.registry`."""
    batch: BatchSegmenter | None = None
    """What follows several videos at once; None: nothing does."""
    ways: Callable[[], Sequence[str]] = tuple
    """Tells how the steps so far were computed, see :attr:`VideoSegmenter.ways`."""


def network(config: EvalConfig, checkpoint: Path) -> Method:
    """RANet with the weights of ``checkpoint``.

    Raises:
        CheckpointError: the file is no checkpoint, or does not fit.
        ConfigError: the machine lacks the configured device.
    """
    device = resolve_device(config.inference.device)
    model = load_checkpoint(checkpoint, config.released_objects)
    settings = {
        "method": "RANet",
        "architecture": model.architecture,
        "checkpoint_sha256": fingerprint(checkpoint),
    }
    follower = VideoSegmenter(model, config.inference)
    batch = None if config.inference.online else follower.together()
    return Method(
        follower,
        device,
        settings,
        follower.config,
        checkpoint,
        model.stages,
        batch,
        ways=lambda: follower.ways,
    )


def copying() -> Method:
    """The baseline: every frame gets the first mask."""
    return Method(CopyFirstMask(), torch.device("cpu"), {"method": "copy of the first mask"})


def evaluate_split(
    config: EvalConfig,
    method: Method,
    root: Path,
    out: Path,
    *,
    set_file: Path | None = None,
    overwrite: bool = False,
    workers: int = 1,
    batch_videos: int = 1,
) -> Report:
    """Segment the sequences of a DAVIS split, score them, and write everything to ``out``.

    A GPU's peak of memory, which torch counts for the whole process, is counted anew from here on.

    Args:
        config: year, split and resolution.
        method: :func:`network` or :func:`copying`.
        root: the DAVIS tree.
        out: the folder of results, see :mod:`ranet.inference.results_folder`.
        set_file: another list of sequences than the split's.
        overwrite: replace the results in ``out`` if they were made with other settings.
        workers: threads that score.
        batch_videos: how many sequences are followed at the same time.

    Raises:
        ConfigError: several are to be followed at once, but the method cannot do that.
        DataError: of the tree; found before anything is segmented, damaged files apart.
        OutputError: ``out`` cannot be written, holds other results, is written to by another run,
            or lies among the data.
        KeyboardInterrupt: finished sequences are kept.
    """
    _check_batch(method, batch_videos)
    check_apart(out, root)
    sequences = index_davis(
        root,
        year=config.year,
        split=config.split,
        set_file=set_file,
        resolution=config.resolution,
    )
    check_scorable(sequences)
    first_frames = checked_first_frames(sequences, config.year)
    if method.inference is not None:
        config = config.model_copy(update={"inference": method.inference})
    made_with = {**method.settings, "davis": stored_path(root, out)}
    decisive = {
        **made_with,
        "config": config.model_dump(mode="json", exclude=CHANGES_NO_RESULT),
    }
    set_file = set_file or find_set_file(root, year=config.year, split=config.split)
    settings = {
        **made_with,
        "set": {"file": stored_path(set_file, out), "sequences": [s.name for s in sequences]},
        "config": config.model_dump(mode="json"),
    }
    with opened_results(out, decisive, overwrite=overwrite) as results:
        reset_peak_memory(method.device)
        segment = _segmentation(method, config.year, first_frames, batch_videos)
        _segment_unfinished(segment, method, sequences, results)
        scores = _scored(config, root, sequences, results, workers)
        scores.write(out, set_file.stem)
        report = Report(
            set_name=set_file.stem,
            scores=scores,
            published=_published(config, scores.videos),
            timings={name: t for name, t in results.timings().items() if name in scores.videos},
        )
        results.write_result(_everything(report, method, settings, out))
    return report


@contextlib.contextmanager
def repeatable() -> Iterator[None]:
    """In here, an interruption tells that the command that was interrupted goes on.

    For commands that are made of :func:`evaluate_split` alone; training goes on in its own way.
    """
    try:
        yield
    except KeyboardInterrupt:
        _logger.info("the same command goes on where this one ended")
        raise


def _scored(
    config: EvalConfig,
    root: Path,
    sequences: Sequence[VideoSequence],
    results: ResultsFolder,
    workers: int,
) -> DavisResult:
    """The scores of the masks; says what to do where masks of an earlier run are damaged."""
    try:
        return evaluate_davis(
            root / "Annotations" / choose_resolution(root, config.resolution),
            results.masks,
            year=config.year,
            sequences=[sequence.name for sequence in sequences],
            workers=workers,
        )
    except DataError as error:
        damaged = results.damaged(sequences)
        if not damaged:
            raise
        raise DataError(
            f"{error}\nDelete these folders with damaged masks, and run the same command again, "
            f"which will redo them:\n{bullets([str(folder) for folder in damaged])}"
        ) from error


def _check_batch(method: Method, batch_videos: int) -> None:
    """Raise ConfigError where a method cannot follow so many videos at once."""
    if batch_videos == 1 or method.batch is not None:
        return
    online = method.inference is not None and method.inference.online is not None
    cause = (
        "with online learning, where every video has a network of its own, they are followed one "
        "after the other. Set inference.online to null, or leave out --batch-videos."
        if online
        else f"the {method.settings['method']} follows one after the other. Leave out "
        "--batch-videos."
    )
    raise ConfigError(f"{batch_videos} videos were to be followed at once, but {cause}")


def _published(config: EvalConfig, sequences: Iterable[str]) -> PublishedResult | None:
    """The paper's row, if these sequences are of the split that it was measured on."""
    split = published().splits.get(f"{config.year} {config.split}", ())
    if not set(sequences) <= set(split):
        return None
    return published_result(config.year, config.split, online=config.inference.online is not None)


def _segmentation(
    method: Method, year: int, first_frames: Mapping[str, FirstFrame], batch_videos: int
) -> Callable[..., Segmented]:
    """What turns sequences into masks: a function of ``sequences``, ``masks`` and ``progress``."""
    if batch_videos == 1:
        return partial(one_by_one, method.follower, year=year)
    return partial(
        several_at_once, method.batch, year=year, first_frames=first_frames, at_once=batch_videos
    )


def _segment_unfinished(
    segment: Callable[..., Segmented],
    method: Method,
    sequences: Sequence[VideoSequence],
    results: ResultsFolder,
) -> None:
    """Masks for all sequences that have none yet."""
    unfinished = [sequence for sequence in sequences if not results.is_finished(sequence)]
    done = len(sequences) - len(unfinished)
    if done:
        _logger.info("%d of %s finished already, kept", done, count(sequences, "sequence"))
    frames = sum(len(sequence.frames) for sequence in unfinished)
    code = revision()  # now: files that change during the work are not what runs
    try:
        with (
            _progress_bar(frames) as progress,
            contextlib.closing(
                segment(sequences=unfinished, masks=results.masks, progress=progress)
            ) as segmented,
        ):
            for sequence, timing in segmented:
                results.add_timing(sequence.name, _complete(timing, method, code))
                done += 1
                _logger.info(
                    "%d/%d %s: %s, %.0f ms a frame",
                    done,
                    len(sequences),
                    sequence.name,
                    count(sequence.frames, "frame"),
                    timing.total_ms / len(sequence.frames),
                )
    except KeyboardInterrupt:
        _logger.info(
            "%d of %s finished and kept in %s",
            done,
            count(sequences, "sequence"),
            results.path,
        )
        raise


def _complete(timing: Timing, method: Method, code: str) -> Timing:
    """The times of a sequence that has just ended, and where they were taken."""
    peak_bytes, counted = peak_memory(method.device) or (None, None)
    return replace(
        timing,
        device=device_name(method.device),
        ways=list(method.ways()),
        peak_bytes=peak_bytes,
        memory_counted=counted,
        revision=code,
    )


@contextlib.contextmanager
def _progress_bar(frames: int) -> Iterator[Progress]:
    """A bar, only where a person watches, that is told the sequences that went a frame further."""
    # disable=None: not in files and pipes
    with logging_redirect_tqdm(), tqdm(total=frames, unit="frame", disable=None) as bar:

        def progress(names: Sequence[str]) -> None:
            bar.set_description(some_of(names, at_most=1), refresh=False)
            bar.update(len(names))

        yield progress


def _everything(
    report: Report, method: Method, settings: dict[str, Any], out: Path
) -> dict[str, Any]:
    """All there is to know about a run, for ``result.json``."""
    sequences = {
        name: {
            "objects": {
                str(label): {"J-Mean": scores.J.mean, "F-Mean": scores.F.mean}
                for label, scores in video.objects.items()
            },
            "times": summarise_times([report.timings[name]]) if name in report.timings else None,
        }
        for name, video in report.scores.videos.items()
    }
    memory = report.memory and {"peak_bytes": report.memory[0], "counted": report.memory[1]}
    return {
        "set": report.set_name,
        "global": report.scores.averages,
        "published": report.published and asdict(report.published),
        "sequences": sequences,
        "times": report.times,
        "memory": memory,
        "device": report.device,
        "revision": " and ".join(report.revisions),
        "computed": report.ways,
        "checkpoint": method.checkpoint and stored_path(method.checkpoint, out),
        "stages": list(method.stages),
        "settings": settings,
        "versions": versions(),
    }
