"""The results of a split: the folder that they are in, and what is told of them.

========================  =========================================================================
settings.json             what decides the results; a run with anything else is refused
masks/<sequence>/         the masks of a finished sequence, one indexed PNG a frame
timing.json               of each finished sequence: times, frame by frame, device, memory, revision
result.json               everything in one: scores, times, memory, settings, versions
davis.json, two CSVs      the scores in full, and as the official tool writes them
submission-<set>.zip      the masks as a benchmark's server takes them, where not all can be scored
========================  =========================================================================

A sequence's masks appear when all are written, so whatever stops a run, the same command goes on
after the last finished sequence.
"""

import contextlib
import json
import shutil
import statistics
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ranet.errors import OutputError
from ranet.files import (
    atomic_path,
    make_folder,
    output_errors,
    read_path,
    remove_leftovers,
    write_json,
)
from ranet.inference.sequences import Timing
from ranet.lock import only_writer
from ranet.metrics import DavisResult, score_files
from ranet.wording import aligned_table, count, differences, some_of

if TYPE_CHECKING:
    from ranet.tables.published import PublishedResult

WRITTEN_BY = "ranet.inference.run"
"""Marks our settings.json: only what lies beside one is ever replaced."""

WARM_UP_STEPS = 1
"""Steps at the start of every sequence that are not timed: memory and kernels are chosen there."""

_MISSING = "–"


@contextlib.contextmanager
def opened_results(
    path: Path, settings: dict[str, Any], *, overwrite: bool = False
) -> Iterator["ResultsFolder"]:
    """Such a folder, for one set of settings, which no other run writes to meanwhile.

    Args:
        path: the folder.
        settings: all that the results depend on, as JSON holds it.
        overwrite: remove the results that a run with other settings left there.

    Raises:
        OutputError: the folder holds other results, cannot be written, or another run does so now.
    """
    with only_writer(path, make_folder(path) / ".lock"):
        results = ResultsFolder(path)
        results.claim({"written_by": WRITTEN_BY, **json.loads(json.dumps(settings))}, overwrite)
        remove_leftovers(results.masks)
        yield results


class ResultsFolder:
    """Such a folder; made by :func:`opened_results`."""

    def __init__(self, path: Path) -> None:
        self.path, self.masks = path, path / "masks"
        self._timing, self._settings = path / "timing.json", path / "settings.json"

    def claim(self, settings: dict[str, Any], overwrite: bool) -> None:
        """Take the folder for results of these settings; see :func:`opened_results`."""
        if not self._settings.exists():
            self._check_free()
        elif changed := list(differences(self._read_settings(), settings)):
            if not (overwrite or _only_moved(changed, self.path)):
                lines = [f"  {name}: {old!r} there, {new!r} now" for name, old, new in changed]
                raise OutputError(
                    f"{self.path} holds results made with other settings, which --overwrite would "
                    "replace:\n" + "\n".join(lines)
                )
            if not _only_moved(changed, self.path):
                self._remove_results()
        else:
            return
        write_json(self._settings, settings)

    def is_finished(self, sequence: str, frames: Iterable[str]) -> bool:
        """Whether there is a mask for each of these frames of a sequence, and nothing else."""
        folder = self.masks / sequence
        expected = {f"{frame}.png" for frame in frames}
        return folder.is_dir() and {path.name for path in folder.iterdir()} == expected

    def timings(self) -> dict[str, Timing]:
        """How long the sequences took that were segmented so far, by name."""
        if not self._timing.exists():
            return {}
        return {name: Timing(**times) for name, times in _read(self._timing).items()}

    def add_timing(self, name: str, timing: Timing) -> None:
        """Note how long a sequence took."""
        timings = {**self.timings(), name: timing}
        write_json(self._timing, {name: asdict(times) for name, times in timings.items()})

    def write_submission(self, set_name: str, sequences: Sequence[str], top: str = "") -> Path:
        """Write the masks of finished sequences as one file, in a folder ``top`` or in none."""
        path = self.path / f"submission-{set_name}.zip"
        with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            for sequence in sequences:
                for mask in sorted((self.masks / sequence).iterdir()):
                    archive.write(mask, Path(top, sequence, mask.name))
        return path

    def remove_scores(self, set_name: str) -> None:
        """Remove what an earlier run scored of a set that can no longer be scored."""
        with output_errors(self.path):
            for path in score_files(self.path):
                if path.name.endswith(("davis.json", f"_results-{set_name}.csv")):
                    path.unlink(missing_ok=True)

    def _read_settings(self) -> dict[str, Any]:
        settings = _read(self._settings)
        if not isinstance(settings, dict) or settings.get("written_by") != WRITTEN_BY:
            raise OutputError(
                f"{self._settings} was not written by this program: nothing there is touched."
            )
        return settings

    def _check_free(self) -> None:
        """Nothing may be there that could be taken for ours, or be replaced by ours."""
        found = [path.name for path in (self.masks, *self._files()) if path.exists()]
        if found:
            raise OutputError(
                f"{self.path} holds {', '.join(found)}, but no {self._settings.name} that says "
                "what made them."
            )

    def _remove_results(self) -> None:
        """Remove all but the settings: until all is gone, what is left still belongs to them."""
        with output_errors(self.path):
            for path in self._files():
                path.unlink(missing_ok=True)
            if self.masks.exists():
                shutil.rmtree(self.masks)

    def _files(self) -> list[Path]:
        """The files that hold results, there or not."""
        submissions = self.path.glob("submission-*.zip")
        return [self.path / "result.json", *score_files(self.path), *submissions, self._timing]


