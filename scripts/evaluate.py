#!/usr/bin/env python3
"""Score predicted masks with the DAVIS measures: J, F, recall and decay.

Prints a table. With --out, also writes the tables of the official tool
(global_results-SET.csv, per-sequence_results-SET.csv) and davis.json, which holds every value of
every frame in full precision; --report adds a page to look at in a browser.

    python scripts/evaluate.py --year 2016 \\
        --annotations data/DAVIS/Annotations/480p --predictions results/ranet \\
        --set data/DAVIS/ImageSets/2016/val.txt --out results/ranet-scores \\
        --report results/ranet-scores --frames data/DAVIS/JPEGImages/480p
"""

import argparse
from pathlib import Path

from ranet.cli import run_script
from ranet.commands.report_options import add_report, write_asked
from ranet.datasets.index import read_set_file
from ranet.files import check_outside, check_writable
from ranet.metrics import evaluate_davis, format_table
from ranet.options import add_workers, script_parser


def main() -> None:
    arguments = parse_arguments()
    if arguments.out:
        check_outside(arguments.out, [arguments.annotations])
        check_writable(arguments.out)
        check_writable(arguments.report or arguments.out)
    result = evaluate_davis(
        arguments.annotations,
        arguments.predictions,
        year=arguments.year,
        sequences=read_set_file(arguments.set) if arguments.set else None,
        workers=arguments.workers,
    )
    print(format_table(result))
    if arguments.out:
        result.write(arguments.out, arguments.set.stem if arguments.set else "all")
    if arguments.report:
        print(f"\n{write_asked(arguments, [arguments.out], arguments.report)}")


def parse_arguments() -> argparse.Namespace:
    parser = script_parser(__doc__)
    parser.add_argument(
        "--annotations",
        type=Path,
        required=True,
        metavar="DIR",
        help="the true masks, one folder of PNGs per sequence",
    )
    parser.add_argument(
        "--predictions",
        type=Path,
        required=True,
        metavar="DIR",
        help="the masks to score: the same folders and file names",
    )
    parser.add_argument(
        "--year",
        type=int,
        required=True,
        choices=(2016, 2017),
        help="2016: all that is not black is the one object; 2017: pixels are ids of objects",
    )
    parser.add_argument(
        "--set",
        type=Path,
        metavar="FILE",
        help="the list of sequences to score (default: all folders of the annotations)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for the results (default: only print)"
    )
    add_workers(parser, "frames scored at the same time")
    add_report(parser)
    arguments = parser.parse_args()
    if arguments.report and not arguments.out:
        parser.error("--report shows the files of --out: give both; they may be one folder")
    return arguments


if __name__ == "__main__":
    run_script(main)
