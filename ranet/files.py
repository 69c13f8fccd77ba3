"""Writing files so that a reader never meets half of one.

All that the project writes, lines appended to a log and a run's own scratch apart, goes through
this file: a temporary file or folder beside the target, flushed to the disk, then moved over it in
one step. Whatever interrupts that (an error, Ctrl-C, a full disk, a killed process), the target
holds either its old content or all of the new.
"""

import contextlib
import csv
import glob
import io
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from ranet.errors import OutputError

_TOKEN_DIGITS = 8  # of the random part of a temporary name


@contextlib.contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` raised while writing ``path`` into an :class:`OutputError` naming it."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"Cannot write {path}: {reason}. Choose another place or make room, then run again."
        ) from error


def make_folder(path: str | Path) -> Path:
    """Create ``path`` and its parents; raise :class:`OutputError` where it cannot be written to."""
    path = Path(path)
    with output_errors(path):
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    return path


def check_writable(folder: str | Path) -> None:
    """Raise :class:`OutputError` where ``folder`` could not be made or written to; leave nothing.

    A file is made beside it, or in it, and removed.

    For scripts that work for long before they write.
    """
    folder = Path(folder)
    with output_errors(folder):
        nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not nearest.is_dir():
            raise NotADirectoryError(20, f"{nearest} is not a folder")
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise PermissionError(13, f"no permission to write in {nearest}")
        # For root, and for systems of files as /proc, the answer to that is no proof.
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
                f"{folder} is part of the data in {source}, where results would be taken for data. "
                "Choose another folder for the results."
            )


def temporary_beside(path: Path) -> Path:
    """A hidden file name next to ``path``, with its ending, that no other writer uses."""
    token = secrets.token_hex(_TOKEN_DIGITS // 2)
    return path.with_name(f".{path.stem}.{token}.tmp{path.suffix}")


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that a killed process has left in ``folder``.

    For folders that have one writer at a time: another one's unfinished files look the same.

    Raises:
        OutputError: one cannot be removed.
    """
    token = "[0-9a-f]" * _TOKEN_DIGITS
    with output_errors(folder):
        for leftover in folder.glob(f".*.{token}.tmp*"):
            leftover.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path to write to; on success it replaces ``path``, otherwise it vanishes.

    For libraries that insist on opening the file themselves (video writers, plots). The
    temporary name keeps the ending of ``path``.

    Raises:
        OutputError: the file cannot be written.
    """
    path = Path(path)
    temporary = temporary_beside(path)
    try:
        with output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            _flush(temporary)
            os.replace(temporary, path)
            # Its new name, too, survives a power cut; without, the old content would be back.
            # Not every system and file system can do that for a folder.
            with contextlib.suppress(OSError):
                _flush(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Wait until what was written to a file, or the list of files in a folder, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Give a temporary folder to fill; on success it becomes ``path``, otherwise it vanishes.

    A folder that is at ``path`` already is replaced (in two moves: no system call exchanges
    folders everywhere). What a killed process left of an earlier try is removed first.

    Raises:
        OutputError: the folder cannot be written.
    """
    path = Path(path)
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
            shutil.rmtree(leftover)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
        temporary.mkdir()
    try:
        yield temporary
        with output_errors(path):
            if path.exists():
                # A folder cannot be moved over a full one: the old one steps aside first.
                old = temporary.with_suffix(".old.partial")
                os.replace(path, old)
                os.replace(temporary, path)
                shutil.rmtree(old)
            else:
                os.replace(temporary, path)
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
