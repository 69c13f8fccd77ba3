"""What scripts share: the values of common options, and how they end.

Status 0: done. 1: an error in the input, told in one message. 2: a wrong command line (argparse).
130: interrupted (Ctrl-C). 143: terminated (SIGTERM). Both unwind, so that nothing unfinished stays
behind. A mistake of the program itself keeps its traceback.
"""

import argparse
import contextlib
import logging
import math
import os
import re
import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn, TypeVar

from ranet.errors import OutputError, RANetError

_Number = TypeVar("_Number", int, float)
_Value = TypeVar("_Value")


def number_within(
    kind: type[_Number], least: float, most: float | None = None
) -> Callable[[str], _Number]:
    """An ``argparse`` type: an ``int`` or ``float`` within limits, both of them allowed."""
    noun = "whole number" if kind is int else "number"
    limits = f"from {least} on" if most is None else f"from {least} to {most}"

    def read(text: str) -> _Number:
        try:
            number = kind(text)
        except ValueError:
            number = None
        if number is None or not least <= number <= (math.inf if most is None else most):
            raise argparse.ArgumentTypeError(f"expected a {noun} {limits}, but found {text!r}")
        return number

    return read


positive_int = number_within(int, 1)
"""An ``argparse`` type: a whole number of at least 1."""


def each(
    read: Callable[[str], _Value], count: int | None = None
) -> Callable[[str], tuple[_Value, ...]]:
    """An ``argparse`` type: values separated by commas, ``count`` of them; None: any number."""

    def read_all(text: str) -> tuple[_Value, ...]:
        values = tuple(read(value.strip()) for value in text.split(","))
        if count not in (None, len(values)):
            raise argparse.ArgumentTypeError(
                f"expected {count} values separated by commas, but found {text!r}"
            )
        return values

    return read_all


def image_size(text: str) -> tuple[int, int]:
    """An ``argparse`` type: (height, width) in pixels, written ``480x864``."""
    size = re.fullmatch(r"([1-9][0-9]*)[x×]([1-9][0-9]*)", text)
    if size is None:
        raise argparse.ArgumentTypeError(
            f"expected height and width such as 480x864, but found {text!r}"
        )
    return int(size[1]), int(size[2])


def usable_cores() -> int:
    """The cores this process may run on, where the system tells; otherwise all there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class UsageError(Exception):
    """Words of a command line that do not go together."""


def check_not_read(written: Iterable[Path], read: Iterable[Path]) -> None:
    """Raise :class:`UsageError` if a file that a command reads is one that it would write."""
    places = {path.resolve() for path in read}
    for path in written:
        if path.resolve() in places:
            raise UsageError(f"{path} is read, and would be replaced by an output")


def check_new(path: Path, *, overwrite: bool) -> None:
    """Raise :class:`OutputError` if a network is there already, unless it is to be replaced."""
    if path.is_file() and not overwrite:
        raise OutputError(f"{path} is there already, which --overwrite would replace.")


class Terminated(KeyboardInterrupt):
    """SIGTERM has come: what cleans up after Ctrl-C cleans up after this."""


@contextlib.contextmanager
def _sigterm_unwinds() -> Iterator[None]:
    """While entered, SIGTERM raises :class:`Terminated` in this process.

    Training holds that back until its step is done, and then raises what Ctrl-C raises; after a
    SIGTERM, this becomes :class:`Terminated` again.
    """
    process = os.getpid()
    came = False

    def unwind(number: int, frame: FrameType | None) -> None:
        nonlocal came
        if os.getpid() != process:  # a forked worker has inherited this; it ends as workers do
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        came = True
        raise Terminated

    previous = signal.signal(signal.SIGTERM, unwind)
    try:
        yield
    except KeyboardInterrupt as interruption:
        if came and not isinstance(interruption, Terminated):
            raise Terminated from interruption
        raise
    finally:
        signal.signal(signal.SIGTERM, previous)


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f"warning: {message}", file=sys.stderr)


def _trouble_with_the_machine(error: Exception) -> str | None:
    """What to do where nothing is wrong but that the machine lacks something; None: another error.

    What torch raises is told by its name, as torch may not be loaded.
    """
    kind = type(error)
    gist = str(error).partition("\n")[0] or kind.__name__
    if (
        isinstance(error, MemoryError)
        or (kind.__module__, kind.__name__) == ("torch", "OutOfMemoryError")
        or "DefaultCPUAllocator" in gist
    ):
        return f"Memory does not suffice ({gist}): ask for less at a time, or for a smaller size."
    if kind.__module__.startswith(("torch._dynamo", "torch._inductor")):
        return (
            f"torch.compile failed ({gist}): set compile=false, or install the compiler it misses."
        )
    return None


def run_script(main: Callable[[], None]) -> NoReturn:
    """Run ``main`` and leave the process with the status described above."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    warnings.showwarning = _show_warning  # one line a warning, without the code that raised it
    try:
        with _sigterm_unwinds():
            main()
    except RANetError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except Terminated:
        print("terminated", file=sys.stderr)
        sys.exit(128 + signal.SIGTERM)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    except BrokenPipeError:  # the reader of our output has left (`... | head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if (told := _trouble_with_the_machine(error)) is None:
            raise
        print(f"error: {told}", file=sys.stderr)
        sys.exit(1)
    sys.exit(0)
