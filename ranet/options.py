"""Options that several scripts have: called and explained the same in all of them."""

import argparse
from pathlib import Path

from ranet.cli import positive_int, usable_cores

SMALLEST_SIDE = 33
"""Of what a network can see, as ranet.methods.ranet.network has it: known without torch."""


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
