"""One writer at a time: a place that one run writes to is closed to all others.

The lock is the system's, and goes when the process ends, however that is. Its file may outlive a
killed process, and then keeps nobody out.
"""

import contextlib
import errno
import os
import socket
import warnings
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from ranet.errors import OutputError
from ranet.files import output_errors

_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)
"""What file systems say that have no locks."""


@contextlib.contextmanager
def only_writer(place: Path, lock: Path) -> Iterator[None]:
    """Let no other process enter for the same ``lock`` while this one is inside.

    Where the file system has no locks, a warning says so, and all may enter.

    Args:
        place: what is written to, for messages.
        lock: the file that is locked; made, with its folder, and removed at the end.

    Raises:
        OutputError: another process is inside, or the file cannot be made.
    """
    held = FileLock(lock, blocking=False)
    with output_errors(place):
        lock.parent.mkdir(parents=True, exist_ok=True)
        try:
            held.acquire()
            lock.write_text(f"process {os.getpid()} on {socket.gethostname()}")
        except Timeout:
            holder = ""
            with contextlib.suppress(OSError):  # it may have ended by now
                holder = lock.read_text()
            holder = holder or "it has just begun, or just ended"
            raise OutputError(
                f"Another run is writing to {place} ({holder}): wait until it has ended, or choose "
                "another place."
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            warnings.warn(
                f"{place} cannot be locked ({error.strerror}): start no second run that writes "
                "there.",
                UserWarning,
                stacklevel=3,
            )
    try:
        yield
    finally:
        if held.is_locked:  # not in a forked worker, whose parent holds it
            with contextlib.suppress(OSError):  # it may stay; what the run has met counts
                lock.unlink()
            held.release()