def _only_moved(changed: list[tuple[str, Any, Any]], folder: Path) -> bool:
    """Whether nothing has changed but where the data lie, which are no longer where they were."""
    ((name, before, _), *others) = changed
    return (
        name in ("davis", "youtube_vos") and not others and not read_path(before, folder).exists()
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OutputError(
            f"Cannot read {path}, which belongs to the results in that folder: {error}."
        ) from error


@dataclass(frozen=True)
class Report:
    """What there is to tell about a split."""

    benchmark: str
    """Such as ``DAVIS-2017 val``."""
    sequences: Sequence[str]
    """Names of those that were segmented."""
    timings: Mapping[str, Timing]
    """Of those that were timed, by name."""
    scores: DavisResult | None = None
    """None: nothing of it can be scored."""
    published: "PublishedResult | None" = None
    submission: Path | None = None
    """The masks in one file, where not all can be scored."""

    @property
    def device(self) -> str:
        """What the sequences ran on, which may be several if a run was interrupted."""
        names = dict.fromkeys(timing.device for timing in self.timings.values() if timing.device)
        return " and ".join(names) or "unknown device"

    @property
    def revisions(self) -> list[str]:
        """The code that segmented the sequences: several if it changed during the work."""
        return list(dict.fromkeys(t.revision or "unknown" for t in self.timings.values()))

    @property
    def ways(self) -> list[str]:
        """How the sequences' steps were computed: several if a run went on in another way."""
        told = (
            "unknown" if t.ways is None else " and ".join(t.ways) or "plain"
            for t in self.timings.values()
        )
        return list(dict.fromkeys(told))

    @property
    def memory(self) -> tuple[int, str] | None:
        """Peak memory: bytes, and what was counted; None if it was not measured."""
        peaks = [(t.peak_bytes, t.memory_counted) for t in self.timings.values() if t.peak_bytes]
        return max(peaks, default=None)

    @property
    def times(self) -> dict[str, float | int | None]:
        """See :func:`summarise_times`."""
        return summarise_times(self.timings.values())

    @property
    def unscored(self) -> list[str]:
        """Names of the sequences without a score."""
        videos = self.scores.videos if self.scores else {}
        return [n for n in self.sequences if n not in videos or len(videos[n].frames) < 3]

    def __str__(self) -> str:
        scores, published = self.scores, self.published
        facts = [count(self.sequences, "sequence")]
        if scores:
            facts += [count(scores.objects, "object"), count(scores.scored_frames, "scored frame")]
        title = f"{self.benchmark}: {', '.join(facts)}; {self.device}"
        theirs = published.measures if published else {}
        rows = [("", published.source if published else "", "ours")]
        for name, value in (scores.averages if scores else {}).items():
            paper = f"{100 * theirs[name]:.1f}" if name in theirs else ""
            rows.append((name, paper, f"{100 * value:.1f}"))
        rows += self._time_rows()
        memory = _MISSING if self.memory is None else f"{self.memory[0] / 2**20:.0f} MiB"
        rows.append(("peak memory", "", memory))
        return "\n".join([title, "", *aligned_table(rows), "", *self._notes()])

    def _time_rows(self) -> list[tuple[str, str, str]]:
        times = self.times
        theirs = self.published.ms if self.published else None
        paper = "" if theirs is None else f"{theirs:.1f}"

        def row(what: str, name: str, paper: str = "") -> tuple[str, str, str]:
            ms = times[name]
            return f"ms a frame, {what}", paper, _MISSING if ms is None else f"{ms:.1f}"

        if not times["online_ms"]:
            steps = [row("network step", "step_ms", paper)]
        else:
            steps = [
                row("network step", "step_ms"),
                row("online learning", "online_ms"),
                row("both", "frame_ms", paper),
            ]
        return [*steps, row("end to end", "end_to_end_ms")]

    def _notes(self) -> list[str]:
        notes = [
            f"network step: median of {self.times['timed_steps']} frames, from frame to labels, "
            "synchronised, without decoding and writing;",
        ]
        if (at_once := self.times["videos_at_once"] or 1) > 1:
            notes.append(
                f"{at_once:.1f} videos were followed at once, on average: a frame's time is its "
                "share, which tells the throughput;"
            )
        if self.times["online_ms"]:
            notes.append("online learning: before each video, spread over its frames;")
        notes.append(
            f"end to end: mean of {self.times['frames']} frames with decoding and writing."
        )
        if self.memory:
            notes.append(f"peak memory: {self.memory[1]}.")
        if len(self.revisions) > 1:
            notes.append(
                f"The masks were made by the revisions {' and '.join(self.revisions)} of the code."
            )
        if len(self.ways) > 1:
            notes.append(
                f"The masks were computed in different ways ({', '.join(self.ways)}), which round "
                "differently."
            )
        if self.published:
            notes += self.published.caveats(len(self.sequences) - len(self.unscored))
        if self.scores is None:
            notes.append("Nothing can be scored: there are no masks but those that were given.")
        elif self.unscored:
            notes.append(f"Not scored, as they have no three masks: {some_of(self.unscored)}.")
        if self.submission:
            notes.append(f"All masks, to be sent to the benchmark's server: {self.submission}")
        return notes

    def as_json(self) -> dict[str, Any]:
        """Scores, times and memory."""
        videos = self.scores.videos if self.scores else {}
        sequences = {
            name: {
                "objects": {
                    str(label): {"J-Mean": scores.J.mean, "F-Mean": scores.F.mean}
                    for label, scores in (videos[name].objects if name in videos else {}).items()
                },
                "times": summarise_times([self.timings[name]]) if name in self.timings else None,
            }
            for name in self.sequences
        }
        memory = self.memory and {"peak_bytes": self.memory[0], "counted": self.memory[1]}
        return {
            "global": self.scores and self.scores.averages,
            "published": self.published and asdict(self.published),
            "sequences": sequences,
            "times": self.times,
            "memory": memory,
            "device": self.device,
            "revision": " and ".join(self.revisions),
            "computed": self.ways,
        }


def summarise_times(timings: Iterable[Timing]) -> dict[str, float | int | None]:
    """Milliseconds a frame over some videos.

    Returns:
        ``step_ms``, the median step after warm-up (None if no step is left), of ``timed_steps``;
        ``videos_at_once``, over which the time of such a step was divided, on average;
        ``online_ms``, online learning spread over all frames, and ``frame_ms``, both together;
        ``end_to_end_ms``, the mean frame with everything, of ``frames`` (None if there is none).
    """
    timings = list(timings)
    steps = [ms for timing in timings for ms in timing.step_ms[WARM_UP_STEPS:]]
    at_once = [t.videos_at_once for t in timings for _ in t.step_ms[WARM_UP_STEPS:]]
    frames = sum(len(timing.step_ms) + 1 for timing in timings)  # the first frame has no step
    step_ms = statistics.median(steps) if steps else None
    online_ms = sum(t.online_ms for t in timings) / frames if frames else None
    return {
        "step_ms": step_ms,
        "timed_steps": len(steps),
        "videos_at_once": statistics.fmean(at_once) if at_once else None,
        "online_ms": online_ms,
        "frame_ms": None if step_ms is None else step_ms + online_ms,
        "end_to_end_ms": sum(t.total_ms for t in timings) / frames if frames else None,
        "frames": frames,
    }
