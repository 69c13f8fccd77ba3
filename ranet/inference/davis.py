"""A whole split of DAVIS: segmented, scored where that is possible, and reported.

That of YouTube-VOS is :mod:`ranet.inference.youtube_vos`.
"""

import contextlib
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ranet.config import EvalConfig, InferenceConfig
from ranet.datasets.frames import ImageFrames
from ranet.datasets.image_io import MaskReader, image_size, marks_reader, read_marks
from ranet.datasets.index import VideoSequence, choose_resolution, find_set_file, index_davis
from ranet.datasets.labels import checked_labels, naming_mask
from ranet.device import device_name, peak_memory, reset_peak_memory
from ranet.errors import ConfigError, DataError, OutputError
from ranet.files import check_outside, stored_path, write_json
from ranet.inference.network import CHANGES_NO_MASK
from ranet.inference.results import Report, ResultsFolder, opened_results
from ranet.inference.running import progress_bar
from ranet.inference.sequences import CopyFirstMask, Job, Timing, segment
from ranet.inference.tracker import Tracker
from ranet.interrupt import StopRequest
from ranet.methods.checkpoints import checkpoint_file, fingerprint, load_checkpoint
from ranet.metrics import DavisResult, evaluate_davis
from ranet.provenance import revision, versions
from ranet.wording import bullets, count, some_of

if TYPE_CHECKING:
    from ranet.tables.published import PublishedResult

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

    tracker: Tracker | CopyFirstMask
    settings: dict[str, Any]
    inference: InferenceConfig | None = None
    """As configured, with what is left to the network filled in; None: nothing is."""
    checkpoint: Path | None = None
    stages: Sequence[dict[str, Any]] = ()
    """How the network was trained, see :mod:`ranet.methods.checkpoints`."""


def network(config: EvalConfig, checkpoint: Path) -> Method:
    """The network in ``checkpoint``, a file or a name.

    Raises:
        CheckpointError: the file is no checkpoint, or does not fit.
        ConfigError: the machine lacks the configured device.
    """
    checkpoint = checkpoint_file(checkpoint)
    model = load_checkpoint(checkpoint, config.released_objects)
    settings = {
        "method": model.label,
        "architecture": model.architecture,
        "checkpoint_sha256": fingerprint(checkpoint),
    }
    tracker = Tracker(model, config.inference)
    return Method(tracker, settings, tracker.config, checkpoint, model.stages)


def copying() -> Method:
    """The baseline: every frame gets the first mask."""
    return Method(CopyFirstMask(), {"method": "copy of the first mask"})


