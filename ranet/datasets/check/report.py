"""The result of a check."""

from dataclasses import dataclass
from pathlib import Path

from ranet.wording import count


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
