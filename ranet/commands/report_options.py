"""The options of the commands that write a report."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ranet.cli import number_within, positive_int
from ranet.report import DEFAULT_PICTURES, Pictures

if TYPE_CHECKING:
    from ranet.report.page import Written


def add_report(parser: argparse.ArgumentParser) -> None:
    """``--report`` and what goes with it, for a command that makes results."""
    group = parser.add_argument_group("report")
    group.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="also write DIR/report.html, one file to look at in a browser, and DIR/plots",
    )
    add_pictures(group)


def add_pictures(group: argparse._ActionsContainer) -> None:
    """Which pictures a report has."""
    group.add_argument(
        "--without-pictures", action="store_true", help="numbers and curves alone, no frames"
    )
    group.add_argument(
        "--frames",
        type=Path,
        metavar="DIR",
        help="the folder with a folder of frames per sequence, such as JPEGImages/480p (default: "
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
    arguments: argparse.Namespace,
    folders: Sequence[Path],
    out: Path,
    *,
    annotations: Path | None = None,
    names: Sequence[str] | None = None,
) -> "Written":
    """The report that these arguments ask for; see :func:`ranet.report.page.write_report`."""
    from ranet.report.page import write_report  # most runs write none, and this loads much

    pictures = Pictures(
        every=arguments.frames_every,
        width=arguments.width,
        worst=arguments.worst,
        frames=arguments.frames,
        annotations=annotations,
    )
    chosen = None if arguments.without_pictures else pictures
    return write_report(folders, out, names=names, pictures=chosen)
