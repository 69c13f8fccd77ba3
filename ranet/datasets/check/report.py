"""The result of a check, and the words that its messages share."""

from collections.abc import Sized
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DataReport:
    """What is in a data folder and what is wrong with it; ``str()`` makes it readable."""

    root: Path
    kind: str  # what the folder was taken for
    contents: tuple[str, ...]  # lines that tell what is there
    problems: tuple[str, ...]  # a message for each mistake; empty if all is well

    def __str__(self) -> str:
        lines = [f"{self.root}: {self.kind}", *(f"  {line}" for line in self.contents)]
        if not self.problems:
            return "\n".join([*lines, "  nothing is wrong"])
        lines.append(f"  {count(self.problems, 'problem')}:")
        return "\n".join([*lines, *(f"  - {problem}" for problem in self.problems)])


def count(things: Sized, noun: str) -> str:
    """How many there are: ``1 frame``, ``2 frames``."""
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"


def pixels(size: tuple[int, int] | None) -> str:
    """A size as height×width."""
    return "unreadable" if size is None else f"{size[0]}×{size[1]}"


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Lines of a table: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (header, *rows)
    ]
