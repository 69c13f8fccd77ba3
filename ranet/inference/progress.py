"""How far a long run is and how long it will take: a bar for people, lines for logs."""

import logging
import sys
import time
from types import TracebackType
from typing import Self

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

_logger = logging.getLogger(__name__)

_SECONDS = 30.0
"""Between two lines of a log."""


class Progress:
    """Counts frames, for a ``with`` statement.

    On a terminal it is a bar with the time that is left; elsewhere a line in the log now and then.

    Args:
        doing: what is done with the frames, such as ``segmenting``.
        total: frames; None: nobody knows, and so how long it takes.
        done: of these, before now.
    """

    def __init__(self, doing: str, total: int | None, done: int = 0) -> None:
        self.done = done
        """Frames, with those before."""
        self._doing, self._total, self._before = doing, total, done

    def __enter__(self) -> Self:
        self._redirected = logging_redirect_tqdm()
        self._redirected.__enter__()
        self._bar = tqdm(
            desc=self._doing,
            total=self._total,
            initial=self.done,
            unit="frame",
            disable=not sys.stderr.isatty(),
        )
        self._began = self._told = time.monotonic()
        return self

    def update(self, frames: int = 1) -> None:
        """So many frames more are done."""
        self.done += frames
        self._bar.update(frames)
        now = time.monotonic()
        if self._bar.disable and now - self._told >= _SECONDS:
            self._told = now
            _logger.info("%s", self.line(now - self._began))

    def line(self, seconds: float) -> str:
        """``segmenting: 120 of 400 frames, 50 ms a frame, 00:14 left``.

        Args:
            seconds: since the beginning; what was done before does not count.
        """
        each = seconds / max(1, self.done - self._before)
        of = "" if self._total is None else f" of {self._total}"
        text = f"{self._doing}: {self.done}{of} frames, {1000 * each:.0f} ms a frame"
        if self._total is None:
            return text
        return f"{text}, {tqdm.format_interval(max(0, self._total - self.done) * each)} left"

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.close()
        self._redirected.__exit__(error_type, error, traceback)
