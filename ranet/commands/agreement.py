"""Measure how well the masks of a faster step agree with those of the plain one.

The plain step is computed in float32, as it is written. What is compared with it is a configuration
with another dtype, channels_last, compile or cuda_graph:

    ranet agreement --video frames --mask first.png dtype=bfloat16
    ranet agreement --video surf.mp4 --mask surf_first.png --frames 50 \\
        --checkpoint outputs/small_clips/model.pt dtype=float16 compile=true

Told is the intersection over union, mean over the objects, of one step that both take from the
same masks, and of the video followed by each on its own, where differences add up. The second line
is the scale: the plain step, in frames of which a quarter of the values is one grey level off.
"""

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from ranet.cli import number_within
from ranet.commands.parser import command_parser, parse
from ranet.commands.places import CONFIGS
from ranet.config import InferenceConfig, load_config
from ranet.datasets.video_io import open_frames
from ranet.inference.agreement import PLAIN, Agreement, Comparison, compare_with_plain
from ranet.inference.first_mask import first_labels
from ranet.model.pretrained import pretrained_path
from ranet.model.weights import load_checkpoint
from ranet.options import add_checkpoint, add_overrides
from ranet.wording import aligned_table, count


def main(program: str, arguments: Sequence[str]) -> None:
    """Run the command."""
    options = parse(_parser(program), arguments)
    config = load_config(InferenceConfig, options.config, options.overrides)
    source = open_frames(options.video)
    labels, _ = first_labels(options.mask, source.size)
    checkpoint = options.checkpoint or pretrained_path()
    frames = itertools.islice(source, options.frames)
    comparison = compare_with_plain(
        load_checkpoint(checkpoint),
        config,
        (frame for _, frame in tqdm(frames, total=options.frames, unit="frame", disable=None)),
        labels,
    )
    for line in _told(comparison, config, f"{checkpoint.stem}, {options.video}"):
        print(line)


def _told(comparison: Comparison, config: InferenceConfig, what: str) -> list[str]:
    frames = count(comparison.faster.step, "frame")
    objects = count(comparison.objects, "object")
    return [
        f"{what}: {objects}, {frames} behind the first, {comparison.device}",
        *aligned_table(
            [
                ("IoU with the plain step", "a step", "least", "the video", "least"),
                (_name(comparison, config), *_cells(comparison.faster)),
                ("a grey level off", *_cells(comparison.grainy)),
            ]
        ),
    ]


def _name(comparison: Comparison, config: InferenceConfig) -> str:
    """The fields that it has its speed from, and which of them were without effect."""
    values = {name: getattr(config, name) for name in PLAIN}
    asked = [f"{name}={value}".lower() for name, value in values.items() if value != PLAIN[name]]
    missed = dict.fromkeys(shortfall.way for shortfall in comparison.shortfalls)
    without = f", ran without {' and '.join(missed)}" if missed else ""
    return " ".join(asked) + without


def _cells(agreement: Agreement) -> list[str]:
    return [
        f"{value:.4f}"
        for values in (agreement.step, agreement.video)
        for value in (sum(values) / len(values), min(values))
    ]


def _parser(program: str) -> argparse.ArgumentParser:
    parser = command_parser(program, __doc__)
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
    parser.add_argument(
        "--frames",
        type=number_within(int, 2),
        metavar="N",
        help="only so many, the first included (default: all)",
    )
    add_checkpoint(parser)
    parser.add_argument(
        "--config",
        type=Path,
        default=CONFIGS / "segment.yaml",
        metavar="FILE",
        help="how to segment (default: configs/segment.yaml)",
    )
    add_overrides(parser, "dtype=bfloat16")
    return parser
