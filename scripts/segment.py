#!/usr/bin/env python3
"""Segment a video from the mask of its first frame.

The video is a folder of images, a pattern such as 'frames/*.png', or a video file. The objects are
a mask (indexed PNG, or black and white), a box each, or polygons:

    python scripts/segment.py --video surf.mp4 --mask surf_first.png \\
        --out outputs/surf --overlay outputs/surf.mp4
    python scripts/segment.py --video frames --box 120,200,310,420 --box 80,500,300,640 \\
        --checkpoint outputs/small_clips/model.pt --out outputs/two
    python scripts/segment.py --video surf.mp4 --polygon surf.json --start 48 \\
        --out outputs/surf_from_48 input_size=[240,432]

A polygon file is {"objects": [{"id": 1, "polygons": [[[x, y], [x, y], [x, y]]]}]}, in pixels; an
object is all that lies inside any of its polygons.

OUT gets an indexed PNG for each frame, all at once at the end; a run that fails leaves nothing. The
overlay may lie in OUT too.
"""

import argparse
from pathlib import Path

import numpy as np

from ranet.cli import run_script
from ranet.config import InferenceConfig, load_config
from ranet.datasets.image_io import read_labels
from ranet.datasets.video_io import open_frames
from ranet.inference.first_mask import Box, labels_of_boxes, labels_of_polygons
from ranet.inference.segmenter import VideoSegmenter
from ranet.inference.video import segment_video
from ranet.model.pretrained import pretrained_path
from ranet.model.weights import load_checkpoint
from ranet.options import add_checkpoint, add_overrides, script_parser

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "segment.yaml"


def main() -> None:
    arguments = parse_arguments()
    config = load_config(InferenceConfig, arguments.config, arguments.overrides)
    source = open_frames(arguments.video)
    labels = first_labels(arguments, source.size)
    model = load_checkpoint(arguments.checkpoint or pretrained_path(), arguments.released_objects)
    segment_video(
        VideoSegmenter(model, config),
        source,
        labels,
        arguments.out,
        labels_from=str(arguments.mask or arguments.polygon or "of --box"),
        start=arguments.start,
        overlay_path=arguments.overlay,
    )


def first_labels(arguments: argparse.Namespace, size: tuple[int, int]) -> np.ndarray:
    if arguments.mask:
        return read_labels(arguments.mask)
    if arguments.polygon:
        return labels_of_polygons(arguments.polygon, size)
    return labels_of_boxes(arguments.box, size)


def box(text: str) -> Box:
    try:
        top, left, bottom, right = (int(number) for number in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected top,left,bottom,right in pixels, such as 120,200,310,420, found {text!r}"
        ) from None
    return top, left, bottom, right


def frame_number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 on, found {text!r}")
    return int(text)


def parse_arguments() -> argparse.Namespace:
    parser = script_parser(__doc__)
    parser.add_argument(
        "--video",
        required=True,
        metavar="FILE_OR_FOLDER",
        help="a video file, a folder of images, or a pattern in quotes",
    )
    objects = parser.add_mutually_exclusive_group(required=True)
    objects.add_argument(
        "--mask", type=Path, metavar="PNG", help="ids of the objects, at the frames' size"
    )
    objects.add_argument(
        "--box",
        type=box,
        action="append",
        metavar="T,L,B,R",
        help="top,left,bottom,right in pixels; repeat it for further objects",
    )
    objects.add_argument("--polygon", type=Path, metavar="JSON", help="outlines of the objects")
    add_checkpoint(parser)
    parser.add_argument(
        "--released-objects",
        choices=("single", "multi"),
        help="which network one of the authors' files is for (default: as its name says)",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="new folder for the masks"
    )
    parser.add_argument(
        "--overlay", type=Path, metavar="MP4", help="video of the objects over the frames"
    )
    parser.add_argument(
        "--start",
        type=frame_number,
        default=0,
        metavar="N",
        help="frame in which the objects are marked, from 0; earlier ones are left out",
    )
    parser.add_argument(
        "--config",
        type=Path,
        default=CONFIG,
        metavar="FILE",
        help="how to segment (default: configs/segment.yaml)",
    )
    add_overrides(parser, "dtype=bfloat16")
    return parser.parse_intermixed_args()  # key=value may stand anywhere


if __name__ == "__main__":
    run_script(main)
