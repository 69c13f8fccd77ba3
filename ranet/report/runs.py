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
from ranet.files import read_path
from ranet.metrics import DavisResult, Measure, ObjectResult, VideoResult
from ranet.metrics.result import average
from ranet.tables.published import PublishedResult
from ranet.visual.plots import COLOURS
from ranet.wording import count, distinct_ends, some_of

_Content = TypeVar("_Content")

_HAS_ITS_PLACE = {"set", "global", "published", "sequences", "times"}
"""Entries of ``result.json`` that the page shows elsewhere; all others stand in its last table."""


@dataclass(frozen=True)
class Run:
    """The results in one folder."""

    name: str
    """What it is called in the report."""
    folder: Path
    set_name: str
    """What the set of sequences is called."""
    scores: DavisResult
    published: PublishedResult | None
    """What a paper gives for these sequences, if ``result.json`` has it."""
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

    def sequence_scores(self, name: str) -> dict[str, float] | None:
        """The seven numbers of a sequence over its objects; None where nothing is scored."""
        video = self.scores.videos.get(name)
        scored = [one for one in video.objects.values() if one.is_scored] if video else []
        return average(scored) if scored else None

    def overall(self, name: str) -> float | None:
        """J&F-Mean of a sequence; None where nothing is scored."""
        scores = self.sequence_scores(name)
        return scores and scores["J&F-Mean"]


def read_runs(folders: Sequence[Path], names: Sequence[str] | None = None) -> list[Run]:
    """The results in some folders, which can be compared.

    Args:
        folders: as ``scripts/eval_davis.py`` or ``scripts/evaluate.py`` wrote them.
        names: what to call them; None: like the folders, as far as it takes to tell them apart.

    Raises:
        DataError: a folder holds no results, or they are not of the same sequences' same frames.
        ConfigError: too many folders, one given twice, or names that do not tell them apart.
    """
    if not 1 <= len(folders) <= len(COLOURS):
        raise ConfigError(
            f"A report compares 1 to {len(COLOURS)} folders of results, but {len(folders)} were "
            "given."
        )
    places = [folder.resolve() for folder in folders]
    if twice := [place for place in places if places.count(place) > 1]:
        raise ConfigError(f"The folder {twice[0]} is given twice.")
    names = distinct_ends(places) if names is None else names
    if len(names) != len(folders) or len(set(names)) != len(names):
        raise ConfigError(
            f"Expected {count(folders, 'name')}, all different, but found {', '.join(names)}."
        )
    runs = [_read_run(folder, name) for folder, name in zip(folders, names, strict=True)]
    for other in runs[1:]:
        _check_comparable(runs[0], other)
    return runs


def sequences_of(runs: Sequence[Run]) -> list[str]:
    """Names of all sequences that some run has scored: best first, by the first run that has it."""
    best = {}
    for run in runs:
        for name in run.scores.videos:
            score = run.overall(name)
            if score is not None:
                best.setdefault(name, score)
    return sorted(best, key=best.__getitem__, reverse=True)


def gain(first: Run, other: Run, name: str) -> float | None:
    """How much larger the other run's J&F-Mean of a sequence is; None if one has none."""
    before, now = first.overall(name), other.overall(name)
    return None if before is None or now is None else now - before


def published_results(runs: Sequence[Run]) -> list[PublishedResult]:
    """Those of the runs, each once."""
    found: list[PublishedResult] = []
    for run in runs:
        if run.published and run.published not in found:
            found.append(run.published)
    return found


def _read_run(folder: Path, name: str) -> Run:
    davis = _parsed(
        folder / "davis.json", lambda davis: (_scores(davis, folder), davis["settings"]["set"])
    )
    if davis is None and (folder / "result.json").exists():
        raise DataError(f"{folder} has no scores to show: its masks could not be scored.")
    if davis is None:
        raise DataError(
            f"No davis.json in {folder}, which ranet eval-davis and ranet evaluate write with "
            "--out."
        )
    scores, set_name = davis
    known = _parsed(folder / "result.json", lambda content: _known(content, scores, folder))
    step_ms = _parsed(
        folder / "timing.json",
        lambda content: {name: tuple(times["step_ms"]) for name, times in content.items()},
    )
    unknown = {
        "published": None,
        "times": {},
        "sequence_times": {},
        "frames": None,
        "facts": {"scored": {"year": scores.year, "set": set_name}},
    }
    return Run(
        name=name,
        folder=folder,
        set_name=set_name,
        scores=scores,
        step_ms=step_ms or {},
        **(known or unknown),
    )


def _parsed(path: Path, parse: Callable[[Any], _Content]) -> _Content | None:
    """What ``parse`` makes of a JSON file; None if there is no such file."""
    if not path.exists():
        return None
    try:
        return parse(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is not what this project writes ({type(error).__name__}: {error})."
        ) from error


def _scores(davis: Mapping[str, Any], folder: Path) -> DavisResult:
    """The inverse of :meth:`DavisResult.write`."""

    def measure(values: Mapping[str, Any]) -> Measure:
        return Measure(**{**values, "per_frame": tuple(values["per_frame"])})

    videos = {
        name: VideoResult(
            frames=tuple(davis["frames"][name]),
            objects={
                int(label): ObjectResult(J=measure(one["J"]), F=measure(one["F"]))
                for label, one in objects.items()
            },
        )
        for name, objects in davis["sequences"].items()
    }
    settings = davis["settings"]
    annotations, predictions = (
        read_path(settings[name], folder) for name in ("annotations", "predictions")
    )
    return DavisResult(settings["year"], annotations, predictions, videos)


def _known(content: Mapping[str, Any], scores: DavisResult, folder: Path) -> dict[str, Any]:
    """The fields of a :class:`Run` that ``result.json`` tells."""
    published, sequences = content["published"], content["sequences"]
    return {
        "published": published and PublishedResult(**published),
        "times": content["times"],
        "sequence_times": {n: one["times"] for n, one in sequences.items() if one["times"]},
        "frames": _frames(read_path(content["settings"]["davis"], folder), scores.annotations),
        "facts": {key: value for key, value in content.items() if key not in _HAS_ITS_PLACE},
    }


def _frames(davis: Path, annotations: Path) -> Path:
    """The frames: in the folder of the annotations' resolution, where the tree has resolutions."""
    frames = davis / "JPEGImages"
    return frames if annotations.name == "Annotations" else frames / annotations.name


def _check_comparable(first: Run, other: Run) -> None:
    """Numbers can stand beside each other if they are of the same frames and objects."""
    ours, theirs = first.scores.videos, other.scores.videos
    common = ours.keys() & theirs.keys()
    differing = [
        name
        for name in sorted(common)
        if ours[name].frames != theirs[name].frames
        or ours[name].objects.keys() != theirs[name].objects.keys()
    ]
    if first.scores.year != other.scores.year:
        why = f"the rules of {first.scores.year} and of {other.scores.year}"
    elif not common:
        why = "no sequence in common"
    elif differing:
        why = f"other frames or objects in {some_of(differing)}"
    else:
        return
    raise DataError(f"{first.folder} and {other.folder} cannot be compared: {why}.")
