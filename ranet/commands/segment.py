"""Segment a video from the masks of one of its frames, or of several.

The video is a file (mp4, mov, webm, …), a folder of images, a pattern such as 'frames/*.png', the
number of a camera, or raw frames on standard input. The objects are masks (indexed PNGs, black and
white, or what LabelMe, COCO, CVAT and Label Studio write), a box each, or polygons:

    ranet segment --video surf.mp4 --mask surf_first.png \\
        --out outputs/surf --overlay outputs/surf.mp4 --cut-out outputs/surf.webm
    ranet segment --video frames --box 120,200,310,420 --box 80,500,300,640 \\
        --checkpoint outputs/small_clips/model.pt --out outputs/two --coco outputs/two.json
    ranet segment --video surf.mp4 --mask 48=surf_48.png --mask 90=surf_90.png \\
        --backward --out outputs/surf_all input_size=[240,432]
    ranet segment --video surf.mp4 --mask surfer.png --mask board.png --out outputs/surf_two
    ranet segment --video 0 --box 100,150,400,500 --out outputs/camera
    ffmpeg -i surf.mkv -f rawvideo -pix_fmt rgb24 - | \\
    ranet segment --video - --raw-size 480x854 --mask surf_first.png --out outputs/surf

An annotated frame is taken as it is: its objects begin there, or begin anew if they are followed
already; other objects go on. Frames before the first annotated one get no mask, or are segmented
backwards with --backward.

A polygon file is {"objects": [{"id": 1, "polygons": [[[x, y], [x, y], [x, y]]]}]}, in pixels; an
object is all that lies inside any of its polygons.

OUT gets an indexed PNG for each frame, all at once at the end. A run that was interrupted goes on
when the same command is given again; a camera or standard input cannot be continued: there, Ctrl-C
ends the video, and what came before is kept, as it is before a frame that cannot be read.
"""

import argparse
import re
import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from ranet.cli import UsageError, check_not_read, image_size, number_within
from ranet.commands.parser import (
    add_checkpoint,
    add_how_to_segment,
    add_path,
    add_print_config,
    add_released_objects,
)

if TYPE_CHECKING:
    import numpy as np

    from ranet.datasets.annotations import PixelBox
    from ranet.datasets.frames import FrameSource

_PIXEL_FORMATS = ("rgb24", "bgr24", "gray", "rgba", "bgra")

