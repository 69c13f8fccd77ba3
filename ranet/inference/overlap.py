"""Reading ahead and writing behind: files in threads, while the caller computes.

Both keep their order and hold a bounded number of things. What fails in a thread is raised at the
caller as it is. When a ``with`` block ends, however it ends, its thread has ended too.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import numpy as np

from ranet.inference.transfer import Frame

_T = TypeVar("_T")
_P = ParamSpec("_P")

_END = object()

FRAMES_AHEAD = 4
"""Frames of a video that are read before they are needed."""

MASKS_BEHIND = 8
"""Masks of a video that may wait to be written."""


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


def prepared(
    frames: Iterable[tuple[_T, np.ndarray]],
    prepare: Callable[[np.ndarray], Frame],
    *,
    first_step: int = 1,
) -> Iterator[tuple[_T, np.ndarray, Frame]]:
    """Names, frames, and what a step takes for them.

    Args:
        frames: names and frames H×W×3 uint8.
        prepare: makes it.
        first_step: position, from 0, of the first frame that a step takes; those before it are
            left as they are.
    """
    for index, (name, frame) in enumerate(frames):
        yield name, frame, prepare(frame) if index >= first_step else frame