@dataclass(frozen=True)
class Split:
    """What is to be segmented."""

    benchmark: str  # such as "DAVIS-2017 val"
    set_name: str  # such as "val"
    sequences: Sequence[VideoSequence]  # annotated where objects begin
    settings: dict[str, Any]  # how the masks are made, for result.json
    read: MaskReader = read_marks
    wanted: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Frames of a sequence whose masks are written; all, where nothing is told."""
    objects: Mapping[str, Set[int]] = field(default_factory=dict)
    """Those of a sequence, where that is told."""

    @property
    def decisive(self) -> dict[str, Any]:
        """Those of the settings that decide the masks."""
        others = {name: value for name, value in self.settings.items() if name != "set"}
        config = {k: v for k, v in others["config"].items() if CHANGES_NO_RESULT.get(k) is not True}
        inference = {k: v for k, v in config["inference"].items() if k not in CHANGES_NO_MASK}
        return {**others, "config": {**config, "inference": inference}}

    def written(self, sequence: VideoSequence) -> Sequence[str]:
        """Names of the frames of a sequence whose masks are written."""
        return self.wanted.get(sequence.name) or [frame.stem for frame in sequence.frames]

    def job(self, sequence: VideoSequence, masks: Path, group: Any) -> Job:
        """A sequence whose masks are to appear in a folder below ``masks``."""
        pairs = zip(sequence.frames, sequence.annotations, strict=True)
        marks = {frame.stem: mask for frame, mask in pairs if mask is not None}
        name, frames = sequence.name, ImageFrames(sequence.frames)
        return Job(name, frames, marks, masks / name, self.read, self.written(sequence), group)


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
    needs_scores: bool = True,
    stop: StopRequest | None = None,
) -> Report:
    """Segment the sequences of a DAVIS split, score them, and write everything to ``out``.

    Where sequences have no masks but their first, as in test-dev, the masks are also written as the
    benchmark's server takes them. A GPU's peak of memory, which torch counts for the whole process,
    is counted anew from here on.

    Args:
        config: year, split and resolution.
        method: :func:`network` or :func:`copying`.
        root: the DAVIS tree.
        out: the folder of results, see :mod:`ranet.inference.results`.
        set_file: another list of sequences than the split's.
        overwrite: replace the results in ``out`` if they were made with other settings.
        workers: threads that score.
        batch_videos: how many sequences are followed at the same time.
        needs_scores: a split of which nothing can be scored is an error.
        stop: asks to stop before the next frame.

    Raises:
        ConfigError: several are to be followed at once, but the method cannot do that.
        DataError: of the tree; found before anything is segmented, damaged files apart.
        OutputError: ``out`` cannot be written, holds other results, is written to by another run,
            or lies among the data.
        KeyboardInterrupt: finished sequences are kept.
    """
    if batch_videos > 1 and method.inference is not None and method.inference.online is not None:
        raise ConfigError(
            "With online learning every video has a network of its own: expected one video at a "
            f"time or inference.online=null, found {batch_videos} videos at once."
        )
    check_apart(out, root, ("JPEGImages", "Annotations", "ImageSets"))
    resolution = choose_resolution(root, config.resolution)
    set_file = set_file or find_set_file(root, year=config.year, split=config.split)
    sequences = index_davis(root, year=config.year, set_file=set_file, resolution=config.resolution)
    annotated = {s.name: sum(mask is not None for mask in s.annotations) for s in sequences}
    scorable = max(annotated.values()) >= 3
    if needs_scores and not scorable:
        raise DataError(
            "Nothing could be scored: expected three annotated frames in a sequence, as the first "
            f"and the last do not count, found fewer in {root}."
        )
    if method.inference is not None:
        config = config.model_copy(update={"inference": method.inference})
    names = [sequence.name for sequence in sequences]
    set_name = root.resolve().name if set_file.is_dir() else set_file.stem
    split = Split(
        f"DAVIS-{config.year} {set_name}",
        set_name,
        [
            replace(s, annotations=(s.annotations[0], *[None] * len(s.frames[1:])))
            for s in sequences
        ],
        settings={
            **method.settings,
            "davis": stored_path(root, out),
            "set": {"file": stored_path(set_file, out), "sequences": names},
            "config": config.model_dump(mode="json"),
        },
        read=marks_reader(config.year),
    )
    with segmented_split(split, method, out, overwrite, batch_videos, stop) as results:
        scores = theirs = submission = None
        if scorable:
            truth = root / "Annotations" / resolution
            scores = _scored(truth, config.year, names, results, workers)
            scores.write(out, set_name)
            theirs = _published(config, names)
        else:
            results.remove_scores(set_name)
        if any(annotated[s.name] < 3 <= len(s.frames) for s in sequences):
            submission = results.write_submission(set_name, names)
        return reported_split(split, method, results, scores, theirs, submission)


def check_apart(out: Path, root: Path, parts: Sequence[str]) -> None:
    """Raise OutputError where results would lie among the data; other folders are the user's."""
    if out.resolve() == root.resolve():
        raise OutputError(f"{out} is the tree of the data itself, and no place for results.")
    check_outside(out, [root / part for part in parts])


@contextlib.contextmanager
def segmented_split(
    split: Split,
    method: Method,
    out: Path,
    overwrite: bool,
    at_once: int = 1,
    stop: StopRequest | None = None,
) -> Iterator[ResultsFolder]:
    """The folder of results with the masks of all sequences; those that it lacked are made."""
    tracker, beginnings = method.tracker, _checked_marks(split)
    total = count(split.sequences, "sequence")
    with opened_results(out, split.decisive, overwrite=overwrite) as results:
        unfinished = [
            s for s in split.sequences if not results.is_finished(s.name, split.written(s))
        ]
        done = len(split.sequences) - len(unfinished)
        if done:
            _logger.info("%d of %s finished already, kept", done, total)
        groups: dict[Any, list[VideoSequence]] = {}
        for sequence in unfinished:
            group = tracker.group(*beginnings[sequence.name]) if at_once > 1 else None
            groups.setdefault(group, []).append(sequence)
        jobs = (split.job(s, results.masks, group) for group in groups for s in groups[group])
        code = revision()  # now: files that change during the work are not what runs
        reset_peak_memory(tracker.device)

        def before_frames(number: int) -> None:
            if stop is not None and stop.requested:
                raise KeyboardInterrupt
            progress.update(number)

        try:
            with (
                progress_bar("segmenting", sum(len(s.frames) for s in unfinished)) as progress,
                contextlib.closing(segment(tracker, jobs, at_once, before_frames)) as segmented,
            ):
                for job, timing in segmented:
                    results.add_timing(job.name, _complete(timing, method, code))
                    done += 1
                    frames = len(timing.step_ms) + 1
                    place = f"{done}/{len(split.sequences)} {job.name}"
                    ms = timing.total_ms / frames
                    _logger.info("%s: %s, %.0f ms a frame", place, count(frames, "frame"), ms)
            yield results
        except KeyboardInterrupt:
            _logger.info("%d of %s finished and kept in %s", done, total, results.path)
            if stop is None:  # who asks to stop says how to go on
                _logger.info("the same command goes on where this one ended")
            raise


