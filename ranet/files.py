"""Writing files so that a reader never meets half of one.

All that the project writes, lines appended to a log and a run's own scratch apart, goes through
this file: a hidden temporary file or folder beside the target, moved over it in one step. Whatever
interrupts that (an error, Ctrl-C, a full disk, a killed process), the target holds either its old
content or all of the new. No writer touches the temporary files of another.

Before it is moved, the content is flushed to the disk; that of a folder once, as a whole.
"""

import contextlib
import csv
import io
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from ranet.errors import OutputError

_UNFINISHED_FOLDER = re.compile(r"\..+\.(tmp|unfinished)")
"""Name of a folder that is still being filled: by :func:`atomic_folder`, or by a run."""

_TOKEN_DIGITS = 8  # of the random part of a temporary name


@contextlib.contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` raised while writing ``path`` into an :class:`OutputError` naming it."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"Cannot write {path}: {error.strerror or error}.") from error


def make_folder(path: str | Path) -> Path:
    """Create ``path`` and its parents; raise :class:`OutputError` where it cannot be written to."""
    path = Path(path)
    with output_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    check_writable(path)
    return path


def check_writable(folder: str | Path) -> None:
    """Raise :class:`OutputError` where ``folder`` could not be made or written to.

    A file is made in it, or in the nearest folder that is there, and removed: for root, and for
    systems of files as /proc, permissions are no proof. For commands that work for long before
    they write.
    """
    folder = Path(folder)
    with output_errors(folder):
        nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not nearest.is_dir():
            raise NotADirectoryError(20, f"{nearest} is not a folder")
        with tempfile.NamedTemporaryFile(dir=nearest, prefix=".", suffix=".tmp"):
            pass


def check_outside(folder: str | Path, data: Iterable[str | Path]) -> None:
    """Raise :class:`OutputError` where results in ``folder`` would lie among data.

    Args:
        folder: for results; need not exist.
        data: folders that are only read.
    """
    for source in data:
        if Path(folder).resolve().is_relative_to(Path(source).resolve()):
            raise OutputError(
                f"{folder} is part of the data in {source}, and results there would be taken for "
                "data."
            )


def stored_path(path: str | Path, folder: Path) -> str:
    """How a file in ``folder`` names ``path``: from there if it lies inside, which may be moved."""
    path, folder = Path(path).resolve(), folder.resolve()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def read_path(text: str, folder: Path) -> Path:
    """The path that a file in ``folder`` names; once, they were named from where one was."""
    inside = folder / text
    return Path(text) if not inside.exists() and Path(text).exists() else inside


def _temporary(path: Path, name: str, ending: str = "") -> Path:
    """A hidden path next to ``path`` that no other writer uses."""
    return path.with_name(f".{name}.{secrets.token_hex(_TOKEN_DIGITS // 2)}.tmp{ending}")


def remove_leftovers(folder: Path, *names: str) -> None:
    """Remove the temporary files and folders that a killed process has left in ``folder``.

    Only for what has one writer at a time: those of another one that is at work look the same.

    Args:
        folder: need not exist.
        names: of the files that they were to become; none: whatever they were to become.

    Raises:
        OutputError: one cannot be removed.
    """
    targets = names and "|".join(
        f"{re.escape(Path(name).stem)}\\.TOKEN{re.escape(Path(name).suffix)}" for name in names
    )
    pattern = (targets or r".+\.TOKEN.*").replace("TOKEN", f"[0-9a-f]{{{_TOKEN_DIGITS}}}\\.tmp")
    with output_errors(folder):
        for path in folder.iterdir() if folder.is_dir() else ():
            if re.fullmatch(rf"\.({pattern})", path.name):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def move(temporary: Path, path: Path) -> None:
    """Let a file or folder become ``path``, on the disk, too: its content, then its new name.

    Raises:
        OSError: it cannot.
    """
    # In a folder that is still being filled, all is flushed at its end.
    visible = not any(_UNFINISHED_FOLDER.fullmatch(folder.name) for folder in path.parents)
    if visible:
        for each in [*temporary.rglob("*"), temporary]:
            _flush(each)
    os.replace(temporary, path)
    if visible:
        _flush(path.parent)


def _flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    # Of folders, not every system can be asked that.
    with contextlib.suppress(OSError) if path.is_dir() else contextlib.nullcontext():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path to write to; on success it replaces ``path``, otherwise it vanishes.

    For libraries that insist on opening the file themselves (video writers, plots). The
    temporary name keeps the ending of ``path``.

    Raises:
        OutputError: the file cannot be written.
    """
    path = Path(path)
    temporary = _temporary(path, path.stem, path.suffix)
    try:
        with output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            move(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[BinaryIO]:
    """Open ``path`` for writing bytes; the content appears whole, or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        yield file


class _AbandonedError(Exception):
    """Makes what is unfinished vanish, without being anybody's error."""


def abandon(stack: contextlib.ExitStack) -> None:
    """Leave ``stack`` as if writing had failed: what its atomic files were to become vanishes.

    For writers whose user's block has failed: they let the error through as it is, which
    :func:`atomic_path` may take for one of writing.
    """
    with contextlib.suppress(_AbandonedError), stack:
        raise _AbandonedError


@contextlib.contextmanager
def atomic_folder(path: str | Path, *, replace: bool = False) -> Iterator[Path]:
    """Give a temporary folder to fill; on success it becomes ``path``, otherwise it vanishes.

    Args:
        path: new, or empty.
        replace: or else replaced (in two moves: no system call exchanges folders everywhere).

    Raises:
        OutputError: the folder cannot be written, or something else has come to be there.
    """
    path = Path(path)
    temporary = _temporary(path, path.name)
    with output_errors(path):
        temporary.mkdir(parents=True)
    try:
        yield temporary
        with output_errors(path):
            old = None
            if replace and path.exists():
                old = _temporary(path, path.name)
                os.replace(path, old)
            elif path.is_dir():
                path.rmdir()  # only where it is empty
            try:
                move(temporary, path)
            except BaseException:  # the disk was full, perhaps: what was there comes back
                if old is not None and not path.exists():
                    os.replace(old, path)
                raise
            if old is not None:
                shutil.rmtree(old)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8, atomically."""
    with atomic_write(path) as file:
        file.write(text.encode())


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically. NaN is an error, as JSON has none."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_csv(path: str | Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table with one header line, atomically."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, buffer.getvalue())
