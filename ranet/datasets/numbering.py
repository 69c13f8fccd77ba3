"""The numbers in the names of a video's files, and which of them are left out."""

import itertools
import re
import statistics
from collections.abc import Iterable, Sequence

from ranet.wording import some_of


def holes(numbers: Sequence[int]) -> list[range]:
    """What an ascending sequence leaves out, if half of its steps or more are equal."""
    steps = [after - before for before, after in itertools.pairwise(numbers)]
    if not steps:
        return []
    step = statistics.mode(steps)
    if step == 0 or steps.count(step) < len(steps) / 2:
        return []
    left_out = (range(before + step, after, step) for before, after in itertools.pairwise(numbers))
    return [numbers for numbers in left_out if numbers]


def skipped_numbers(names: Iterable[str]) -> str:
    """The numbers that are left out, such as ``3, 7…9``; empty if none, or if nothing is numbered.

    Args:
        names: in order, without ending. They are numbered if each is one word and a number.
    """
    matches = [re.fullmatch(r"(.*?)([0-9]+)", name) for name in names]
    if None in matches or len({match[1] for match in matches}) > 1:
        return ""
    missing = holes([int(match[2]) for match in matches])
    return some_of([str(n[0]) if len(n) == 1 else f"{n[0]}…{n[-1]}" for n in missing])
