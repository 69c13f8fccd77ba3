"""Score predicted masks with the DAVIS measures: J, F, recall and decay.

Prints a table. With --out, also writes the tables of the official tool
(global_results-SET.csv, per-sequence_results-SET.csv) and davis.json, which holds every value of
every frame in full precision; --report adds a page to look at in a browser.

    ranet evaluate --year 2016 \\
        --annotations data/DAVIS/Annotations/480p --predictions results/ranet \\
        --set data/DAVIS/ImageSets/2016/val.txt --out results/ranet-scores \\
        --report results/ranet-scores --frames data/DAVIS/JPEGImages/480p
"""

import argparse

from ranet.cli import UsageError
from ranet.commands.parser import add_path, add_workers
from ranet.commands.report import add_report, write_asked
from ranet.errors import OutputError
from ranet.files import check_outside, check_writable


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    told = "the true masks, one folder of PNGs per sequence"
    add_path(parser, "--annotations", "DIR", told, required=True)
    told = "the masks to score: the same folders and file names"
    add_path(parser, "--predictions", "DIR", told, required=True)
    parser.add_argument(
        "--year",
        type=int,
        required=True,
        choices=(2016, 2017),
        help="2016: all that is not black is the one object; 2017: pixels are ids of objects",
    )
    told = "the list of sequences to score (default: all folders of the annotations)"
    add_path(parser, "--set", "FILE", told)
    add_path(parser, "--out", "DIR", "folder for the results (default: only print)")
    add_workers(parser, "frames scored at the same time")
    add_report(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    if options.report and not options.out:
        raise UsageError("--report shows the files of --out: give both; they may be one folder")
    from ranet.datasets.index import read_set_file
    from ranet.metrics import evaluate_davis, format_table

    if options.out:
        check_outside(options.out, [options.annotations])
        if (options.out / "settings.json").exists():
            raise OutputError(
                f"{options.out} holds the results of ranet eval-davis, whose scores these would "
                "replace: choose another folder."
            )
        check_writable(options.out)
        if options.report:
            check_writable(options.report)
    result = evaluate_davis(
        options.annotations,
        options.predictions,
        year=options.year,
        sequences=read_set_file(options.set) if options.set else None,
        workers=options.workers,
    )
    print(format_table(result))
    if options.out:
        result.write(options.out, options.set.stem if options.set else "all")
    if options.report:
        print(f"\n{write_asked(options, [options.out], options.report)}")
