#!/usr/bin/env python3
"""Segment a DAVIS split, score it, and print the table with the paper's numbers beside ours.

    python scripts/eval_davis.py --config configs/eval_davis16.yaml \\
        --davis data/DAVIS --out outputs/davis16
    python scripts/eval_davis.py --config configs/eval_davis17.yaml \\
        --davis data/DAVIS --checkpoint outputs/small_clips/model.pt --out outputs/davis17 \\
        inference.dtype=bfloat16
    python scripts/eval_davis.py --config configs/eval_davis17.yaml \\
        --davis data/DAVIS --out outputs/davis17_together --batch-videos 8
    python scripts/eval_davis.py --config configs/eval_davis16.yaml \\
        --davis data/DAVIS --copy-first-mask --out outputs/copying --report outputs/copying

Masks go to OUT/masks, scores and times to OUT/result.json. An interrupted run is started again
with the same command: finished sequences are kept.
"""

import argparse

from ranet.cli import positive_int, run_script
from ranet.commands.report_options import add_report, write_asked
from ranet.config import EvalConfig, load_config
from ranet.files import check_writable
from ranet.inference.run import copying, evaluate_split, network, repeatable
from ranet.model.pretrained import pretrained_path
from ranet.options import add_checkpoint, add_davis, add_overrides, add_workers, script_parser


def main() -> None:
    arguments = parse_arguments()
    config = load_config(EvalConfig, arguments.config, arguments.overrides)
    check_writable(arguments.out)
    check_writable(arguments.report or arguments.out)
    method = (
        copying()
        if arguments.copy_first_mask
        else network(config, arguments.checkpoint or pretrained_path())
    )
    with repeatable():
        report = evaluate_split(
            config,
            method,
            arguments.davis,
            arguments.out,
            set_file=arguments.set,
            overwrite=arguments.overwrite,
            workers=arguments.workers,
            batch_videos=arguments.batch_videos,
        )
    print(report)
    if arguments.report:
        print(f"\n{write_asked(arguments, [arguments.out], arguments.report)}")


def parse_arguments() -> argparse.Namespace:
    parser = script_parser(__doc__)
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
    add_overrides(parser, "inference.dtype=bfloat16")
    return parser.parse_intermixed_args()  # key=value may stand anywhere


if __name__ == "__main__":
    run_script(main)
