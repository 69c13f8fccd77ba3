"""What ``scripts/eval_davis.py`` has measured: its ``result.json`` files."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ranet.errors import DataError
from ranet.tables.published import published
from ranet.wording import size_text

_NETWORK = "RANet"
"""The method of a result that is a network's; a baseline's is another."""


@dataclass(frozen=True)
class Result:
    """One evaluation of a network.

    Attributes:
        folder: where its files are.
        benchmark: year and split, as in ``"2016 val"``.
        sequences: names of those that were scored.
        measures: as the DAVIS tool calls them; fractions.
        frame_ms: milliseconds a frame, online learning included; None if too short to be timed.
        online: the ``online`` section of the configuration; None: without.
        inference: the rest of the configuration's ``inference`` section.
        architecture: of the network.
        data: kinds of training data, of all stages together.
        stages: names of the training runs, earliest first.
        checkpoint: the file.
        checkpoint_sha256: of the file.
        device: what it ran on.
        videos_at_once: of whose common steps a frame's time is its share, on average.
    """

    folder: Path
    benchmark: str
    sequences: tuple[str, ...]
    measures: Mapping[str, float]
    frame_ms: float | None
    online: Mapping[str, Any] | None
    inference: Mapping[str, Any]
    architecture: Mapping[str, Any]
    data: frozenset[str]
    stages: tuple[str, ...]
    checkpoint: Path
    checkpoint_sha256: str
    device: str
    videos_at_once: float

    @property
    def matching(self) -> str:
        """What stands at the place of the ranking."""
        return self.architecture["matching"]

    @property
    def previous_mask(self) -> bool:
        """Whether the network was trained with previous masks."""
        return self.architecture["previous_mask"]

    @property
    def fully_trained(self) -> bool:
        """On still images and on videos, or it does not tell."""
        return {"static", "video"} <= self.data or "unknown" in self.data

    @property
    def only(self) -> str | None:
        """The only kind of data it was trained on, if that is known and there is but one."""
        return next(iter(self.data)) if self.data in ({"static"}, {"video"}) else None

    @property
    def subset(self) -> str:
        """``"10 of 20 sequences"``; empty if all of the split were scored."""
        of = len(published().splits[self.benchmark])
        return "" if len(self.sequences) == of else f"{len(self.sequences)} of {of} sequences"

    def percent(self, measure: str) -> str:
        """A measure as the paper prints it."""
        return f"{100 * self.measures[measure]:.1f}"


def find_results(folders: Iterable[Path]) -> tuple[list[Result], dict[Path, str]]:
    """All results in or below some folders.

    Returns:
        The results, by folder; and why the others cannot stand in a table of the paper.

    Raises:
        DataError: a folder is missing or holds no result, or a file is no result.
    """
    found, unfit = {}, {}
    for folder in folders:
        for path in _result_files(folder):
            result = _read(path)
            if isinstance(result, Result):
                found[path.resolve()] = result
            else:
                unfit[path.parent] = result
    return [found[path] for path in sorted(found)], unfit


def _result_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DataError(
            f"No folder of results at {folder}. Expected what scripts/eval_davis.py --out wrote, "
            "or a folder above several of these."
        )
    files = sorted(folder.rglob("result.json"))
    if not files:
        raise DataError(
            f"No result.json in or below {folder}. scripts/eval_davis.py writes it when a split is "
            "finished: run it to the end, or name another folder."
        )
    return files


def _read(path: Path) -> Result | str:
    """The result in a file, or why it is none of the paper's kind."""
    try:
        content = json.loads(path.read_text())
        return _why_not(content) or _result(path.parent, content)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is not a result of scripts/eval_davis.py ({type(error).__name__}: {error}). "
            "Remove it, or name only the folders of results."
        ) from error


def _benchmark(content: Mapping[str, Any]) -> str:
    config = content["settings"]["config"]
    return f"{config['year']} {config['split']}"


def _why_not(content: Mapping[str, Any]) -> str:
    """Why a result is none of the paper's kind; empty if it is."""
    if content["settings"]["method"] != _NETWORK:
        return f"it is of the {content['settings']['method']}"
    benchmark = _benchmark(content)
    if benchmark not in published().splits:
        return f"the paper has nothing on DAVIS-{benchmark}"
    others = sorted(set(content["sequences"]) - set(published().splits[benchmark]))
    if others:
        return f"DAVIS-{benchmark} has no sequence {', '.join(others[:3])}"
    return ""


def _result(folder: Path, content: Mapping[str, Any]) -> Result:
    settings, times = content["settings"], content["times"]
    inference = settings["config"]["inference"]
    # Results from before there were ablations, online learning and stages lack these.
    architecture = {"matching": "ranking", "previous_mask": True, **settings["architecture"]}
    stages = content.get("stages") or [{"name": "not told", "data": ["unknown"]}]
    return Result(
        folder=folder,
        benchmark=_benchmark(content),
        sequences=tuple(content["sequences"]),
        measures=content["global"],
        frame_ms=times.get("frame_ms", times["step_ms"]),
        online=inference.get("online"),
        inference={name: value for name, value in inference.items() if name != "online"},
        architecture=architecture,
        data=frozenset(kind for stage in stages for kind in stage["data"]),
        stages=tuple(stage["name"] for stage in stages),
        checkpoint=Path(content["checkpoint"]),
        checkpoint_sha256=settings["checkpoint_sha256"],
        device=content["device"],
        videos_at_once=times.get("videos_at_once") or 1.0,
    )


def is_the_papers_network(result: Result) -> bool:
    """Whether nothing was left out of the network or of what it is told: no ablation."""
    return (
        result.matching == "ranking"
        and result.previous_mask
        and result.inference["previous_mask"] != "none"
    )


def describe(result: Result) -> str:
    """A line for below a table: what was measured, and on what."""
    parts = [
        f"{result.checkpoint.name} ({result.architecture['backbone']})",
        f"trained in {' → '.join(result.stages)}",
        f"input {size_text(result.inference['input_size'])}",
        f"{result.device}, {result.inference['dtype']}",
    ]
    if result.videos_at_once > 1:
        parts.append(f"times are throughput, of {result.videos_at_once:.1f} videos at once")
    if result.online is not None:
        parts.append(f"online learning of {result.online['steps']} steps")
    if result.subset:
        parts.append(f"{result.subset} only: not to be compared with the paper's numbers")
    return f"{result.folder}: {'; '.join(parts)}."
