"""Show results in a browser: one self-contained page, and plots for papers.

Takes what ranet eval-davis or ranet evaluate wrote with --out. Several folders are compared with
the first: differences by sequence, who wins where, both curves in one plot.

    ranet report outputs/davis16 --out outputs/davis16_report
    ranet report outputs/long outputs/short --name "all steps" --name "half of them" \\
        --out outputs/comparison
    ranet report outputs/scores --frames data/DAVIS/JPEGImages/480p --out outputs/scores_report

The page is OUT/report.html: it opens from the disk and loads nothing from elsewhere.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ranet.commands.parser import command_parser, parse
from ranet.commands.report_options import add_pictures, write_asked
from ranet.files import check_writable


def main(program: str, arguments: Sequence[str]) -> None:
    """Run the command."""
    options = parse(_parser(program), arguments)
    check_writable(options.out)
    written = write_asked(
        options,
        options.results,
        options.out,
        annotations=options.annotations,
        names=options.name,
    )
    print(written)


def _parser(program: str) -> argparse.ArgumentParser:
    parser = command_parser(program, __doc__)
    parser.add_argument(
        "results",
        type=Path,
        nargs="+",
        metavar="RESULTS_DIR",
        help="folders of results; the others are compared with the first",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the page and the plots"
    )
    parser.add_argument(
        "--name",
        action="append",
        metavar="NAME",
        help="what to call a folder's results, once for each (default: like the folder)",
    )
    add_pictures(parser)
    parser.add_argument(
        "--annotations",
        type=Path,
        metavar="DIR",
        help="the folder of the true masks, if they are no longer where they were scored",
    )
    return parser
