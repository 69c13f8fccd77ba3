"""A table of text, as Markdown and as CSV."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ranet.files import write_csv, write_text
from ranet.wording import aligned_cells

NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Grid:
    """A table.

    Attributes:
        name: as in file names, ``"table1"``.
        title: above the table.
        header: names of the columns.
        rows: cells, as many as there are columns.
        notes: below the table; not in the CSV.
    """

    name: str
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = field(default_factory=list)

    def markdown(self) -> str:
        """The table with title and notes; the first column is text, the others are aligned."""
        header, *rows = aligned_cells([self.header, *self.rows])
        first, *others = map(len, header)
        rule = ["-" * first, *("-" * (width - 1) + ":" for width in others)]
        lines = [f"| {' | '.join(cells)} |" for cells in (header, rule, *rows)]
        notes = [f"- {note}" for note in self.notes]
        return "\n".join([f"### {self.title}", "", *lines, *([""] if notes else []), *notes]) + "\n"

    def write(self, folder: Path) -> None:
        """Write ``<name>.md`` and ``<name>.csv``.

        Raises:
            OutputError: they cannot be written.
        """
        write_text(folder / f"{self.name}.md", self.markdown())
        write_csv(folder / f"{self.name}.csv", self.header, self.rows)


def number(value: float | None) -> str:
    """A number as the paper prints it; a dash where there is none."""
    return "–" if value is None else f"{value:.1f}"
