#!/usr/bin/env python3
"""Put our results into the paper's tables, beside the published numbers.

    python scripts/reproduce.py                                  # all tables, nothing measured
    python scripts/reproduce.py --results outputs --out outputs/tables
    python scripts/reproduce.py --table 4 5 --results outputs/ablations

Collects the result.json files that scripts/eval_davis.py and scripts/online_curve.py wrote in or
below the given folders. Prints Markdown; with --out it writes table<n>.md, table<n>.csv and, with
Table 1, figure6.png. Which row a result belongs to follows from its checkpoint and configuration;
docs/reproduce.md has the command for every row.
"""

from pathlib import Path

from ranet.cli import run_script
from ranet.files import check_writable
from ranet.options import script_parser
from ranet.tables.reproduce import TABLES, reproduce


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument(
        "--table",
        type=int,
        nargs="+",
        choices=TABLES,
        default=TABLES,
        metavar="N",
        help="numbers of tables, 1 to 6 (default: all)",
    )
    parser.add_argument(
        "--results",
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="folders with results in or below them",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the files")
    arguments = parser.parse_args()
    if arguments.out is not None:
        check_writable(arguments.out)
    grids = reproduce(arguments.table, arguments.results, arguments.out)
    print("\n".join(grid.markdown() for grid in grids))


if __name__ == "__main__":
    run_script(main)
