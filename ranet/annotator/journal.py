"""The marks of a video on the disk: every change is in a file before it is shown.

Each line of the file is the CRC-32 of all JSON up to its end, a space, and its own JSON. The first
tells the video and the marks that it began with; each further one is a change: the objects, the
marks of the frames that changed and the frame where that can be seen, or which of the states so far
is returned to. So a process that is killed loses nothing that its person has seen, and the way back
is kept.
"""

import base64
import contextlib
import hashlib
import itertools
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ranet.annotator.marks import FrameMarks, Marks
from ranet.errors import DataError
from ranet.files import atomic_write, output_errors
from ranet.lock import only_writer

_STEPS = 30
"""How many steps can be undone; each holds the arrays of the frame that it changed."""


class Journal:
    """Marks, and those that they were before; :func:`open_journal` makes it.

    Args:
        path: the file; read if it is there, otherwise made with the first change.
        identity: what marks must be made with to be gone on with, for JSON: the ``size`` [H, W] of
            the frames, and more; a None fits anything.
        beginning: marks to begin with.

    Raises:
        DataError: the file is damaged, or its marks were made with something else. It stays.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any], beginning: Marks) -> None:
        self.path, self._identity = path, identity
        self._states = [(beginning, 0)]  # with the frame where the change can be seen
        self._at = 0
        self._end = self._crc = 0  # bytes of the file, and the CRC-32 of its JSON
        self.resumed = path.exists()
        """Whether it goes on with marks of an earlier process."""
        if self.resumed:
            self._read()

    @property
    def now(self) -> Marks:
        """What is marked."""
        return self._states[self._at][0]

    def can_step(self, by: int) -> bool:
        """Whether there is something to undo (-1), or undone and nothing done since (1)."""
        return 0 <= self._at + by < len(self._states)

    def step(self, by: int) -> int:
        """Undo (-1) or do again (1); the number of the frame where that can be seen.

        Raises:
            DataError: there is nothing to.
            OutputError: as for :meth:`do`.
        """
        if not self.can_step(by):
            raise DataError(f"There is nothing to {'undo' if by < 0 else 'redo'}.")
        self._write({"at": self._at + by})
        self._at += by
        return self._states[max(self._at, self._at - by)][1]

    def do(self, marks: Marks, frame: int) -> None:
        """Go on to what was changed; ``frame`` is where that can be seen.

        Raises:
            OutputError: the file cannot be written; then nothing has changed.
        """
        frames = {n: m for n, m in marks.frames.items() if m is not self.now.frames.get(n)}
        self._write({"frame": frame, **_packed(Marks(marks.objects, frames))})
        self._do(marks, frame)

    def _do(self, marks: Marks, frame: int) -> None:
        self._states = [*self._states[: self._at + 1], (marks, frame)][-1 - _STEPS :]
        self._at = len(self._states) - 1

    def _write(self, record: Mapping[str, Any]) -> None:
        if self._end == 0:
            head, self._crc = _line({"identity": self._identity, **_packed(self.now)}, 0)
            with atomic_write(self.path) as file:
                file.write(head)
            self._end = len(head)
        line, crc = _line(record, self._crc)
        with output_errors(self.path), open(self.path, "r+b", buffering=0) as file:
            file.truncate(self._end)  # what a full disk has left of a change that was refused
            file.seek(self._end)
            if file.write(line) < len(line):
                raise OSError("no space left")
            os.fsync(file.fileno())
        self._end, self._crc = self._end + len(line), crc

    def _read(self) -> None:
        # What is behind the last end of a line is a change whose write was cut short, never shown.
        lines = self.path.read_bytes().split(b"\n")[:-1]
        number = 0
        try:
            for line in lines or [b""]:
                number += 1
                code, _, text = line.partition(b" ")
                self._crc = zlib.crc32(text, self._crc)
                if int(code, 16) != self._crc:
                    raise ValueError("its CRC-32 differs")
                self._replay(json.loads(text))
        except (ValueError, LookupError, TypeError, AttributeError, zlib.error) as error:
            raise DataError(
                f"{self.path} is damaged in line {number} of {len(lines)} ({error}): remove that "
                "line and all behind it to go on with what is before, or begin anew with --fresh, "
                "which keeps the file."
            ) from error
        self._end = sum(map(len, lines)) + len(lines)

    def _replay(self, record: dict[str, Any]) -> None:
        if "identity" in record:
            found = record["identity"]
            if any(value not in (None, found[key]) for key, value in self._identity.items()):
                raise DataError(
                    f"{self.path} holds marks of another video, of other frames of this one, or "
                    "that began with other --masks: choose another --out, or begin anew with "
                    "--fresh, which keeps them."
                )
            self._states = [(self._unpacked(record), 0)]
        elif "at" in record:
            self._at = range(len(self._states))[record["at"]]
        else:
            changed = self._unpacked(record)
            frames = {**self.now.frames, **changed.frames}
            self._do(Marks(changed.objects, frames), record["frame"])

    def _unpacked(self, record: dict[str, Any]) -> Marks:
        frames = {}
        for number, (pixels, outlined) in record["frames"].items():
            raw = np.frombuffer(zlib.decompress(base64.b64decode(pixels)), np.uint8)
            labels, sure = raw.reshape(2, *self._identity["size"])
            frames[int(number)] = FrameMarks(labels, sure.astype(bool), frozenset(outlined))
        return Marks(tuple(record["objects"]), frames)


def journal_path(out: Path, video: str) -> Path:
    """Where the marks of a video are kept whose exports go to ``out``: beside it."""
    place = Path(video).resolve()
    code = hashlib.sha256(str(place).encode()).hexdigest()[:8]
    return out.with_name(f"{out.name}.{place.stem}-{code}.journal")


@contextlib.contextmanager
def open_journal(
    path: Path, identity: Mapping[str, Any], beginning: Marks, *, fresh: bool = False
) -> Iterator[Journal]:
    """A :class:`Journal` that no other process can open meanwhile.

    Args:
        path: of the file.
        identity: what marks must be made with to be gone on with.
        beginning: marks to begin with, where there are none.
        fresh: begin anew; what is at ``path``, damaged or not, is kept as ``….2.journal``, ….

    Raises:
        OutputError: another process has it open.
        DataError: as for :class:`Journal`.
    """
    with only_writer(path, path.with_name(f".{path.stem}.lock")):
        if fresh and path.exists():
            numbered = (path.with_suffix(f".{n}{path.suffix}") for n in itertools.count(2))
            with output_errors(path):
                path.rename(next(aside for aside in numbered if not aside.exists()))
        yield Journal(path, identity, beginning)


def _line(record: Mapping[str, Any], crc: int) -> tuple[bytes, int]:
    """A line, and the CRC-32 up to it."""
    text = json.dumps(record).encode()
    crc = zlib.crc32(text, crc)
    return b"%08x %s\n" % (crc, text), crc


def _packed(marks: Marks) -> dict[str, Any]:
    frames = {}
    for number, frame in marks.frames.items():
        pixels = zlib.compress(frame.labels.tobytes() + frame.sure.tobytes(), 1)
        frames[number] = base64.b64encode(pixels).decode(), sorted(frame.outlined)
    return {"objects": marks.objects, "frames": frames}
