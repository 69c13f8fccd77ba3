"""What scripts share: the values of common options, and how they end.

Status 0: done. 1: an error in the input, told in one message. 2: a wrong command line (argparse).
130: interrupted. A mistake of the program itself keeps its traceback.
"""

import argparse
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable
from typing import NoReturn

from ranet.errors import RANetError


def positive_int(text: str) -> int:
    """An ``argparse`` type: a whole number of at least 1."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, but found {text!r}")
    return number


def usable_cores() -> int:
    """The cores this process may run on, where the system tells; otherwise all there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f"warning: {message}", file=sys.stderr)


def run_script(main: Callable[[], None]) -> NoReturn:
    """Run ``main`` and leave the process with the status described above."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    warnings.showwarning = _show_warning  # one line a warning, without the code that raised it
    try:
        main()
    except RANetError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    except BrokenPipeError:  # the reader of our output has left (`... | head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sys.exit(0)
