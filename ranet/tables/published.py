"""What the paper has published: Tables 1 to 6, read from ``published.yaml``.

Numbers are as printed: measures in per cent, times in the unit of their table. A *benchmark* is a
year and a split of DAVIS, as in ``"2016 val"``.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ranet.config import Section, load_config

OURS = "RANet"
"""What the names of the paper's own rows begin with."""


class Method(Section):
    """A row of Tables 1 to 3."""

    name: str
    online: bool | None = None  # None where the table does not say
    ms: float | None = None  # milliseconds a frame
    scores: dict[str, tuple[float | None, ...]]  # by benchmark, in the order of the measures


class Comparison(Section):
    """One of Tables 1 to 3."""

    title: str
    time: bool  # whether there is a column of times
    measures: tuple[str, ...]  # as the DAVIS tool calls them
    methods: tuple[Method, ...]

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """What was measured on, in the order of the columns."""
        return tuple(self.methods[0].scores)


class AblatedMethod(Section):
    """A row of Tables 4 and 5."""

    name: str
    scores: tuple[float | None, ...]  # J-Mean, in the order of the variants


class Ablation(Section):
    """Table 4 or 5: J-Mean of variants, on DAVIS-2016 val."""

    title: str
    variants: tuple[str, ...]
    methods: tuple[AblatedMethod, ...]


class CurvePoint(Section):
    """A point of Table 6."""

    seconds: float  # a frame
    score: float  # J&F-Mean


class OnlineLearningTable(Section):
    """Table 6, on DAVIS-2016 val; the first point is without online learning."""

    title: str
    points: tuple[CurvePoint, ...]


class Published(Section):
    """All of ``published.yaml``."""

    splits: dict[str, tuple[str, ...]]  # names of the sequences, by benchmark
    comparisons: dict[int, Comparison]  # by number of the table
    ablations: dict[int, Ablation]
    online_learning: OnlineLearningTable


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
    for number, table in published().comparisons.items():
        for method in table.methods:
            if _is_ours(method, online) and benchmark in method.scores:
                measures = zip(table.measures, method.scores[benchmark], strict=True)
                return PublishedResult(
                    source=f"paper, Table {number}" + (", online learning" if online else ""),
                    sequences=len(published().splits[benchmark]),
                    measures={name: round(value / 100, 4) for name, value in measures},
                    ms=method.ms,
                )
    return None


def _is_ours(method: Method, online: bool) -> bool:
    return method.name.startswith(OURS) and method.online is online
