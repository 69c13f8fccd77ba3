"""All rows of a run in a file, with what they depend on, and their comparison with another's."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ranet.benchmark.machine import describe_machine, describe_software
from ranet.benchmark.rows import Row
from ranet.benchmark.timing import Spread
from ranet.errors import BenchmarkError
from ranet.files import write_json

FORMAT = "ranet-benchmark-1"


@dataclass
class Results:
    """Rows and their circumstances.

    Attributes:
        machine: see :mod:`ranet.benchmark.machine`.
        software: versions of what was run.
        command: the words of the command line.
        rows: what was measured so far.
    """

    machine: dict[str, Any] = field(default_factory=describe_machine)
    software: dict[str, Any] = field(default_factory=describe_software)
    command: list[str] = field(default_factory=lambda: list(sys.argv))
    rows: list[Row] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Write all of it as JSON, with rates worked out, atomically.

        Raises:
            OutputError: the file cannot be written.
        """
        write_json(
            path,
            {
                "format": FORMAT,
                "machine": self.machine,
                "software": self.software,
                "command": self.command,
                "rows": [{**asdict(row), **_worked_out(row)} for row in self.rows],
            },
        )

    @classmethod
    def read(cls, path: Path) -> "Results":
        """Read what :meth:`write` has written.

        Raises:
            BenchmarkError: the file cannot be read, or holds something else.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BenchmarkError(f"{path} should hold results of --json: {error}.") from error
        found = content.get("format") if isinstance(content, dict) else None
        if found != FORMAT:
            raise BenchmarkError(
                f"{path} should hold results that scripts/benchmark.py wrote with --json, of "
                f"format {FORMAT!r}, but found {found!r}. Name such a file, or measure it again."
            )
        try:
            rows = [_row_of(row) for row in content["rows"]]
            return cls(content["machine"], content["software"], content["command"], rows)
        except (KeyError, TypeError) as error:
            raise BenchmarkError(
                f"{path} holds results that cannot be understood: {error!r}. It may be damaged, or "
                "of another revision of this project: measure it again."
            ) from error

    def partner(self, row: Row) -> Row | None:
        """The row with the same part and settings, if one could be measured with these."""
        same = (
            other
            for other in self.rows
            if (other.part, other.settings) == (row.part, row.settings) and other.is_comparable
        )
        return next(same, None)


def speed_up(row: Row, baseline: Results) -> float | None:
    """How many times as fast a row is as its partner; None if one of both cannot be compared."""
    partner = baseline.partner(row)
    if partner is None or not row.is_comparable:
        return None
    return partner.seconds.median / row.seconds.median


def without_partner(rows: Sequence[Row], others: Results) -> list[Row]:
    """Rows that others have no partner of."""
    return [row for row in rows if others.partner(row) is None]


def _worked_out(row: Row) -> dict[str, float | None]:
    return {
        "units_per_second": row.units_per_second,
        "flop_rate": row.flop_rate,
    }


def _row_of(values: dict[str, Any]) -> Row:
    known = {name: values[name] for name in (field.name for field in fields(Row))}
    if known["seconds"] is not None:
        known["seconds"] = Spread(**known["seconds"])
    return Row(**known)
