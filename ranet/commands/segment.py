#!/usr/bin/env python3
"""Segment a video from the masks of one of its frames, or of several.

The video is a file (mp4, mov, webm, …), a folder of images, a pattern such as 'frames/*.png', the
number of a camera, or raw frames on standard input. The objects are masks (indexed PNGs, or black
and white), a box each, or polygons:

    python scripts/segment.py --video surf.mp4 --mask surf_first.png \\
        --out outputs/surf --overlay outputs/surf.mp4 --cut-out outputs/surf.webm
    python scripts/segment.py --video frames --box 120,200,310,420 --box 80,500,300,640 \\
        --checkpoint outputs/small_clips/model.pt --out outputs/two --coco outputs/two.json
    python scripts/segment.py --video surf.mp4 --mask 48=surf_48.png --mask 90=surf_90.png \\
        --backward --out outputs/surf_all input_size=[240,432]
    python scripts/segment.py --video 0 --box 100,150,400,500 --out outputs/camera
    ffmpeg -i surf.mkv -f rawvideo -pix_fmt rgb24 - | python scripts/segment.py --video - \\
        --raw-size 480x854 --mask surf_first.png --out outputs/surf

An annotated frame is taken as it is: its objects begin there, or begin anew if they are followed
already; other objects go on. Frames before the first annotated one get no mask, or are segmented
backwards with --backward.

A polygon file is {"objects": [{"id": 1, "polygons": [[[x, y], [x, y], [x, y]]]}]}, in pixels; an
object is all that lies inside any of its polygons.

OUT gets an indexed PNG for each frame, all at once at the end. A run that was interrupted goes on
when the same command is given again; a camera or standard input cannot be continued: there, Ctrl-C
ends the video, and what came before is kept.
"""

import argparse
import re
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np

from ranet.cli import number_within, run_script
from ranet.config import InferenceConfig, load_config
from ranet.datasets.live import PIXEL_FORMATS, CameraFrames, RawFrames
from ranet.datasets.video_io import FrameSource, open_frames
from ranet.inference.first_mask import Box, labels_of_boxes, labels_of_polygons
from ranet.inference.marked_frames import masks_by_name
from ranet.inference.outputs import Outputs
from ranet.inference.segmenter import VideoSegmenter
from ranet.inference.video import segment_video
from ranet.model.pretrained import pretrained_path
from ranet.model.weights import fingerprint, load_checkpoint
from ranet.options import add_checkpoint, add_overrides, script_parser

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "segment.yaml"


def main() -> None:
    arguments = parse_arguments()
    config = load_config(InferenceConfig, arguments.config, arguments.overrides)
    source = frame_source(arguments)
    masks = annotated_frames(arguments, source)
    checkpoint = arguments.checkpoint or pretrained_path()
    model = load_checkpoint(checkpoint, arguments.released_objects)
    segment_video(
        VideoSegmenter(model, config),
        source,
        masks,
        arguments.out,
        backward=arguments.backward,
        outputs=Outputs(arguments.overlay, arguments.cut_out, arguments.coco),
        frame_rate=arguments.frame_rate,
        made_with={"checkpoint_sha256": fingerprint(checkpoint)},
        restart=arguments.restart,
    )


def frame_source(arguments: argparse.Namespace) -> FrameSource:
    if arguments.video == "-":
        return RawFrames(sys.stdin.buffer, arguments.raw_size, arguments.pixel_format)
    if arguments.video.isdecimal() and not Path(arguments.video).exists():
        return CameraFrames(int(arguments.video))
    return open_frames(arguments.video)


def annotated_frames(
    arguments: argparse.Namespace, source: FrameSource
) -> dict[int, np.ndarray | Path]:
    start = arguments.start or 0
    if arguments.masks:
        return masks_by_name(arguments.masks, source)
    if arguments.mask:
        return {start if number is None else number: path for number, path in arguments.mask}
    if arguments.polygon:
        return {start: labels_of_polygons(arguments.polygon, source.size)}
    return {start: labels_of_boxes(arguments.box, source.size)}


def box(text: str) -> Box:
    try:
        top, left, bottom, right = (int(number) for number in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected top,left,bottom,right in pixels, such as 120,200,310,420, found {text!r}"
        ) from None
    return top, left, bottom, right


