"""The result of a split as a table: the paper's numbers beside ours, times and memory."""

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ranet.inference.sequence import Timing
from ranet.metrics import DavisResult
from ranet.tables.published import PublishedResult
from ranet.wording import aligned_table, count

WARM_UP_STEPS = 1
"""Steps at the start of every sequence that are not timed: memory and kernels are chosen there."""

_MISSING = "–"


@dataclass(frozen=True)
class Report:
    """What there is to tell about a split."""

    set_name: str
    scores: DavisResult
    published: PublishedResult | None
    timings: Mapping[str, Timing]  # of the sequences that were timed, by name

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
        peaks = [
            (timing.peak_bytes, timing.memory_counted)
            for timing in self.timings.values()
            if timing.peak_bytes is not None
        ]
        return max(peaks, default=None)

    @property
    def times(self) -> dict[str, float | int | None]:
        """See :func:`summarise_times`."""
        return summarise_times(self.timings.values())

    def __str__(self) -> str:
        scores, published = self.scores, self.published
        rows = [("", published.source if published else "", "ours"), *self._measures()]
        rows += self._time_rows()
        rows.append(("peak memory", "", self._memory()))
        title = (
            f"DAVIS-{scores.year} {self.set_name}: {count(scores.videos, 'sequence')}, "
            f"{count(scores.objects, 'object')}, {count(scores.scored_frames, 'scored frame')}; "
            f"{self.device}"
        )
        return "\n".join([title, "", *aligned_table(rows), *self._notes()])

    def _measures(self) -> list[tuple[str, str, str]]:
        theirs = self.published.measures if self.published else {}
        return [
            (name, f"{100 * theirs[name]:.1f}" if name in theirs else "", f"{100 * value:.1f}")
            for name, value in self.scores.averages.items()
        ]

    def _time_rows(self) -> list[tuple[str, str, str]]:
        theirs = self.published.ms if self.published else None
        paper = "" if theirs is None else f"{theirs:.1f}"
        end_to_end = ("ms a frame, end to end", "", self._ms("end_to_end_ms"))
        if not self.times["online_ms"]:
            return [("ms a frame, network step", paper, self._ms("step_ms")), end_to_end]
        return [
            ("ms a frame, network step", "", self._ms("step_ms")),
            ("ms a frame, online learning", "", self._ms("online_ms")),
            ("ms a frame, both", paper, self._ms("frame_ms")),
            end_to_end,
        ]

    def _ms(self, name: str) -> str:
        value = self.times[name]
        return _MISSING if value is None else f"{value:.1f}"

    def _memory(self) -> str:
        return _MISSING if self.memory is None else f"{self.memory[0] / 2**20:.0f} MiB"

    def _notes(self) -> list[str]:
        notes = [
            "",
            f"network step: median of {self.times['timed_steps']} frames, from frame to labels, "
            "synchronised, without decoding and writing;",
        ]
        if (at_once := self.times["videos_at_once"] or 1) > 1:
            notes.append(
                f"{at_once:.1f} videos were followed at once, on average: a frame's time is its "
                "share, which tells the throughput; its labels came after that of all together;"
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
                f"The masks were made by the revisions {' and '.join(self.revisions)} of the code, "
                "which may differ: another folder gets all of them from this one."
            )
        if len(self.ways) > 1:
            notes.append(
                f"The masks were computed in different ways ({', '.join(self.ways)}), which round "
                "differently."
            )
        if self.published:
            notes += self.published.caveats(len(self.scores.videos))
        return notes


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
