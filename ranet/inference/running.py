"""What a long run has around it: reading ahead, writing behind, and telling how far it is.

Files are read and written in threads, while the caller computes. Both keep their order and hold a
bounded number of things. What fails in a thread is raised at the caller as it is. When a ``with``
block ends, however it ends, its thread has ended too.
"""

import contextlib
import logging
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

_logger = logging.getLogger(__name__)

_T = TypeVar("_T")
_P = ParamSpec("_P")

_END = object()

FRAMES_AHEAD = 4
"""Frames of a video that are read before they are needed."""

MASKS_BEHIND = 8
"""Masks of a video that may wait to be written."""

_SECONDS = 30.0
"""Between two lines of a log."""


@contextlib.contextmanager
def read_ahead(items: Iterable[_T], ahead: int) -> Iterator[Iterator[_T]]:
    """The same items, of which a thread fetches the next ones while one is at work.

    Args:
        items: an iterable that nobody else uses meanwhile, such as the frames of a video.
        ahead: how many may wait; at least 1.

    Yields:
        An iterator over ``items``. It raises what ``items`` raises, at the item where that happens.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead") as thread:
        try:
            yield _fetched(thread, iter(items), ahead)
        finally:
            thread.shutdown(cancel_futures=True)  # or it would fetch what nobody takes any more


def _fetched(thread: ThreadPoolExecutor, items: Iterator[_T], ahead: int) -> Iterator[_T]:
    waiting = deque(thread.submit(next, items, _END) for _ in range(ahead))
    while (item := waiting.popleft().result()) is not _END:
        waiting.append(thread.submit(next, items, _END))
        yield item


@contextlib.contextmanager
def write_behind(write: Callable[_P, None], behind: int) -> Iterator[Callable[_P, None]]:
    """The same function, which a thread calls while the caller goes on.

    Args:
        write: what writes; its arguments should not change afterwards.
        behind: how many calls may wait; the next one waits for the first of them. At least 1.

    Yields:
        What takes the arguments of ``write`` and returns at once. It raises what an earlier call
        raised. When the block ends all is written, or the first error is raised; where the block
        ends by an error of its own, what was handed over before is written all the same.
    """
    waiting: deque[Future[None]] = deque()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="write-behind") as thread:

        def hand_over(*args: _P.args, **kwargs: _P.kwargs) -> None:
            while waiting and (waiting[0].done() or len(waiting) == behind):
                waiting.popleft().result()
            waiting.append(thread.submit(write, *args, **kwargs))

        yield hand_over
        while waiting:
            waiting.popleft().result()


@contextlib.contextmanager
def progress_bar(doing: str, total: int | None, done: int = 0) -> Iterator[tqdm]:
    """Counts frames: on a terminal a bar with the time that is left, elsewhere lines in the log.

    Such a line is ``segmenting: 120 of 400 frames, 20.00frame/s, 00:14 left``, now and then.

    Args:
        doing: what is done with the frames, such as ``segmenting``.
        total: frames; None: nobody knows, and so how long it takes.
        done: of these, before now.

    Yields:
        What :meth:`~tqdm.tqdm.update` tells of further frames; its ``n`` counts all.
    """
    lines: dict[str, Any] = {}
    if not sys.stderr.isatty():
        line = "{desc}: {n} frames, {rate_fmt}"
        if total is not None:
            line = "{desc}: {n} of {total} frames, {rate_fmt}, {remaining} left"
        lines = {"file": _Log(), "bar_format": line, "delay": _SECONDS, "leave": False}
        lines |= {"mininterval": _SECONDS, "maxinterval": 2 * _SECONDS, "miniters": 1}
    bar = tqdm(desc=doing, total=total, initial=done, unit="frame", **lines)
    with bar, contextlib.nullcontext() if lines else logging_redirect_tqdm():
        yield bar


class _Log:
    """Passes lines that are written to a terminal on to the log."""

    def write(self, text: str) -> None:
        if line := text.strip("\r\n \x1b[A"):
            _logger.info("%s", line)

    def flush(self) -> None:
        """Nothing waits."""
