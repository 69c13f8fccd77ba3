"""What messages and reports share: lists cut short, counts, sizes, tables, and what differs."""

from collections.abc import Iterator, Sequence, Sized
from pathlib import PurePath
from typing import Any


def some_of(names: Sequence[str], at_most: int = 6) -> str:
    """The first few names and how many there are."""
    more = f", … ({len(names)} in all)" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more


def bullets(lines: Sequence[str], at_most: int = 10) -> str:
    """The first few lines as a list and how many there are."""
    more = [f"  … and {len(lines) - at_most} more"] if len(lines) > at_most else []
    return "\n".join([f"  - {line}" for line in lines[:at_most]] + more)


def count(things: Sized | int, noun: str) -> str:
    """How many there are: ``1 frame``, ``2 frames``."""
    number = things if isinstance(things, int) else len(things)
    return f"{number} {noun}{'' if number == 1 else 's'}"


def distinct_ends(paths: Sequence[PurePath]) -> list[str]:
    """The ends of the paths, as short as they differ; they differ somewhere."""
    longest = max(len(path.parts) for path in paths)
    for length in range(1, longest + 1):
        names = ["/".join(path.parts[-length:]) for path in paths]
        if len(set(names)) == len(names):
            break
    return names


def size_text(size: Sequence[int]) -> str:
    """``480×854``: height×width of a size, or of an array's shape."""
    return f"{size[0]}×{size[1]}"


def aligned_cells(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Cells as wide as their column: those of the first to the left, the others to the right.

    Args:
        rows: of a table, all of one length; at least one, with the header.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        [first.ljust(widths[0]), *map(str.rjust, others, widths[1:])] for first, *others in rows
    ]


def aligned_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table for a terminal; :func:`aligned_cells`, two spaces apart."""
    return ["  ".join(cells).rstrip() for cells in aligned_cells(rows)]


def differences(before: Any, now: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Compare nested dictionaries.

    Args:
        before: as it was, e.g. read from a file.
        now: as it is.
        name: dotted name of where the two stand; empty for the whole.

    Yields:
        (dotted name, value before, value now) of each value that differs; None for a missing one.
    """
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            yield from differences(before.get(key), now.get(key), f"{name}.{key}".lstrip("."))
    elif before != now:
        yield name, before, now
