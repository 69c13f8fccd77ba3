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

_OPTIONS = {
    "train": (int, 40, "N", "training videos"),
    "val": (int, 8, "N", "validation videos"),
    "frames": (int, 20, "N", "frames of each video"),
    "seed": (int, 0, "S", "other seeds, other videos"),
    "max_objects": (int, 3, "K", "objects a video, at most"),
    "clutter": (float, 1.0, "C", "look-alikes, obstacles and scenery, from 0 (none) to 1 (many)"),
}
"""Type, default, metavar and help of arguments of write_synthetic_davis."""


def _parsed(program: str, arguments: Sequence[str]) -> argparse.Namespace:
    parser = command_parser(program, __doc__)
    add = parser.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="folder to make; new or empty")
    for name, (kind, default, metavar, text) in _OPTIONS.items():
        add(
            f"--{name.replace('_', '-')}",
            type=number_within(kind, *LIMITS[name]),
            default=default,
            metavar=metavar,
            help=f"{text} (%(default)s)",
        )
    add(
        "--size",
        type=int,
        nargs=2,
        default=(240, 432),
        metavar=("H", "W"),
        help="height and width in pixels (240 432)",
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
            size=tuple(options.size),
            workers=options.workers,
            on_video=lambda name: bar.update(),
            **{name: getattr(options, name) for name in _OPTIONS},
        )
    done = f"{count(total, 'video')} written" if written else "already there, kept"
    print(f"{options.out}: {done}")
