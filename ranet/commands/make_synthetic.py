"""Write a miniature DAVIS of synthetic videos.

Everything can be tried with it, without any real data. Textured objects move, turn, deform and hide
each other over moving backgrounds; things that look alike and poles in front make it hard. Masks
are exact. The same arguments give the same files.

    ranet make-synthetic --out data/synthetic --train 40 --val 8
    ranet make-synthetic --out data/crossing --train 0 --val 8 --frames 32 --max-objects 2 \\
        --case look_alikes_crossing
"""

import argparse
import sys

from ranet.cli import UsageError
from ranet.commands.parser import add_path, add_workers
from ranet.wording import count

_OPTIONS = {
    "train": (40, "N", "training videos"),
    "val": (8, "N", "validation videos"),
    "frames": (20, "N", "frames of each video"),
    "seed": (0, "S", "other seeds, other videos"),
    "max_objects": (3, "K", "objects a video, at most"),
    "clutter": (1.0, "C", "look-alikes, obstacles and scenery, from 0 (none) to 1 (many)"),
}
"""Default, metavar and help of arguments of write_synthetic_davis, which knows their limits."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add_path(parser, "--out", "DIR", "folder to make; new or empty", required=True)
    for name, (default, metavar, told) in _OPTIONS.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=type(default),
            default=default,
            metavar=metavar,
            help=f"{told} (%(default)s)",
        )
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        default=(240, 432),
        metavar=("H", "W"),
        help="height and width in pixels (240 432)",
    )
    parser.add_argument(
        "--case",
        choices=("look_alikes_crossing", "occlusion_and_return"),
        help="what all videos are made for (nothing but to be hard)",
    )
    add_workers(parser, "videos drawn at the same time")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    total = options.train + options.val
    if total == 0:
        raise UsageError("there is no video to draw: set --train or --val above 0")
    from tqdm import tqdm

    from ranet.datasets.synthetic import write_synthetic_davis

    with tqdm(total=total, unit="video", disable=not sys.stderr.isatty()) as bar:
        written = write_synthetic_davis(
            options.out,
            size=tuple(options.size),
            case=options.case,
            workers=options.workers,
            on_video=lambda name: bar.update(),
            **{name: getattr(options, name) for name in _OPTIONS},
        )
    done = f"{count(total, 'video')} written" if written else "already there, kept"
    print(f"{options.out}: {done}")
