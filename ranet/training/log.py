"""What a run says of itself: a line on the console, and every figure in ``log.jsonl``."""

import json
import logging
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from ranet.files import output_errors, write_text

_logger = logging.getLogger(__name__)


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
        with output_errors(self._path), open(self._path, "a") as file:
            file.write(json.dumps({"step": step, **figures}) + "\n")


class TrainingLog:
    """Averages the steps between two lines, and writes both kinds of line.

    Args:
        path: ``log.jsonl``; lines after ``first_step``, of an earlier attempt, are dropped.
        first_step: steps done before this run.
        steps: steps of the whole run.
        every: steps a line.
    """

    def __init__(self, path: Path, first_step: int, steps: int, every: int) -> None:
        self.steps = steps
        self.every = every
        self._records = Records(path, first_step)
        self._started_at = first_step
        self._start = time.perf_counter()
        self._sums: dict[str, float] = {}
        self._count = 0

    def add(self, step: int, figures: Mapping[str, float]) -> dict[str, float] | None:
        """Note the figures of one step; ``step`` counts from 1.

        Returns:
            The averages, if this step ends a line.
        """
        for name, value in figures.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1
        if step % self.every and step != self.steps:
            return None
        means = {name: total / self._count for name, total in self._sums.items()}
        self._sums, self._count = {}, 0
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
    lines = path.read_text().split("\n")
    return [json.loads(line) for line in lines[:-1]]
