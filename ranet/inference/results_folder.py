"""The folder of results of a split: what may be added to it, and what is already there.

=====================  ===========================================================================
settings.json          what decides the results; a run with anything else is refused
masks/<sequence>/      the masks of a finished sequence, one indexed PNG a frame
timing.json            of each finished sequence: times, frame by frame, device, memory, revision
result.json            everything in one: scores, times, memory, settings, versions
davis.json, two CSVs   the scores in full, and as the official tool writes them
=====================  ===========================================================================

A sequence's masks appear when all are written, so whatever stops a run, the same command goes on
after the last finished sequence.
"""

import contextlib
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ranet.datasets.image_io import read_labels
from ranet.datasets.index import VideoSequence
from ranet.errors import DataError, OutputError
from ranet.files import make_folder, output_errors, read_path, remove_leftovers, write_json
from ranet.inference.sequence import Timing
from ranet.lock import only_writer
from ranet.metrics import score_files
from ranet.wording import differences

WRITTEN_BY = "ranet.inference.run"
"""Marks our settings.json: only what lies beside one is ever replaced."""


@contextlib.contextmanager
def opened_results(
    path: Path, settings: dict[str, Any], *, overwrite: bool = False
) -> Iterator["ResultsFolder"]:
    """Such a folder, which no other run writes to meanwhile; see :class:`ResultsFolder`.

    Raises:
        OutputError: another run does so now.
    """
    with only_writer(path, make_folder(path) / ".lock"):
        results = ResultsFolder(path, settings, overwrite=overwrite)
        remove_leftovers(results.masks)
        yield results


class ResultsFolder:
    """Such a folder, claimed for one set of settings.

    Args:
        path: the folder.
        settings: all that the results depend on, as JSON holds it.
        overwrite: remove the results that a run with other settings left there.

    Raises:
        OutputError: the folder holds other results, or cannot be written.
    """

    def __init__(self, path: Path, settings: dict[str, Any], *, overwrite: bool = False) -> None:
        settings = {"written_by": WRITTEN_BY, **json.loads(json.dumps(settings))}  # as in the file
        self.path = path
        self.masks = path / "masks"
        self._timing = path / "timing.json"
        self._result = path / "result.json"
        self._settings = path / "settings.json"
        if not self._settings.exists():
            self._check_free()
            write_json(self._settings, settings)
        elif changed := list(differences(self._read_settings(), settings)):
            if _only_moved(changed, path):
                write_json(self._settings, settings)
                return
            if not overwrite:
                raise _made_otherwise(path, changed)
            self._remove_results()
            write_json(self._settings, settings)

    def is_finished(self, sequence: VideoSequence) -> bool:
        """Whether there is a mask for every frame of ``sequence``, and nothing else."""
        folder = self.masks / sequence.name
        expected = {f"{frame.stem}.png" for frame in sequence.frames}
        return folder.is_dir() and {path.name for path in folder.iterdir()} == expected

    def damaged(self, sequences: Iterable[VideoSequence]) -> list[Path]:
        """The folders of finished sequences that hold a mask that cannot be read."""
        folders = (self.masks / sequence.name for sequence in sequences)
        return [folder for folder in folders if not _all_readable(folder)]

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
        return [self._result, *score_files(self.path), self._timing]


def _all_readable(folder: Path) -> bool:
    try:
        for path in folder.iterdir():
            read_labels(path)
    except DataError:
        return False
    return True


def _only_moved(changed: list[tuple[str, Any, Any]], folder: Path) -> bool:
    """Whether nothing has changed but where the data lie, which are no longer where they were."""
    ((name, before, _), *others) = changed
    return name == "davis" and not others and not read_path(before, folder).exists()


def _made_otherwise(path: Path, changed: list[tuple[str, Any, Any]]) -> OutputError:
    return OutputError(
        f"{path} holds results made with other settings, which --overwrite would replace:\n"
        + "\n".join(f"  {name}: {old!r} there, {new!r} now" for name, old, new in changed)
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OutputError(
            f"Cannot read {path}, which belongs to the results in that folder: {error}."
        ) from error
