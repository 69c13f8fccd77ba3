"""What a run says of itself: a line on the console, and every figure in ``log.jsonl``."""

import json
import logging
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

from ranet.files import output_errors, write_text

_logger = logging.getLogger(__name__)

SKIPPED_STEPS = "skipped_steps"
"""The figure that is counted between two lines; all others are averaged."""


class Records:
    """A file of JSON lines, each with the step it is of.

    Args:
        path: the file; what an earlier attempt wrote of steps after ``first_step`` is dropped.
        first_step: steps done before this run.
    """

    def __init__(self, path: Path, first_step: int) -> None:
        self._path = path
        kept = [r for r in read_log(path) if r["step"] <= first_step] if path.exists() else []
        write_text(path, "".join(json.dumps(record) + "\n" for record in kept))

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Append one line.

        Raises:
            OutputError: it cannot be written.
        """
        line = json.dumps({"step": step, **figures}, allow_nan=False) + "\n"
        with output_errors(self._path), open(self._path, "a", encoding="utf-8") as file:
            file.write(line)


class TrainingLog:
    """Averages the steps between two lines, and writes both kinds of line.

    Args:
        path: ``log.jsonl``; lines after ``first_step``, of an earlier attempt, are dropped.
        first_step: steps done before this run.
        steps: steps of the whole run.
        every: steps a line.
        noted: what an earlier attempt had noted of the steps after its last line.
    """

    def __init__(
        self,
        path: Path,
        first_step: int,
        steps: int,
        every: int,
        noted: Mapping[str, list[float]] = MappingProxyType({}),
    ) -> None:
        self.steps = steps
        self.every = every
        self._records = Records(path, first_step)
        self._started_at = first_step
        self._start = time.perf_counter()
        self.noted = {name: list(values) for name, values in noted.items()}
        """Figures of the steps since the last line, to go on with."""

    def add(self, step: int, figures: Mapping[str, float]) -> dict[str, float] | None:
        """Note the figures of one step; ``step`` counts from 1.

        Returns:
            The averages, each over the steps that have the figure, if this step ends a line.
        """
        for name, value in figures.items():
            self.noted.setdefault(name, []).append(value)
        if step % self.every and step != self.steps:
            return None
        means = {
            name: sum(values) / (1 if name == SKIPPED_STEPS else len(values))
            for name, values in self.noted.items()
        }
        self.noted = {}
        self._records.add(step, means)
        _logger.info("%s", self._line(step, means))
        return means

    def _line(self, step: int, means: dict[str, float]) -> str:
        named = {k: v for k, v in means.items() if k not in ("data_time", "step_time")}
        figures = "  ".join(f"{name} {value:.4g}" for name, value in named.items())
        seconds = (time.perf_counter() - self._start) / (step - self._started_at)
        left = timedelta(seconds=round(seconds * (self.steps - step)))
        times = f"{means['step_time']:.2f} s/step (data {means['data_time']:.2f})"
        return f"step {step:>{len(str(self.steps))}}/{self.steps}  {figures}  {times}  left {left}"


def read_log(path: Path) -> list[dict[str, float]]:
    """The records of a file of JSON lines; a last line that a kill has cut off is left out."""
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1]]
