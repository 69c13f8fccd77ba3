"""One writer at a time: a place that one run writes to is closed to all others.

The lock is the system's, on an open file, and goes when the process ends, however that is. The file
itself, which tells who holds the lock, may outlive a killed process: the next run takes it over. It
is the one file of the project that is not written through :mod:`ranet.files`, as nothing may
replace it while it is locked.
"""

import contextlib
import errno
import os
import socket
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

from ranet.errors import OutputError
from ranet.files import output_errors

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
"""What file systems say that have no locks."""

_NOTE_BYTES = 1000
"""At most, of a holder's description."""

_held: set[int] = set()
"""Descriptors of the files that this process has locked."""


def _leave_to_the_parent() -> None:
    """A forked worker may outlive a killed process by seconds, and must not keep its locks."""
    while _held:
        os.close(_held.pop())


if fcntl is not None:
    os.register_at_fork(after_in_child=_leave_to_the_parent)


@contextlib.contextmanager
def only_writer(place: Path, lock: Path) -> Iterator[None]:
    """Let no other process enter for the same ``lock`` while this one is inside.

    Where the file system or Windows has no such locks, a warning says so, and all may enter.

    Args:
        place: what is written to, for messages.
        lock: the file that is locked; made, with its folder, and removed at the end.

    Raises:
        OutputError: another process is inside, or the file cannot be made.
    """
    if fcntl is None:
        _warn_of_no_locks(place, "Windows")
        yield
        return
    with output_errors(place):
        lock.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _locked(place, lock)
    _held.add(descriptor)
    try:
        with output_errors(place):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, _this_process(), 0)
        yield
    finally:
        if descriptor in _held:  # otherwise this is a forked worker, and the file its parent's
            with contextlib.suppress(OSError):  # it may stay; what the run has met counts
                lock.unlink()  # while it is held: nobody else's is removed
            _held.remove(descriptor)
            os.close(descriptor)


def _locked(place: Path, lock: Path) -> int:
    """A descriptor of the locked file, which is still the one at ``lock``."""
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor, place)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), lock.stat()):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # its holder has removed it since it was opened


def _lock(descriptor: int, place: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, _NOTE_BYTES, 0).decode(errors="replace")
        raise OutputError(
            f"Another run is writing to {place}: {holder or 'it has just begun'}. Wait until it "
            "has ended, or stop it, or choose another place."
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        _warn_of_no_locks(place, error.strerror)


def _warn_of_no_locks(place: Path, reason: str) -> None:
    warnings.warn(
        f"{place} cannot be locked ({reason}), so two runs that write there at once would not be "
        "noticed. Start only one.",
        UserWarning,
        stacklevel=2,
    )


def _this_process() -> bytes:
    """Who holds the lock, for those who have to wait."""
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    note = (
        f"{Path(sys.argv[0]).name}, process {os.getpid()} on {socket.gethostname()}, since {since}"
    )
    return note.encode(errors="replace")[:_NOTE_BYTES]
