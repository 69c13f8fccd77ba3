"""``ranet``: every script of the project behind one name, loaded when it is asked for."""

import argparse
import ast
import difflib
import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import ranet
from ranet.cli import UsageError, run_script
from ranet.commands.parser import GROUPS, NAMES, command_parser, file_name, script_of
from ranet.provenance import CONFIGS

_EXAMPLES = """\
Examples:
  ranet segment --video surf.mp4 --mask surf_first.png --out outputs/surf
  ranet explain --video surf.mp4 --mask surf_first.png --frame 40 --out outputs/explained
  ranet train --config configs/quickstart.yaml steps=500
"""


_WAITING = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}
"""Environment variables that say how a thread waits for others, with GNU's OpenMP."""


def main() -> NoReturn:
    """The console command ``ranet``."""
    _wait_shortly()
    run_script(lambda: _run(sys.argv[1:]))


def run_as_script(command: str) -> NoReturn:
    """What a file in ``scripts/`` does: the command of its name, with the process's arguments."""
    _wait_shortly()
    run_script(lambda: _call(command, script_of(command), sys.argv[1:]))


def _wait_shortly() -> None:
    """Have threads look for each other 10,000 times before they give their core away.

    By default, that is 300,000 times: where anything else wants one of the cores, a step then takes
    ten times as long and more (``docs/performance.md``). It is read when torch is loaded, later.
    """
    if not _WAITING & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = "10000"


def _run(words: Sequence[str]) -> None:
    if not words or words[0] in ("-h", "--help"):
        print(help_text())
    elif words[0] == "--version":
        print(f"ranet {ranet.__version__}")
    elif words[0] in NAMES:
        _call(words[0], f"ranet {words[0]}", words[1:])
    else:
        nearest = difflib.get_close_matches(words[0], NAMES, n=1)
        meant = f" Did you mean {nearest[0]!r}?" if nearest else ""
        print(f"ranet: there is no command {words[0]!r}.{meant} See ranet --help.", file=sys.stderr)
        sys.exit(2)


def _call(command: str, program: str, words: Sequence[str]) -> None:
    # argparse takes what is short for an option, too.
    asked = any(word.startswith("--pr") and "--print-config".startswith(word) for word in words)
    if asked and command in _CONFIGURATIONS:
        _print_config(command, program, words)
        return
    module = import_module(f"ranet.commands.{Path(file_name(command)).stem}")
    parser = command_parser(program, module.__doc__)
    module.add_options(parser)
    options = parser.parse_intermixed_args(words)  # key=value may stand anywhere
    try:
        module.run(options)
    except UsageError as error:
        parser.error(str(error))


_CONFIGURATIONS = {"train": "TrainConfig", "eval-davis": "EvalConfig", "segment": "InferenceConfig"}
"""What commands with ``--print-config`` read."""


def _print_config(command: str, program: str, words: Sequence[str]) -> None:
    """Print the complete configuration: neither the command nor torch is loaded for it.

    Options of the command that do not concern it may be there, and are not looked at.
    """
    from ranet import config
    from ranet.config_files import load_config, to_yaml

    parser = argparse.ArgumentParser(prog=program)
    parser.add_argument("--print-config", action="store_true")
    if command == "segment":
        parser.add_argument("--config", type=Path, default=CONFIGS / "segment.yaml")
    else:
        parser.add_argument("--config", type=Path, required=True)
    options, overrides = parser.parse_known_args(words)
    if any(word.startswith("-") for word in overrides):  # other options, and their values
        overrides = [word for word in overrides if re.match(r"[A-Za-z_][\w.]*=", word)]
    kind = getattr(config, _CONFIGURATIONS[command])
    print(to_yaml(load_config(kind, options.config, overrides)), end="")


def help_text() -> str:
    """Every command with the first line of its help; none of them is loaded for it."""
    width = max(map(len, NAMES))
    lines = ["usage: ranet COMMAND [OPTION ...]", ""]
    lines += ["Video object segmentation with the Ranking Attention Network.", ""]
    for group, members in GROUPS.items():
        lines += [f"{group}:", *(f"  {name:{width}}  {summary(name)}" for name in members), ""]
    return "\n".join([*lines, _EXAMPLES, "ranet COMMAND --help shows its options and examples."])


def summary(command: str) -> str:
    """The first line of a command's docstring, read without running its module."""
    path = Path(__file__).with_name(file_name(command))
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]
