"""Compare the masks of a faster step with those of the plain one.

The plain step is computed in float32, as it is written. A faster one has another dtype, or
channels_last, compile or cuda_graph:

    ranet compare-precision --video frames --mask first.png dtype=bfloat16
    ranet compare-precision --video surf.mp4 --mask surf_first.png --frames 50 \\
        --checkpoint outputs/small_clips/model.pt dtype=float16 compile=true

Half precision, a compiled step or another memory layout round in other places than the plain step.
What that changes in one step is small, but it adds up: every frame is cropped around the masks of
the frame before. The table shows intersection over union, mean and least over objects and frames:
of single steps, which both take from the same masks; and of the video, which each follows on its
own. The last line is the scale: the plain step, in frames with noise that nobody would see, where a
quarter of the values is larger or smaller by one.
"""

import argparse
import itertools

from ranet.cli import number_within
from ranet.commands.parser import add_checkpoint, add_how_to_segment, add_marked_video


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add_marked_video(parser)
    parser.add_argument(
        "--frames",
        type=number_within(int, 2),
        metavar="N",
        help="only so many, the first included (default: all)",
    )
    add_checkpoint(parser)
    add_how_to_segment(parser, "dtype=bfloat16")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from ranet.config import InferenceConfig, load_config

    config = load_config(InferenceConfig, options.config, options.overrides)
    from ranet.datasets.annotations import first_labels
    from ranet.datasets.video_io import open_frames

    source = open_frames(options.video)
    labels, _ = first_labels(options.mask, source.size)
    from tqdm import tqdm

    from ranet.inference.precision import compare_with_plain, table
    from ranet.methods.checkpoints import load_checkpoint

    total = min((n for n in (options.frames, source.count) if n is not None), default=None)
    frames = tqdm(itertools.islice(source, options.frames), total=total, unit="frame", disable=None)
    comparison = compare_with_plain(
        load_checkpoint(options.checkpoint), config, (frame for _, frame in frames), labels
    )
    print(f"{options.checkpoint}, {options.video}")
    for line in table(comparison, config):
        print(line)
