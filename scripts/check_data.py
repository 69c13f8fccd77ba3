#!/usr/bin/env python3
"""List what is in data folders and everything that is wrong with them.

Knows all that data/README.md tells of: DAVIS trees, YouTube-VOS, sets of images with masks, folders
of frames, and video files:

    python scripts/check_data.py data/DAVIS
    python scripts/check_data.py data/YouTubeVOS data/MSRA10K_Imgs_GT data/static --quick
    python scripts/check_data.py my_frames --masks my_masks

Ends with status 1 if anything is wrong.
"""

import sys
from pathlib import Path

from ranet.cli import run_script
from ranet.datasets.check import check_data
from ranet.datasets.image_sets import IMAGE_SETS
from ranet.options import add_workers, script_parser


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("roots", type=Path, nargs="+", metavar="ROOT", help="folder or video file")
    parser.add_argument(
        "--kind",
        choices=sorted(IMAGE_SETS),
        help="which set of images it is (default: see by the names of its folders)",
    )
    parser.add_argument("--masks", type=Path, help="the masks of a folder of frames")
    parser.add_argument(
        "--resolution", help="check only this folder below JPEGImages, e.g. 480p (default: all)"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="read only headers and first masks: misses damaged data and wrong ids further on",
    )
    add_workers(parser, "processes")
    args = parser.parse_args()
    if args.masks is not None and len(args.roots) > 1:
        parser.error("--masks belongs to one folder of frames, so give one ROOT")
    sound = True
    for root in args.roots:
        report = check_data(
            root,
            kind=args.kind,
            masks=args.masks,
            resolution=args.resolution,
            quick=args.quick,
            workers=args.workers,
            progress=True,
        )
        print(report, flush=True)
        sound = sound and not report.problems
    sys.exit(0 if sound else 1)


if __name__ == "__main__":
    run_script(main)
