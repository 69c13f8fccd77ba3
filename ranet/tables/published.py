"""What the paper has published: Tables 1 to 6, read from ``published.yaml``.

Numbers are as printed, measures in per cent; times in milliseconds. A *benchmark* is a
year and a split of DAVIS, as in ``"2016 val"``.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ranet.config import Section, load_config

OURS = "RANet"
"""What the names of the paper's own rows begin with."""


class Method(Section):
    """A row of a table."""

    name: str
    online: bool | None = None  # None where the table does not say
    ms: float | None = None  # milliseconds a frame
    scores: dict[str, tuple[float | None, ...]]  # by benchmark, in the order of the columns


class Table(Section):
    """Measures of methods (Tables 1 to 3, 6), or J-Mean of their variants (Tables 4 and 5)."""

    title: str
    columns: tuple[str, ...]  # measures as the DAVIS tool calls them, or variants
    methods: tuple[Method, ...]

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """What was measured on, in the order of the columns."""
        return tuple(self.methods[0].scores)

    @property
    def has_times(self) -> bool:
        """Whether it tells milliseconds a frame."""
        return self.methods[0].ms is not None


class Published(Section):
    """All of ``published.yaml``."""

    splits: dict[str, tuple[str, ...]]  # names of the sequences, by benchmark
    tables: dict[int, Table]  # by number


@cache
def published() -> Published:
    """The tables."""
    return load_config(Published, Path(__file__).with_name("published.yaml"))


@dataclass(frozen=True)
class PublishedResult:
    """RANet's row of one table for one benchmark; measures as fractions."""

    source: str
    sequences: int
    """How many sequences it was measured on."""
    measures: dict[str, float]
    ms: float | None
    """Milliseconds a frame, online learning included."""

    def caveats(self, sequences: int) -> list[str]:
        """What to know before comparing it with ours, which is of so many sequences."""
        notes = []
        if self.ms:
            notes.append("The paper's time: Titan Xp, measured without synchronising.")
        if self.sequences != sequences:
            notes.append(
                f"The paper's numbers are of {self.sequences} sequences, ours of {sequences}: they "
                "cannot be compared as they are."
            )
        return notes


def published_result(year: int, split: str, *, online: bool) -> PublishedResult | None:
    """What the paper gives for RANet on a split; None if nothing.

    Args:
        year: 2016 or 2017.
        split: of DAVIS, as in ``"val"``.
        online: with online learning, or without.
    """
    benchmark = f"{year} {split}"
    for number in (1, 2, 3):
        table = published().tables[number]
        for method in table.methods:
            ours = method.name.startswith(OURS) and method.online is online
            if ours and benchmark in method.scores:
                measures = zip(table.columns, method.scores[benchmark], strict=True)
                return PublishedResult(
                    source=f"paper, Table {number}" + (", online learning" if online else ""),
                    sequences=len(published().splits[benchmark]),
                    measures={name: round(value / 100, 4) for name, value in measures},
                    ms=method.ms,
                )
    return None
