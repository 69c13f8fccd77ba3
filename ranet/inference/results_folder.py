"""The folder of results of a split: what may be added to it, and what is already there.

=====================  ===========================================================================
settings.json          what the results were made with; a run with anything else is refused
masks/<sequence>/      the masks of a finished sequence, one indexed PNG a frame
timing.json            milliseconds of every frame of the finished sequences
result.json            everything in one: scores, times, memory, settings, versions
davis.json, two CSVs   the scores in full, and as the official tool writes them
=====================  ===========================================================================

A sequence's masks appear when all are written, so whatever stops a run, the same command goes on
after the last finished sequence.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ranet.datasets.index import VideoSequence
from ranet.errors import OutputError
from ranet.files import make_folder, output_errors, write_json
from ranet.inference.sequence import Timing


class ResultsFolder:
    """Such a folder, claimed for one set of settings.

    Args:
        path: the folder; made if missing.
        settings: all that the results depend on, as JSON holds it.
        overwrite: remove what runs with other settings left there.

    Raises:
        OutputError: the folder holds other results, or cannot be written.
    """

    def __init__(self, path: Path, settings: dict[str, Any], *, overwrite: bool = False) -> None:
        self.path = make_folder(path)
        self.masks = path / "masks"
        self._timing = path / "timing.json"
        self._result = path / "result.json"
        self._settings = path / "settings.json"
        if overwrite and self._settings.exists():
            self._remove_results()
        if self._settings.exists():
            as_written = json.loads(json.dumps(settings))  # tuples become lists
            self._check_same(as_written)
        else:
            self._check_free()
            write_json(self._settings, settings)

    def is_finished(self, sequence: VideoSequence) -> bool:
        """Whether there is a mask for every frame of ``sequence``, and nothing else."""
        folder = self.masks / sequence.name
        expected = {f"{frame.stem}.png" for frame in sequence.frames}
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

    def write_result(self, result: dict[str, Any]) -> None:
        """Write the last file of a run."""
        write_json(self._result, result)

    def _check_same(self, settings: dict[str, Any]) -> None:
        differences = list(_differences(_read(self._settings), settings))
        if differences:
            raise OutputError(
                f"{self.path} holds results made with other settings:\n"
                + "\n".join(f"  {line}" for line in differences)
                + "\nChoose another folder with --out, or replace those results with --overwrite."
            )

    def _check_free(self) -> None:
        """Nothing may be there that could be taken for ours, or be replaced by ours."""
        found = [p.name for p in (self.masks, self._timing, self._result) if p.exists()]
        if found:
            raise OutputError(
                f"{self.path} holds {', '.join(found)}, but no {self._settings.name} that says "
                "what made them. Choose another folder with --out, or move them away."
            )

    def _remove_results(self) -> None:
        with output_errors(self.path):
            if self.masks.exists():
                shutil.rmtree(self.masks)
            for path in (self._timing, self._result, self._settings):
                path.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise OutputError(
            f"Cannot read {path}, which belongs to the results in that folder: {error}. "
            "Choose another folder with --out, or remove this one."
        ) from error


def _differences(before: Any, now: Any, name: str = "") -> Iterator[str]:
    """A line for each value that differs."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            yield from _differences(before.get(key), now.get(key), f"{name}.{key}".lstrip("."))
    elif before != now:
        yield f"{name}: {before!r} there, {now!r} now"
