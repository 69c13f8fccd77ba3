"""What commands there are, and what their parsers share."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

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


# --- Options that several commands have: called and explained the same in all of them

SMALLEST_SIDE = 33
"""Pixels that a network's input needs, as in ranet.methods.ranet.network; known without torch."""


def add_overrides(parser: argparse.ArgumentParser, example: str) -> None:
    """``key=value``, any number, for :func:`ranet.config.load_config`.

    They may stand anywhere between the options with ``parse_intermixed_args``.
    """
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


def add_checkpoint(group: argparse._ActionsContainer) -> None:
    """``--checkpoint``; None where it is not given."""
    group.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="a network of ours, or one of the authors' (default: ranet-small, which comes with "
        "the project)",
    )


def add_davis(parser: argparse.ArgumentParser) -> None:
    """What to evaluate, on which part of a DAVIS tree, and where to."""
    parser.add_argument(
        "--config",
        type=Path,
        required=True,
        metavar="FILE",
        help="such as configs/eval_davis16.yaml",
    )
    parser.add_argument(
        "--davis",
        type=Path,
        required=True,
        metavar="ROOT",
        help="the DAVIS tree: JPEGImages, Annotations, ImageSets",
    )
    parser.add_argument(
        "--set", type=Path, metavar="FILE", help="list of sequences (default: that of the split)"
    )
    add_out(parser)


def add_out(parser: argparse.ArgumentParser) -> None:
    """Where the results of a split go to, and what becomes of older ones."""
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for masks and results"
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace results in OUT that were made with another checkpoint or configuration",
    )


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
    parser.add_argument(
        "--mask",
        type=Path,
        required=True,
        metavar="PNG",
        help="ids of the objects in the first frame, at its size",
    )


def add_how_to_segment(parser: argparse.ArgumentParser, example: str) -> None:
    """``--config`` and the fields of it to set, ``example`` being one."""
    parser.add_argument(
        "--config",
        type=Path,
        default=CONFIGS / "segment.yaml",
        metavar="FILE",
        help="how to segment (default: configs/segment.yaml)",
    )
    add_overrides(parser, example)
