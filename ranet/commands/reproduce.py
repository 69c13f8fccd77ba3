"""Put our results into the paper's tables, beside the published numbers.

    ranet reproduce                                  # all tables, nothing measured
    ranet reproduce --results outputs --out outputs/tables
    ranet reproduce --table 4 5 --results outputs/ablations

Collects the result.json files that eval-davis and online-curve wrote in or below the given folders.
Prints Markdown; with --out it writes table<n>.md, table<n>.csv and, with Table 1, figure6.png.
Which row a result belongs to follows from its checkpoint and configuration; docs/reproduce.md has
the command for every row.
"""

import argparse

from ranet.commands.parser import add_path
from ranet.files import check_writable

_TABLES = range(1, 7)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument(
        "--table",
        type=int,
        nargs="+",
        choices=_TABLES,
        default=_TABLES,
        metavar="N",
        help="numbers of tables, 1 to 6 (default: all)",
    )
    told = "folders with results in or below them"
    add_path(parser, "--results", "DIR", told, nargs="+", default=[])
    add_path(parser, "--out", "DIR", "folder for the files")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    if options.out is not None:
        check_writable(options.out)
    from ranet.tables.reproduce import reproduce

    grids = reproduce(options.table, options.results, options.out)
    print("\n".join(grid.markdown() for grid in grids))