def mask(text: str) -> tuple[int | None, Path]:
    numbered = re.fullmatch(r"([0-9]+)=(.+)", text)
    return (int(numbered[1]), Path(numbered[2])) if numbered else (None, Path(text))


def raw_size(text: str) -> tuple[int, int]:
    size = re.fullmatch(r"([1-9][0-9]*)[x×]([1-9][0-9]*)", text)
    if size is None:
        raise argparse.ArgumentTypeError(f"expected HEIGHTxWIDTH, such as 480x854, found {text!r}")
    return int(size[1]), int(size[2])


def frame_rate(text: str) -> Fraction:
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if rate <= 0:
        raise argparse.ArgumentTypeError(
            f"expected frames a second, such as 25 or 30000/1001, found {text!r}"
        )
    return rate


def parse_arguments() -> argparse.Namespace:
    parser = script_parser(__doc__)
    add_input(parser)
    add_objects(parser)
    add_checkpoint(parser)
    parser.add_argument(
        "--released-objects",
        choices=("single", "multi"),
        help="which network one of the authors' files is for (default: as its name says)",
    )
    add_output(parser)
    parser.add_argument(
        "--config",
        type=Path,
        default=CONFIG,
        metavar="FILE",
        help="how to segment (default: configs/segment.yaml)",
    )
    add_overrides(parser, "dtype=bfloat16")
    arguments = parser.parse_intermixed_args()  # key=value may stand anywhere
    check_combination(parser, arguments)
    return arguments


def check_combination(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    if (arguments.video == "-") != (arguments.raw_size is not None):
        parser.error("--video - and --raw-size need each other: raw frames do not tell their size")
    numbers = [number for number, _ in arguments.mask or ()]
    if len(set(numbers)) < len(numbers):
        parser.error("two --mask are of one frame; tell of which they are as FRAME=PNG")
    if arguments.start is not None and (arguments.masks or (numbers and None not in numbers)):
        parser.error("--start tells the frame of a mask without a number, but there is none")
    if None in numbers and (arguments.start or 0) in numbers:
        parser.error(f"two --mask are of frame {arguments.start or 0}")


def add_input(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--video",
        required=True,
        metavar="SOURCE",
        help="a video file, a folder of images, a pattern in quotes, the number of a camera, or - "
        "for raw frames on standard input",
    )
    parser.add_argument(
        "--raw-size", type=raw_size, metavar="HxW", help="height and width of raw frames"
    )
    parser.add_argument(
        "--pixel-format",
        choices=tuple(PIXEL_FORMATS),
        default="rgb24",
        help="of raw frames, as ffmpeg calls it (default: %(default)s)",
    )


def add_objects(parser: argparse.ArgumentParser) -> None:
    objects = parser.add_mutually_exclusive_group(required=True)
    objects.add_argument(
        "--mask",
        type=mask,
        action="append",
        metavar="[FRAME=]PNG",
        help="ids of the objects, at the frames' size; repeat it, with the number of the frame, "
        "for further frames",
    )
    objects.add_argument(
        "--masks", type=Path, metavar="DIR", help="masks, named as the frames that they are of"
    )
    objects.add_argument(
        "--box",
        type=box,
        action="append",
        metavar="T,L,B,R",
        help="top,left,bottom,right in pixels; repeat it for further objects",
    )
    objects.add_argument("--polygon", type=Path, metavar="JSON", help="outlines of the objects")
    parser.add_argument(
        "--start",
        type=number_within(int, 0),
        metavar="N",
        help="frame in which the objects are marked, from 0 (default: 0)",
    )
    parser.add_argument(
        "--backward",
        action="store_true",
        help="segment the frames before, too: each object backwards from where it is first marked",
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="new folder for the masks"
    )
    parser.add_argument(
        "--overlay", type=Path, metavar="MP4", help="video of the objects over the frames"
    )
    parser.add_argument(
        "--cut-out",
        type=Path,
        metavar="DIR_OR_WEBM",
        help="the objects on a transparent background: a new folder of PNGs, or a video",
    )
    parser.add_argument("--coco", type=Path, metavar="JSON", help="run lengths of the masks")
    parser.add_argument(
        "--frame-rate",
        type=frame_rate,
        metavar="R",
        help="of these videos, where the source tells none, as images (default: 24)",
    )
    parser.add_argument(
        "--restart", action="store_true", help="forget what an interrupted run has left"
    )


if __name__ == "__main__":
    run_script(main)
