"""What folders of results tell: the scores, and as far as it is there how they came about.

Every folder has ``davis.json``, which :meth:`ranet.metrics.DavisResult.write` writes. One of
``scripts/eval_davis.py`` has ``result.json`` and ``timing.json`` besides, and its masks.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ranet.errors import ConfigError, DataError
from ranet.metrics import DavisResult, Measure, ObjectResult, VideoResult
from ranet.metrics.result import average
from ranet.tables.published import PublishedResult, published, published_result
from ranet.visual.plots import COLOURS
from ranet.wording import count, distinct_ends, some_of

_Content = TypeVar("_Content")


@dataclass(frozen=True)
class Run:
    """The results in one folder."""

    name: str
    """What it is called in the report."""
    folder: Path
    set_name: str
    """Of the set of sequences."""
    scores: DavisResult
    published: PublishedResult | None
    """The paper's numbers for these sequences."""
    times: Mapping[str, Any]
    """Milliseconds a frame as ``result.json`` has them; empty if unknown."""
    sequence_times: Mapping[str, Mapping[str, Any]]
    """The same by sequence, of those that were timed."""
    step_ms: Mapping[str, Sequence[float]]
    """Each step of a sequence: all frames but the first."""
    frames: Path | None
    """The folder with a folder of frames per sequence; None if the results do not tell."""
    facts: Mapping[str, Any]
    """Configuration, revision, device and whatever else is known; as JSON."""

    @property
    def masks(self) -> Path:
        """The predictions: where this folder has them, otherwise where they were scored."""
        inside = self.folder / "masks"
        return inside if inside.is_dir() else self.scores.predictions

    @property
    def online(self) -> bool:
        """Whether it is with online learning, as far as is known."""
        inference = self.facts.get("settings", {}).get("config", {}).get("inference", {})
        return inference.get("online") is not None

    def sequence_scores(self, name: str) -> dict[str, float] | None:
        """The seven numbers of a sequence over its objects; None where nothing is scored."""
        video = self.scores.videos.get(name)
        scored = [one for one in video.objects.values() if one.is_scored] if video else []
        return average(scored) if scored else None

    def overall(self, name: str) -> float | None:
        """J&F-Mean of a sequence; None where nothing is scored."""
        scores = self.sequence_scores(name)
        return scores and scores["J&F-Mean"]


def gain(first: Run, other: Run, name: str) -> float | None:
    """How much larger the other run's J&F-Mean of a sequence is; None if one has none."""
    before, now = first.overall(name), other.overall(name)
    return None if before is None or now is None else now - before


def read_runs(folders: Sequence[Path], names: Sequence[str] | None = None) -> list[Run]:
    """The results in some folders, which can be compared.

    Args:
        folders: as ``scripts/eval_davis.py`` or ``scripts/evaluate.py`` wrote them.
        names: what to call them; None: like the folders, as far as it takes to tell them apart.

    Raises:
        DataError: a folder holds no results, or they are not of the same sequences' same frames.
        ConfigError: too many folders, one given twice, or names that do not tell them apart.
    """
    _check_folders(folders)
    names = distinct_ends([f.resolve() for f in folders]) if names is None else names
    _check_names(names, folders)
    runs = [_read_run(folder, name) for folder, name in zip(folders, names, strict=True)]
    for other in runs[1:]:
        _check_comparable(runs[0], other)
    return runs


def papers(runs: Sequence[Run]) -> dict[str, PublishedResult]:
    """The paper's rows that the runs can stand beside, by what they are called."""
    return {
        run.published.source + (", online learning" if run.online else ""): run.published
        for run in runs
        if run.published
    }


def sequences_of(runs: Sequence[Run]) -> list[str]:
    """Names of all sequences that some run has scored: best first, by the first run that has it."""

    names = dict.fromkeys(name for run in runs for name in run.scores.videos)
    overall = {name: [run.overall(name) for run in runs] for name in names}
    firsts = {
        name: next((v for v in values if v is not None), None) for name, values in overall.items()
    }
    scored = [name for name in names if firsts[name] is not None]
    return sorted(scored, key=lambda name: firsts[name], reverse=True)


def _check_folders(folders: Sequence[Path]) -> None:
    if not 1 <= len(folders) <= len(COLOURS):
        raise ConfigError(
            f"A report is of 1 to {len(COLOURS)} folders of results, which is how many colours can "
            f"be told apart, but {len(folders)} were given. Make several reports."
        )
    places = [folder.resolve() for folder in folders]
    twice = [str(f) for f, place in zip(folders, places, strict=True) if places.count(place) > 1]
    if twice:
        raise ConfigError(f"Expected different folders to compare, but {twice[0]} is given twice.")


