"""The parser of a command: its help is the module's docstring, examples included."""

import argparse
import re
from collections.abc import Sequence


def command_parser(program: str, docstring: str | None) -> argparse.ArgumentParser:
    """A parser whose help shows the docstring as it is written.

    Args:
        program: what the command is called by: ``ranet train`` or ``python scripts/train.py``.
        docstring: of the command's module, with examples that begin with ``ranet``.
    """
    text = docstring or ""
    if program.startswith("python "):
        text = _as_scripts(text)
    return argparse.ArgumentParser(
        prog=program, description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the words of a command; ``key=value`` may stand anywhere between the options."""
    return parser.parse_intermixed_args(arguments)


def script_name(command: str) -> str:
    """The file in ``scripts/`` that is the command: ``check_data.py`` for ``check-data``."""
    return f"{command.replace('-', '_')}.py"


def _as_scripts(text: str) -> str:
    """Name the scripts where the text names commands, at the beginning of a line of examples."""
    return re.sub(
        r"^( {4}|.*torchrun .*)ranet ([a-z][a-z-]*)",
        lambda found: f"{found[1]}python scripts/{script_name(found[2])}",
        text,
        flags=re.MULTILINE,
    )
