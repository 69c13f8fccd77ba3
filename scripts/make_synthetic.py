#!/usr/bin/env python3
"""Write a miniature DAVIS of synthetic videos, to try everything without any real data.

Textured objects move, turn, deform and hide each other over moving backgrounds; things that look
alike and poles in front make it hard. Masks are exact. The same arguments give the same files.

    python scripts/make_synthetic.py --out data/synthetic --train 40 --val 8
"""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from ranet.cli import number_within, run_script
from ranet.datasets.synthetic import LIMITS, write_synthetic_davis
from ranet.options import add_workers, script_parser
from ranet.wording import count


def parse_arguments() -> argparse.Namespace:
    parser = script_parser(__doc__)
    add = parser.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="folder to make; new or empty")
    add(
        "--train",
        type=number_within(int, *LIMITS["train"]),
        default=40,
        metavar="N",
        help="training videos (%(default)s)",
    )
    add(
        "--val",
        type=number_within(int, *LIMITS["val"]),
        default=8,
        metavar="N",
        help="validation videos (%(default)s)",
    )
    add(
        "--frames",
        type=number_within(int, *LIMITS["frames"]),
        default=20,
        metavar="N",
        help="frames of each video (%(default)s)",
    )
    add(
        "--size",
        type=int,
        nargs=2,
        default=(240, 432),
        metavar=("H", "W"),
        help="height and width in pixels (240 432)",
    )
    add(
        "--seed",
        type=number_within(int, *LIMITS["seed"]),
        default=0,
        metavar="S",
        help="other seeds, other videos (%(default)s)",
    )
    add(
        "--max-objects",
        type=number_within(int, *LIMITS["max_objects"]),
        default=3,
        metavar="K",
        help="objects a video (%(default)s)",
    )
    add(
        "--clutter",
        type=number_within(float, *LIMITS["clutter"]),
        default=1.0,
        metavar="C",
        help="look-alikes, obstacles and scenery, from 0 (none) to 1 (many) (%(default)s)",
    )
    add_workers(parser, "videos drawn at the same time")
    arguments = parser.parse_args()
    if arguments.train + arguments.val == 0:
        parser.error("there is no video to draw: set --train or --val above 0")
    return arguments


def main() -> None:
    arguments = parse_arguments()
    total = arguments.train + arguments.val
    with tqdm(total=total, unit="video", disable=not sys.stderr.isatty()) as bar:
        written = write_synthetic_davis(
            arguments.out,
            train=arguments.train,
            val=arguments.val,
            frames=arguments.frames,
            size=tuple(arguments.size),
            seed=arguments.seed,
            max_objects=arguments.max_objects,
            clutter=arguments.clutter,
            workers=arguments.workers,
            on_video=lambda name: bar.update(),
        )
    print(
        f"{arguments.out}: "
        + (f"{count(total, 'video')} written" if written else "already there, kept")
    )


if __name__ == "__main__":
    run_script(main)