_OUTPUTS = {
    "overlay": ("MP4", "video of the objects over the frames"),
    "cut_out": ("DIR_OR_WEBM", "the objects, transparent around: a new folder of PNGs, or a video"),
    "coco": ("JSON", "run lengths of the masks"),
    "youtube_vis": ("JSON", "the same in the layout of YouTube-VIS"),
    "zip": ("ZIP", "the masks in one file"),
}
"""Fields of :class:`ranet.inference.outputs.Outputs`: how each is told on the command line."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    _add_input(parser)
    _add_objects(parser)
    add_checkpoint(parser)
    add_released_objects(parser)
    _add_output(parser)
    add_print_config(parser)
    add_how_to_segment(parser, "dtype=bfloat16")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    _check_combination(options)
    from ranet.config import InferenceConfig, load_config

    config = load_config(InferenceConfig, options.config, options.overrides)
    source = _frame_source(options)
    masks = _annotated_frames(options, source)
    from ranet.inference.outputs import Outputs
    from ranet.inference.segmenter import VideoSegmenter
    from ranet.inference.video import segment_video
    from ranet.methods.checkpoints import checkpoint_file, fingerprint, load_checkpoint

    checkpoint = checkpoint_file(options.checkpoint)
    check_not_read(_written(options), [checkpoint])
    model = load_checkpoint(checkpoint, options.released_objects)
    segment_video(
        VideoSegmenter(model, config),
        source,
        masks,
        options.out,
        backward=options.backward,
        outputs=Outputs(**{name: getattr(options, name) for name in _OUTPUTS}),
        frame_rate=options.frame_rate,
        made_with={"checkpoint_sha256": fingerprint(checkpoint)},
        restart=options.restart,
    )


def _written(options: argparse.Namespace) -> list[Path]:
    return [path for path in (getattr(options, name) for name in _OUTPUTS) if path]


def _check_combination(options: argparse.Namespace) -> None:
    if (options.video == "-") != (options.raw_size is not None):
        raise UsageError(
            "--video - and --raw-size need each other: raw frames do not tell their size"
        )
    read = [path for _, path in options.mask or ()]
    check_not_read(_written(options), [*read, *filter(None, (options.polygon, options.config))])
    numbers = [number for number, _ in options.mask or ()]
    if options.start is not None and (options.masks or (numbers and None not in numbers)):
        raise UsageError("--start tells the frame of a mask without a number, but there is none")


def _frame_source(options: argparse.Namespace) -> "FrameSource":
    from ranet.datasets.live import CameraFrames, RawFrames, camera_index
    from ranet.datasets.video_io import open_frames

    if options.video == "-":
        return RawFrames(sys.stdin.buffer, options.raw_size, options.pixel_format)
    camera = camera_index(options.video)
    if camera is not None:
        return CameraFrames(camera)
    return open_frames(options.video)


def _annotated_frames(
    options: argparse.Namespace, source: "FrameSource"
) -> "dict[int, np.ndarray | Path]":
    from ranet.datasets.annotations import labels_of_boxes
    from ranet.datasets.video_io import position_of
    from ranet.inference.marked_frames import marked_in_files, masks_by_name, tell_marked_frame

    start = 0 if options.start is None else position_of(source, options.start)
    if options.masks:
        return masks_by_name(options.masks, source)
    if options.mask:
        files: dict[int, list[Path]] = {}
        for number, path in options.mask:
            position = start if number is None else position_of(source, number)
            tell_marked_frame(path, position, source)
            files.setdefault(position, []).append(path)
        return marked_in_files(files, source)
    if options.polygon:
        return marked_in_files({start: [options.polygon]}, source)
    return {start: labels_of_boxes(options.box, source.size)}


def _box(text: str) -> "PixelBox":
    try:
        top, left, bottom, right = (int(number) for number in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected top,left,bottom,right in pixels, such as 120,200,310,420, found {text!r}"
        ) from None
    return top, left, bottom, right


def _mask(text: str) -> tuple[int | None, Path]:
    numbered = re.fullmatch(r"([0-9]+)=(.+)", text)
    if numbered is None or Path(text).exists():
        return None, Path(text)
    return int(numbered[1]), Path(numbered[2])


def _frame_rate(text: str) -> Fraction:
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if rate <= 0:
        raise argparse.ArgumentTypeError(
            f"expected frames a second, such as 25 or 30000/1001, found {text!r}"
        )
    return rate


def _add_input(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--video",
        required=True,
        metavar="SOURCE",
        help="a video file, a folder of images, a pattern in quotes, the number of a camera, or - "
        "for raw frames on standard input",
    )
    parser.add_argument(
        "--raw-size", type=image_size, metavar="HxW", help="height and width of raw frames"
    )
    parser.add_argument(
        "--pixel-format",
        choices=_PIXEL_FORMATS,
        default="rgb24",
        help="of raw frames, as ffmpeg calls it (default: %(default)s)",
    )


def _add_objects(parser: argparse.ArgumentParser) -> None:
    objects = parser.add_mutually_exclusive_group(required=True)
    objects.add_argument(
        "--mask",
        type=_mask,
        action="append",
        metavar="[FRAME=]FILE",
        help="objects at the frames' size: ids, black and white, or a JSON of LabelMe, COCO or "
        "Label Studio; repeat it for further frames, with their number, or for further objects of "
        "a frame, one a file, the later in front",
    )
    add_path(objects, "--masks", "DIR", "masks, named as the frames that they are of")
    objects.add_argument(
        "--box",
        type=_box,
        action="append",
        metavar="T,L,B,R",
        help="top,left,bottom,right in pixels; repeat it for further objects",
    )
    add_path(objects, "--polygon", "JSON", "outlines of the objects")
    parser.add_argument(
        "--start",
        type=number_within(int, 0),
        metavar="N",
        help="frame in which the objects are marked: the number in its name, or counted from 0 "
        "(default: the first)",
    )
    parser.add_argument(
        "--backward",
        action="store_true",
        help="segment the frames before, too: each object backwards from where it is first marked",
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    add_path(parser, "--out", "DIR", "new folder for the masks", required=True)
    for name, (metavar, told) in _OUTPUTS.items():
        add_path(parser, f"--{name.replace('_', '-')}", metavar, told)
    parser.add_argument(
        "--frame-rate",
        type=_frame_rate,
        metavar="R",
        help="of these videos, where the source tells none, as images (default: 24)",
    )
    parser.add_argument(
        "--restart", action="store_true", help="forget what an interrupted run has left"
    )
