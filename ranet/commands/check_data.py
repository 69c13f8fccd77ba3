"""List what is in data folders and everything that is wrong with them.

Knows all that data/README.md tells of: DAVIS trees and those like them (MOSE, LVOS, VOST),
YouTube-VOS, sets of images with masks, folders of frames, and video files:

    ranet check-data data/DAVIS
    ranet check-data data/YouTubeVOS data/MSRA10K_Imgs_GT data/static --quick
    ranet check-data my_frames --masks my_masks

Ends with status 1 if anything is wrong.
"""

import argparse
import sys
from pathlib import Path

from ranet.cli import UsageError
from ranet.commands.parser import add_path, add_workers

_KINDS = ("ecssd", "hku_is", "ilso", "msra10k", "pairs", "soc")
"""As in ranet.datasets.image_sets, which takes longer to load."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("roots", type=Path, nargs="+", metavar="ROOT", help="folder or video file")
    parser.add_argument(
        "--kind",
        choices=_KINDS,
        help="which set of images it is (default: see by the names of its folders)",
    )
    add_path(parser, "--masks", "DIR", "the masks of a folder of frames")
    parser.add_argument(
        "--resolution", help="check only this folder below JPEGImages, e.g. 480p (default: all)"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="read only headers and first masks: misses damaged data and wrong ids further on",
    )
    add_workers(parser, "processes")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    if options.masks is not None and len(options.roots) > 1:
        raise UsageError("--masks belongs to one folder of frames, so give one ROOT")
    from ranet.datasets.check import check_data

    sound = True
    for root in options.roots:
        report = check_data(
            root,
            kind=options.kind,
            masks=options.masks,
            resolution=options.resolution,
            quick=options.quick,
            workers=options.workers,
            progress=True,
        )
        print(report, flush=True)
        sound = sound and not report.problems
    sys.exit(0 if sound else 1)
