"""What commands there are, and what their parsers share.

A command is a module with two functions: ``add_options`` declares what it takes, and ``run`` does
it, and loads then what it needs, so that a wrong word and ``--help`` are answered at once.
"""

import argparse
import re
from pathlib import Path
from typing import Any

from ranet.cli import positive_int, usable_cores
from ranet.provenance import CONFIGS

GROUPS = {
    "Segment": ("segment", "annotate", "explain"),
    "Measure": (
        "eval-davis",
        "eval-youtube-vos",
        "evaluate",
        "report",
        "benchmark",
        "compare-precision",
        "online-curve",
        "reproduce",
    ),
    "Train": ("train", "show-samples"),
    "Data": ("check-data", "make-synthetic"),
    "Networks": (
        "export-checkpoint",
        "export-onnx",
        "convert-released-weights",
        "check-released-parity",
    ),
    "Try": ("demo",),
}
"""In the order of the help."""

NAMES = tuple(name for group in GROUPS.values() for name in group)


def file_name(command: str) -> str:
    """The name of a command's module and script: ``check_data.py`` for ``check-data``."""
    return f"{command.replace('-', '_')}.py"


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


def script_of(command: str) -> str:
    """What calls it in a clone that is not installed: ``python scripts/train.py``."""
    return f"python scripts/{file_name(command)}"


def _as_scripts(text: str) -> str:
    """The text with scripts in the place of commands."""
    # Longer names first: `eval-davis` begins with what may be a name, too.
    names = "|".join(sorted(NAMES, key=len, reverse=True))
    return re.sub(rf"(?<!-m )\branet ({names})\b", lambda found: script_of(found[1]), text)


# --- Options that several commands have: called and explained the same in all of them

NETWORK = (
    "a network: a file of ours or of the authors', or ranet-small, dmvos-small or dmn-aoa-small, "
    "which come with the project"
)
"""What :func:`ranet.methods.checkpoints.checkpoint_file` takes, in a help."""

SMALLEST_SIDE = 33
"""Pixels that a network's input needs, as in ranet.methods.ranet.network; known without torch."""


def add_path(
    parser: argparse._ActionsContainer, option: str, metavar: str, told: str, **others: Any
) -> None:
    """An option that takes a path, and what else ``add_argument`` is to know of it."""
    parser.add_argument(option, type=Path, metavar=metavar, help=told, **others)


def add_overrides(parser: argparse.ArgumentParser, example: str) -> None:
    """``key=value``, any number, anywhere between the options."""
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="key=value",
        help=f"fields of the configuration to set, e.g. {example}",
    )


def add_print_config(parser: argparse.ArgumentParser) -> None:
    """``--print-config``, which :mod:`ranet.commands.program` sees to before the command begins."""
    parser.add_argument(
        "--print-config",
        action="store_true",
        help="print the whole configuration that --config and key=value make, and do nothing else; "
        "no other option is needed then",
    )


def add_how_to_segment(parser: argparse.ArgumentParser, example: str) -> None:
    """``--config`` and the fields of it to set, ``example`` being one."""
    told = "how to segment (default: configs/segment.yaml)"
    add_path(parser, "--config", "FILE", told, default=CONFIGS / "segment.yaml")
    add_overrides(parser, example)


def add_checkpoint(parser: argparse._ActionsContainer) -> None:
    """``--checkpoint``, ``ranet-small`` where it is not given."""
    told = f"{NETWORK} (default: %(default)s)"
    add_path(parser, "--checkpoint", "FILE_OR_NAME", told, default=Path("ranet-small"))


def add_released_objects(parser: argparse.ArgumentParser) -> None:
    """``--released-objects``, for a checkpoint that does not tell it."""
    parser.add_argument(
        "--released-objects",
        choices=("single", "multi"),
        help="which network one of the authors' files is for (default: as its name says)",
    )


def add_davis(parser: argparse.ArgumentParser) -> None:
    """What to evaluate, on which part of a DAVIS tree, and where to."""
    add_path(parser, "--config", "FILE", "such as configs/eval_davis16.yaml", required=True)
    told = "the DAVIS tree: JPEGImages, Annotations, ImageSets"
    add_path(parser, "--davis", "ROOT", told, required=True)
    add_path(parser, "--set", "FILE", "list of sequences (default: that of the split)")
    add_results(parser)


def add_results(parser: argparse.ArgumentParser) -> None:
    """Where the results of a split go to, and what becomes of older ones."""
    add_path(parser, "--out", "DIR", "folder for masks and results", required=True)
    made = "results in OUT that were made with another checkpoint or configuration"
    add_overwrite(parser, made)


def add_overwrite(parser: argparse.ArgumentParser, what: str) -> None:
    """``--overwrite``, without which what took long to make stays."""
    parser.add_argument("--overwrite", action="store_true", help=f"replace {what}")


def add_workers(parser: argparse.ArgumentParser, what: str) -> None:
    """``--workers``, how many of ``what``; as many as there are usable cores if not given."""
    parser.add_argument(
        "--workers",
        type=positive_int,
        default=usable_cores(),
        metavar="N",
        help=f"{what} (default: one per usable core, here %(default)s)",
    )


def add_marked_video(parser: argparse.ArgumentParser) -> None:
    """``--video``, and ``--mask`` of its first frame."""
    parser.add_argument(
        "--video",
        required=True,
        metavar="FILE_OR_FOLDER",
        help="a video file, a folder of images, or a pattern in quotes",
    )
    told = "ids of the objects in the first frame, at its size"
    add_path(parser, "--mask", "PNG", told, required=True)
