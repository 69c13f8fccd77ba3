"""Segment and score a DAVIS split, and print the paper's numbers beside ours.

    ranet eval-davis --config configs/eval_davis16.yaml \\
        --davis data/DAVIS --out outputs/davis16
    ranet eval-davis --config configs/eval_davis17.yaml \\
        --davis data/DAVIS --checkpoint outputs/small_clips/model.pt --out outputs/davis17 \\
        inference.dtype=bfloat16
    ranet eval-davis --config configs/eval_davis17.yaml \\
        --davis data/DAVIS --out outputs/davis17_together --batch-videos 8
    ranet eval-davis --config configs/eval_davis16.yaml \\
        --davis data/DAVIS --copy-first-mask --out outputs/copying --report outputs/copying

Masks go to OUT/masks, scores and times to OUT/result.json. Where only first masks are public, as
with split=test-dev, nothing is scored: OUT/submission-test-dev.zip has the masks as the
benchmark's server takes them.

An interrupted run is started again with the same command: finished sequences are kept.
"""

import argparse

from ranet.cli import positive_int
from ranet.commands.parser import (
    add_checkpoint,
    add_davis,
    add_overrides,
    add_print_config,
    add_workers,
)
from ranet.commands.report import add_report, write_asked
from ranet.files import check_writable


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add_davis(parser)
    method = parser.add_mutually_exclusive_group()
    add_checkpoint(method)
    method.add_argument(
        "--copy-first-mask",
        action="store_true",
        help="the baseline in place of a network: every frame gets the first mask",
    )
    parser.add_argument(
        "--batch-videos",
        type=positive_int,
        default=1,
        metavar="N",
        help="videos followed at the same time, those with equally many objects together: more "
        "frames a second on a GPU, and more of its memory (default: 1)",
    )
    add_workers(parser, "frames scored at the same time")
    add_report(parser)
    add_print_config(parser)
    add_overrides(parser, "inference.dtype=bfloat16")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from ranet.config import EvalConfig, load_config

    config = load_config(EvalConfig, options.config, options.overrides)
    check_writable(options.out)
    if options.report:
        check_writable(options.report)
    from ranet.inference.davis import copying, evaluate_split, network

    method = copying() if options.copy_first_mask else network(config, options.checkpoint)
    report = evaluate_split(
        config,
        method,
        options.davis,
        options.out,
        set_file=options.set,
        overwrite=options.overwrite,
        workers=options.workers,
        batch_videos=options.batch_videos,
        needs_scores=False,
    )
    print(report)
    if options.report and report.scores is None:
        print(f"\n{options.report} was not written: a report is of scores.")
    elif options.report:
        print(f"\n{write_asked(options, [options.out], options.report)}")
