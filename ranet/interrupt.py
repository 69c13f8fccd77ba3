"""Ending a run between two steps when asked to, instead of in the middle of one."""

import contextlib
import signal
import threading
from types import FrameType, TracebackType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """While entered, Ctrl-C and SIGTERM only set ``requested``; a second Ctrl-C acts at once.

    A second SIGTERM changes nothing: Slurm and torchrun may each send one, and who loses patience
    sends SIGKILL. The handler of before is called, to know which signal it was, but does not
    interrupt the step: to raise is for whoever looks at ``requested``.

    Signals are the main thread's: in another one, this changes nothing.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[int, object] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        previous = self._previous[number]
        if number == signal.SIGINT:
            signal.signal(number, previous)
        if callable(previous):
            with contextlib.suppress(KeyboardInterrupt):
                previous(number, frame)
