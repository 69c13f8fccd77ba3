"""What the names of a video's files tell: their order, their numbers, and what is no frame.

Names are those of files without their ending.
"""

import itertools
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction

from ranet.wording import some_of

_NUMBER = re.compile(r".*?[0-9]+(?:\.([0-9]+))?[^0-9]*")

_MASK = re.compile(
    r"mask|label|annotation|segmentation|ground.?truth|matte|(?<![a-z])(gt|seg|alpha)(?![a-z])"
)
"""Words in the name, in lower case, of a mask that lies among frames."""


def natural_key(
    name: str, *, decimals: bool = False
) -> tuple[tuple[str | int | Fraction, ...], str]:
    """Sort key that compares the numbers in ``name`` as numbers, with ``decimals`` as 10.25."""
    number = r"([0-9]+\.[0-9]+|[0-9]+)" if decimals else r"([0-9]+)"
    parts = re.split(number, name.casefold())  # text, number, text, …
    value = Fraction if decimals else int
    return tuple(value(part) if i % 2 else part for i, part in enumerate(parts)), name


def are_decimals(names: Iterable[str]) -> bool:
    """Whether the last numbers in the names are decimals (0.5, 1.25), such as times.

    Two counters look alike (shot 1.9, 1.10). These are padded to one length, or come by 1.10;
    nobody writes that for the time 1.1 beside 1.25.
    """
    matches = [match for name in names if (match := _NUMBER.fullmatch(name))]
    fractions = {match[1] or "" for match in matches}
    padded = any(len(fraction) > 1 and fraction.endswith("0") for fraction in fractions)
    return len({len(fraction) for fraction in fractions}) > 1 and not padded


def numbers_of(names: Iterable[str]) -> list[int] | None:
    """The whole number in each name; None unless each is one word and a number of its own."""
    names = list(names)
    matches = [re.fullmatch(r"(.*?)([0-9]+)", name) for name in names]
    if None in matches or len({match[1] for match in matches}) > 1 or are_decimals(names):
        return None
    numbers = [int(match[2]) for match in matches]
    return numbers if len(set(numbers)) == len(numbers) else None


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
    """The numbers that names in order leave out, such as ``3, 7…9``; empty if there are none."""
    missing = holes(numbers_of(names) or [])
    return some_of([str(n[0]) if len(n) == 1 else f"{n[0]}…{n[-1]}" for n in missing])


def masks_among(names: Iterable[str]) -> list[str]:
    """Those that are named as masks, where others are not."""
    names = list(names)
    masks = [name for name in names if _MASK.search(name.casefold())]
    return masks if len(masks) < len(names) else []


def odd_ones(names: Iterable[str]) -> list[str]:
    """Those that differ, not only in their numbers, from more than half of the names."""
    kinds = {name: re.sub(r"[0-9]+(\.[0-9]+)?", "0", name.casefold()) for name in names}
    ((usual, number),) = Counter(kinds.values()).most_common(1) or [("", 0)]
    most = number > max(1, len(kinds) / 2)
    return [name for name, kind in kinds.items() if kind != usual] if most else []
