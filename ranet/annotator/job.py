"""Work of minutes in a thread of its own, which others watch and may stop."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

from ranet.errors import RANetError

_logger = logging.getLogger(__name__)


class BusyError(RANetError):
    """One thing at a time: something else is being done."""


class StoppedError(Exception):
    """Ends the work of a job whose stop was asked for."""


class Job:
    """Runs ``work(job)`` in a thread, from now on.

    The work tells every frame that it has done by :meth:`advance`.

    Args:
        doing: what to call it, such as ``segmenting``.
        total: frames that it is about, as far as anybody knows.
        work: raises RANetError where it cannot be done.
        done: frames that were done before.
    """

    def __init__(
        self,
        doing: str,
        total: int,
        work: Callable[["Job"], None],
        done: int = 0,
    ) -> None:
        self.doing, self.total, self.done = doing, total, done
        self.state: Literal["running", "done", "stopped", "failed"] = "running"
        self.frame: int | None = None
        """Number of the frame that was done last."""
        self.error: str | None = None
        self._before, self._began = done, time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(work,), name=doing)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._thread.is_alive()

    def advance(self, frame: int) -> None:
        """A frame is done.

        Raises:
            StoppedError: it should be the last one.
        """
        self.done += 1
        self.frame = frame
        self.check_stop()

    def check_stop(self) -> None:
        """Raise StoppedError where the work should end."""
        if self._stop.is_set():
            raise StoppedError

    def stop(self) -> None:
        """Ask it to end after the frame that it is at."""
        self._stop.set()

    def wait(self) -> None:
        """Until it has ended."""
        self._thread.join()

    def as_json(self) -> dict[str, Any]:
        """What the page shows of it."""
        return {
            "doing": self.doing,
            "state": "running" if self.running else self.state,
            "stopping": self.running and self._stop.is_set(),
            "done": min(self.done, self.total),
            "total": self.total,
            "frame": self.frame,
            "seconds_left": self._seconds_left() if self.running else None,
            "error": self.error,
        }

    def _seconds_left(self) -> float | None:
        new = self.done - self._before
        if new == 0:
            return None
        return max(0, self.total - self.done) * (time.monotonic() - self._began) / new

    def _run(self, work: Callable[["Job"], None]) -> None:
        try:
            work(self)
            self.state = "done"
        except StoppedError:
            self.state = "stopped"
        except RANetError as error:
            self.state, self.error = "failed", str(error)
        except Exception as error:  # nobody else would hear of it
            _logger.exception("%s failed", self.doing)
            self.state = "failed"
            self.error = (
                f"Something went wrong while {self.doing}, which is a mistake of this program: "
                f"{type(error).__name__}: {error}. The terminal tells more; please report it."
            )
