#!/usr/bin/env python3
"""Segment a DAVIS split, score it, and print the table with the paper's numbers beside ours.

    python scripts/eval_davis.py --config configs/eval_davis16.yaml \\
        --davis data/DAVIS --checkpoint checkpoints/ranet.pt --out outputs/davis16
    python scripts/eval_davis.py --config configs/eval_davis17.yaml \\
        --davis data/DAVIS --checkpoint checkpoints/ranet_multi.pt --out outputs/davis17 \\
        inference.dtype=bfloat16
    python scripts/eval_davis.py --config configs/eval_davis16.yaml \\
        --davis data/DAVIS --copy-first-mask --out outputs/copying

Masks go to OUT/masks, scores and times to OUT/result.json. An interrupted run is started again
with the same command: finished sequences are kept.
"""

import argparse
from pathlib import Path

from ranet.cli import positive_int, run_script, usable_cores
from ranet.config import EvalConfig, load_config
from ranet.files import check_writable
from ranet.inference.run import copying, evaluate_split, network


def main() -> None:
    arguments = parse_arguments()
    config = load_config(EvalConfig, arguments.config, arguments.overrides)
    check_writable(arguments.out)
    method = copying() if arguments.copy_first_mask else network(config, arguments.checkpoint)
    report = evaluate_split(
        config,
        method,
        arguments.davis,
        arguments.out,
        set_file=arguments.set,
        overwrite=arguments.overwrite,
        workers=arguments.workers,
    )
    print(report)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
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
    method = parser.add_mutually_exclusive_group(required=True)
    method.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help="a network of ours, or one of the authors'"
    )
    method.add_argument(
        "--copy-first-mask",
        action="store_true",
        help="the baseline in place of a network: every frame gets the first mask",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for masks and results"
    )
    parser.add_argument(
        "--set", type=Path, metavar="FILE", help="list of sequences (default: that of the split)"
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace results in OUT that were made with another checkpoint or configuration",
    )
    parser.add_argument(
        "--workers",
        type=positive_int,
        default=usable_cores(),
        metavar="N",
        help="frames scored at the same time (default: one per usable core, here %(default)s)",
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="key=value",
        help="fields of the configuration to set, e.g. inference.dtype=bfloat16",
    )
    return parser.parse_intermixed_args()  # key=value may stand anywhere


if __name__ == "__main__":
    run_script(main)
