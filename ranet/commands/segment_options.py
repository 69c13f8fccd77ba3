"""Options of the commands that segment a video."""

import argparse
from pathlib import Path

from ranet.commands.places import CONFIGS
from ranet.options import add_overrides


def add_marked_video(parser: argparse.ArgumentParser) -> None:
    """``--video``, and ``--mask`` of its first frame."""
    parser.add_argument(
        "--video",
        required=True,
        metavar="FILE_OR_FOLDER",
        help="a video file, a folder of images, or a pattern in quotes",
    )
    parser.add_argument(
        "--mask",
        type=Path,
        required=True,
        metavar="PNG",
        help="ids of the objects in the first frame, at its size",
    )


def add_how_to_segment(parser: argparse.ArgumentParser, example: str) -> None:
    """``--config`` and the fields of it to set, ``example`` being one."""
    parser.add_argument(
        "--config",
        type=Path,
        default=CONFIGS / "segment.yaml",
        metavar="FILE",
        help="how to segment (default: configs/segment.yaml)",
    )
    add_overrides(parser, example)
