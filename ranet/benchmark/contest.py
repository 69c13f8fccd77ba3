"""Another implementation against ours: whole commands, in turn, by the clock on the wall.

What is compared is all that a command does, the start of Python and the loading of weights
included, so that nothing has to be believed of how another program measures itself. The longer the
video, the less the beginning counts.
"""

import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ranet.benchmark.inference import InferenceCase, write_frames
from ranet.benchmark.rows import Row
from ranet.benchmark.timing import Effort, Spread, time_in_turn
from ranet.datasets.image_io import write_labels
from ranet.errors import BenchmarkError
from ranet.files import write_json
from ranet.model.weights import save_checkpoint
from ranet.wording import count

OURS, OTHER = "ours", "other"

_FRAMES, _MASK, _OUT = "{frames}", "{mask}", "{out}"
"""What stands for the paths in a command."""

_TOLD_LINES = 15  # of what a failed command has printed


@dataclass(frozen=True)
class Contest:
    """Two commands that do the same.

    Attributes:
        ours: command of this project.
        other: the other command. In both, ``{frames}`` is replaced by a folder of JPEG images,
            ``{mask}`` by a PNG with the ids of the objects in the first of them, and ``{out}`` by a
            folder for the masks, which does not exist yet.
        case: what the video shows.
    """

    ours: str
    other: str
    case: InferenceCase

    def measure(self, effort: Effort) -> list[Row]:
        """Run both in turn; a row of each, whose details say how the turns compare.

        Raises:
            BenchmarkError: a command cannot be started, fails, or leaves masks out.
        """
        with tempfile.TemporaryDirectory() as folder:
            paths = _write_video(Path(folder), self.case)
            calls = {
                name: lambda c=command: _run(c, paths, self.case.frames, Path(folder))
                for name, command in ((OURS, self.ours), (OTHER, self.other))
            }
            seconds = time_in_turn(calls, warm_up=effort.warm_up, repeats=effort.repeats)
        ratio = float(np.median(np.divide(seconds[OTHER], seconds[OURS])))
        return [
            Row(
                "command",
                settings={
                    **self.case.settings,
                    "frames": self.case.frames,
                    "implementation": name,
                },
                unit="frame",
                units=self.case.frames,
                seconds=Spread.of(seconds[name]),
                details={"command": command, "seconds_of_other_over_ours": ratio},
            )
            for name, command in ((OURS, self.ours), (OTHER, self.other))
        ]


@contextmanager
def our_command(case: InferenceCase, script: Path) -> Iterator[str]:
    """The command that segments with ``scripts/segment.py``, and all that it reads, in here."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoint, config = Path(folder, "network.pt"), Path(folder, "segment.yaml")
        save_checkpoint(checkpoint, case.network.build())
        write_json(config, case.config.model_dump(mode="json"))  # JSON is YAML
        words = [
            *(sys.executable, str(script), "--checkpoint", str(checkpoint)),
            *("--config", str(config), "--video", _FRAMES, "--mask", _MASK, "--out", _OUT),
        ]
        yield shlex.join(words)


def tell_ratio(rows: list[Row]) -> list[str]:
    """What the two rows say."""
    ratio = rows[0].details["seconds_of_other_over_ours"]
    return [f"The other command takes {ratio:.2f} times as long as ours (median of the turns)."]


def _write_video(folder: Path, case: InferenceCase) -> dict[str, str]:
    """The paths of a command by what stands for them, but for that of the masks."""
    _, labels = write_frames(folder / "frames", case)
    mask = folder / "first.png"
    write_labels(mask, labels)
    return {_FRAMES: str(folder / "frames"), _MASK: str(mask)}


def _run(command: str, paths: Mapping[str, str], frames: int, folder: Path) -> None:
    out = Path(tempfile.mkdtemp(dir=folder)) / "masks"
    words = shlex.split(command)
    for mark, path in {**paths, _OUT: str(out)}.items():
        words = [word.replace(mark, path) for word in words]
    try:
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise BenchmarkError(
            f"The command {command!r} cannot be started: {error.strerror}. Commands are run "
            "without a shell; write sh -c '…' around one that needs it."
        ) from error
    if done.returncode != 0:
        raise BenchmarkError(
            f"The command {command!r} should end with status 0, but ended with {done.returncode}. "
            f"The end of what it printed:\n{_last_lines(done.stderr or done.stdout)}"
        )
    if _OUT in command:
        _check_masks(command, out, frames)


def _check_masks(command: str, out: Path, frames: int) -> None:
    """A command that does less than the other is no contender; the first mask was given."""
    written = len(list(out.rglob("*.png")))
    if written < frames - 1:
        raise BenchmarkError(
            f"The command {command!r} should write a PNG for each of {count(frames, 'frame')} to "
            f"{_OUT}, the first one perhaps apart, but wrote {written}. Compare commands that do "
            f"the same, or leave {_OUT} out of one that writes elsewhere."
        )


def _last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-_TOLD_LINES:])
