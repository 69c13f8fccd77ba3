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
from typing import TYPE_CHECKING

from ranet.cli import number_within, positive_int
from ranet.commands.parser import add_path
from ranet.files import check_writable
from ranet.report import DEFAULT_PICTURES, Pictures

if TYPE_CHECKING:
    from ranet.report.page import Written


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    told = "folders of results; the others are compared with the first"
    parser.add_argument("results", type=Path, nargs="+", metavar="RESULTS_DIR", help=told)
    add_path(parser, "--out", "DIR", "folder for the page and the plots", required=True)
    parser.add_argument(
        "--name",
        action="append",
        metavar="NAME",
        help="what to call a folder's results, once for each (default: like the folder)",
    )
    _add_pictures(parser)
    told = "the folder of the true masks, if they are no longer where they were scored"
    add_path(parser, "--annotations", "DIR", told)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    check_writable(options.out)
    written = write_asked(
        options,
        options.results,
        options.out,
        annotations=options.annotations,
        names=options.name,
    )
    print(written)


# --- For the commands whose results a report is of


def add_report(parser: argparse.ArgumentParser) -> None:
    """``--report`` and what goes with it, for a command that makes results."""
    group = parser.add_argument_group("report")
    told = "also write DIR/report.html, one file to look at in a browser, and DIR/plots"
    add_path(group, "--report", "DIR", told)
    _add_pictures(group)


def _add_pictures(group: argparse._ActionsContainer) -> None:
    """Which pictures a report has."""
    group.add_argument(
        "--without-pictures", action="store_true", help="numbers and curves alone, no frames"
    )
    add_path(
        group,
        "--frames",
        "DIR",
        "the folder with a folder of frames per sequence, such as JPEGImages/480p (default: "
        "where they were read, if the results tell)",
    )
    group.add_argument(
        "--frames-every",
        type=positive_int,
        default=DEFAULT_PICTURES.every,
        metavar="N",
        help="show each N-th frame of a video and the worst ones; fewer make a smaller file "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--width",
        type=number_within(int, 64, 1920),
        default=DEFAULT_PICTURES.width,
        metavar="PIXELS",
        help="of the pictures (default: %(default)s)",
    )
    group.add_argument(
        "--worst",
        type=number_within(int, 0),
        default=DEFAULT_PICTURES.worst,
        metavar="N",
        help="how many of the worst frames to show (default: %(default)s)",
    )


def write_asked(
    options: argparse.Namespace,
    folders: Sequence[Path],
    out: Path,
    *,
    annotations: Path | None = None,
    names: Sequence[str] | None = None,
) -> "Written":
    """The report that these options ask for; see :func:`ranet.report.page.write_report`."""
    from ranet.report.page import write_report  # most runs write none, and this loads much

    pictures = Pictures(
        every=options.frames_every,
        width=options.width,
        worst=options.worst,
        frames=options.frames,
        annotations=annotations,
    )
    chosen = None if options.without_pictures else pictures
    return write_report(folders, out, names=names, pictures=chosen)
