"""Write a miniature DAVIS of synthetic videos.

Everything can be tried with it, without any real data. Textured objects move, turn, deform and hide
each other over moving backgrounds; things that look alike and poles in front make it hard. Masks
are exact. The same arguments give the same files.

    ranet make-synthetic --out data/synthetic --train 40 --val 8
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from ranet.cli import number_within
from ranet.commands.parser import add_workers, command_parser, parse
from ranet.datasets.synthetic import LIMITS, write_synthetic_davis
from ranet.wording import count


def _parsed(program: str, arguments: Sequence[str]) -> argparse.Namespace:
    parser = command_parser(program, __doc__)
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
    options = parse(parser, arguments)
    if options.train + options.val == 0:
        parser.error("there is no video to draw: set --train or --val above 0")
    return options


def main(program: str, arguments: Sequence[str]) -> None:
    """Run the command."""
    options = _parsed(program, arguments)
    total = options.train + options.val
    with tqdm(total=total, unit="video", disable=not sys.stderr.isatty()) as bar:
        written = write_synthetic_davis(
            options.out,
            train=options.train,
            val=options.val,
            frames=options.frames,
            size=tuple(options.size),
            seed=options.seed,
            max_objects=options.max_objects,
            clutter=options.clutter,
            workers=options.workers,
            on_video=lambda name: bar.update(),
        )
    print(
        f"{options.out}: "
        + (f"{count(total, 'video')} written" if written else "already there, kept")
    )
