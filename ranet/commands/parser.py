"""The parser of a command: its help is the module's docstring, examples included."""

import argparse
import re
from collections.abc import Sequence

from ranet.commands.names import NAMES, file_name


def command_parser(program: str, docstring: str | None) -> argparse.ArgumentParser:
    """A parser whose help shows the docstring as it is written.

    Args:
        program: what the command is called by: ``ranet train`` or ``python scripts/train.py``,
            which then stands for it in the examples, too.
        docstring: of the command's module, with examples that begin with ``ranet``.
    """
    text = docstring or ""
    return argparse.ArgumentParser(
        prog=program,
        description=text if program.startswith("ranet ") else _as_scripts(text),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the words of a command; ``key=value`` may stand anywhere between the options."""
    return parser.parse_intermixed_args(arguments)


def script_of(command: str) -> str:
    """What calls it in a clone that is not installed: ``python scripts/train.py``."""
    return f"python scripts/{file_name(command)}"


def _as_scripts(text: str) -> str:
    """The text with scripts in the place of commands."""
    # Longer names first: `eval-davis` begins with what may be a name, too.
    names = "|".join(sorted(NAMES, key=len, reverse=True))
    return re.sub(rf"(?<!-m )\branet ({names})\b", lambda found: script_of(found[1]), text)