def _complete(timing: Timing, method: Method, code: str) -> Timing:
    """The times of a sequence that has just ended, and where they were taken."""
    device = method.tracker.device
    peak_bytes, counted = peak_memory(device) or (None, None)
    return replace(
        timing,
        device=device_name(device),
        ways=list(method.tracker.ways),
        peak_bytes=peak_bytes,
        memory_counted=counted,
        revision=code,
    )


def _checked_marks(split: Split) -> dict[str, tuple[tuple[int, int], int]]:
    """The size of the frames of each sequence, and with how many objects it begins, by name.

    Raises:
        DataError: some could not be segmented; all of them are named.
    """
    found, problems, unmarked = {}, [], []
    for sequence in split.sequences:
        ids: set[int] = set()
        for frame, mask in zip(sequence.frames, sequence.annotations, strict=True):
            if mask is None:
                continue
            try:
                with warnings.catch_warnings(action="ignore"):  # told when it is segmented
                    labels = split.read(mask)
                size = image_size(frame)
                with naming_mask(mask, "mask" if ids else "first mask"):
                    ids.update(checked_labels(labels, size)[1])
                found.setdefault(sequence.name, (size, len(ids)))
            except DataError as error:
                problems.append(str(error))
                break
        if missing := split.objects.get(sequence.name, set()) - ids:
            unmarked.append(f"{some_of(sorted(map(str, missing)))} of {sequence.name}")
    if problems:
        raise DataError(
            f"{len(problems)} of {count(split.sequences, 'sequence')} cannot be segmented:\n"
            + bullets(problems)
        )
    if unmarked:
        warnings.warn(
            "No mask marks these objects, which meta.json lists and which are not followed: "
            f"{some_of(unmarked)}.",
            UserWarning,
            stacklevel=2,
        )
    return found


def _scored(
    truth: Path, year: int, names: Sequence[str], results: ResultsFolder, workers: int
) -> DavisResult:
    """The scores of the masks; says what to do where masks of an earlier run are damaged."""
    try:
        return evaluate_davis(truth, results.masks, year=year, sequences=names, workers=workers)
    except DataError as error:
        if str(results.masks) not in str(error):
            raise
        raise DataError(
            f"{error} The same command segments the sequence again if its folder is deleted."
        ) from error


def _published(config: EvalConfig, sequences: Sequence[str]) -> "PublishedResult | None":
    """The paper's row, if these sequences are of the split that it was measured on."""
    from ranet.tables.published import published, published_result

    split = published().splits.get(f"{config.year} {config.split}", ())
    if not set(sequences) <= set(split):
        return None
    return published_result(config.year, config.split, online=config.inference.online is not None)


def reported_split(
    split: Split,
    method: Method,
    results: ResultsFolder,
    scores: DavisResult | None = None,
    theirs: "PublishedResult | None" = None,
    submission: Path | None = None,
) -> Report:
    """What there is to tell, which is also written."""
    names = [sequence.name for sequence in split.sequences]
    timings = {name: timing for name, timing in results.timings().items() if name in names}
    report = Report(split.benchmark, names, timings, scores, theirs, submission)
    write_json(
        results.path / "result.json",
        {
            "set": split.set_name,
            **report.as_json(),
            "submission": submission and submission.name,
            "checkpoint": method.checkpoint and stored_path(method.checkpoint, results.path),
            "stages": list(method.stages),
            "settings": split.settings,
            "versions": versions(),
        },
    )
    return report