def _check_names(names: Sequence[str], folders: Sequence[Path]) -> None:
    if len(names) != len(folders) or len(set(names)) != len(names):
        raise ConfigError(
            f"Expected {count(folders, 'name')}, one for each folder of results and all different, "
            f"but found {', '.join(map(repr, names))}."
        )


def _read_run(folder: Path, name: str) -> Run:
    scored = folder / "davis.json"
    if not scored.is_file():
        raise DataError(
            f"No davis.json in {folder}: expected a folder that scripts/eval_davis.py or "
            "scripts/evaluate.py wrote with --out, and finished. Check the path, or run it again."
        )
    scores, set_name = _parsed(scored, lambda davis: (_scores(davis), davis["settings"]["set"]))
    result = _parsed(folder / "result.json", lambda content: _result(content, scores))
    timing = _parsed(
        folder / "timing.json",
        lambda content: {key: tuple(times["step_ms"]) for key, times in content.items()},
    )
    facts = {"year": scores.year, "set": set_name}
    unknown = {
        "published": _published(scores),
        "times": {},
        "sequence_times": {},
        "frames": None,
        "facts": {"scored": facts},
    }
    return Run(
        name=name,
        folder=folder,
        set_name=set_name,
        scores=scores,
        step_ms=timing or {},
        **(result or unknown),
    )


def _parsed(path: Path, parse: Callable[[Any], _Content]) -> _Content | None:
    """What ``parse`` makes of a JSON file; None if there is no such file."""
    if not path.exists():
        return None
    try:
        return parse(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is not what this project writes into a folder of results "
            f"({type(error).__name__}: {error}). Score the masks again."
        ) from error


def _scores(davis: Mapping[str, Any]) -> DavisResult:
    """The inverse of :meth:`DavisResult.write`."""
    videos = {
        name: VideoResult(
            frames=tuple(davis["frames"][name]),
            objects={
                int(label): ObjectResult(J=_measure(one["J"]), F=_measure(one["F"]))
                for label, one in objects.items()
            },
        )
        for name, objects in davis["sequences"].items()
    }
    settings = davis["settings"]
    places = Path(settings["annotations"]), Path(settings["predictions"])
    return DavisResult(settings["year"], *places, videos)


def _measure(values: Mapping[str, Any]) -> Measure:
    return Measure(**{**values, "per_frame": tuple(values["per_frame"])})


def _result(content: Mapping[str, Any], scores: DavisResult) -> dict[str, Any]:
    """The fields of a :class:`Run` that ``result.json`` tells."""
    theirs = content["published"]
    sequences = {name: one["times"] for name, one in content["sequences"].items() if one["times"]}
    told = ("revision", "device", "memory", "checkpoint", "stages", "settings", "versions")
    return {
        "published": theirs and PublishedResult(**theirs),
        "times": content["times"],
        "sequence_times": sequences,
        # The annotations lie in the folder of the resolution that the frames were read from.
        "frames": Path(content["settings"]["davis"]) / "JPEGImages" / scores.annotations.name,
        "facts": {key: content[key] for key in told if key in content},
    }


def _published(scores: DavisResult) -> PublishedResult | None:
    """The paper's row for masks of unknown origin: without online learning."""
    for benchmark, names in published().splits.items():
        year, split = benchmark.split()
        if int(year) == scores.year and scores.videos.keys() <= set(names):
            return published_result(scores.year, split, online=False)
    return None


def _check_comparable(first: Run, other: Run) -> None:
    """Numbers can stand beside each other if they are of the same frames and objects."""
    if first.scores.year != other.scores.year:
        raise DataError(
            f"{first.folder} was scored by the rules of {first.scores.year} and {other.folder} by "
            f"those of {other.scores.year}: these numbers cannot be compared. Score both alike."
        )
    ours, theirs = first.scores.videos, other.scores.videos
    common = [name for name in ours if name in theirs]
    if not common:
        raise DataError(f"{first.folder} and {other.folder} have no sequence in common.")
    differing = [
        name
        for name in common
        if ours[name].frames != theirs[name].frames
        or ours[name].objects.keys() != theirs[name].objects.keys()
    ]
    if differing:
        raise DataError(
            f"{first.folder} and {other.folder} were scored with different annotations: other "
            f"frames or objects in {some_of(differing)}. Score both with the same annotations."
        )
