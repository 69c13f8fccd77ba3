"""Compare the masks of a faster step with those of the plain one.

The plain step is computed in float32, as it is written. A faster one has another dtype, or
channels_last, compile or cuda_graph:

    ranet compare-precision --video frames --mask first.png dtype=bfloat16
    ranet compare-precision --video surf.mp4 --mask surf_first.png --frames 50 \\
        --checkpoint outputs/small_clips/model.pt dtype=float16 compile=true

The table shows intersection over union, mean and least over objects and frames: of single steps,
which both take from the same masks; and of the video, which each follows on its own, so that
differences add up. The last line is the scale: the plain step, in frames with noise that nobody
would see, where a quarter of the values is larger or smaller by one.
"""

import argparse
import itertools
from collections.abc import Sequence

from tqdm import tqdm

from ranet.cli import number_within
from ranet.commands.parser import command_parser, parse
from ranet.commands.segment_options import add_how_to_segment, add_marked_video
from ranet.config import PLAIN_STEP, InferenceConfig, load_config
from ranet.datasets.video_io import open_frames
from ranet.inference.acceleration import ran_without
from ranet.inference.compare_precision import Agreement, Comparison, compare_with_plain
from ranet.inference.first_mask import first_labels
from ranet.model.pretrained import pretrained_path
from ranet.model.weights import load_checkpoint
from ranet.options import add_checkpoint
from ranet.wording import aligned_table, count


def main(program: str, arguments: Sequence[str]) -> None:
    """Run the command."""
    options = parse(_parser(program), arguments)
    config = load_config(InferenceConfig, options.config, options.overrides)
    source = open_frames(options.video)
    labels, _ = first_labels(options.mask, source.size)
    checkpoint = options.checkpoint or pretrained_path()
    total = min((n for n in (options.frames, source.count) if n is not None), default=None)
    frames = tqdm(itertools.islice(source, options.frames), total=total, unit="frame", disable=None)
    comparison = compare_with_plain(
        load_checkpoint(checkpoint), config, (frame for _, frame in frames), labels
    )
    print(f"{checkpoint}, {options.video}")
    for line in table(comparison, config):
        print(line)


def table(comparison: Comparison, config: InferenceConfig) -> list[str]:
    """The lines that tell what was found."""
    objects, frames = count(comparison.objects, "object"), count(comparison.frames, "frame")
    name, cells = _name(config), _cells(comparison.faster)
    if problem := ran_without(comparison.shortfalls):  # then it was not the step asked for
        name, cells = f"{name}, {problem}", ["–"] * len(cells)
    return [
        f"{objects}, {frames} after the first, {comparison.device}",
        *aligned_table(
            [
                ("IoU with the plain step", "steps: mean", "least", "video: mean", "least"),
                (name, *cells),
                ("frames with noise of ±1", *_cells(comparison.noisy)),
            ]
        ),
    ]


def _name(config: InferenceConfig) -> str:
    """The fields in which the configuration is not that of the plain step."""
    values = {name: getattr(config, name) for name in PLAIN_STEP}
    changed = {name: value for name, value in values.items() if value != PLAIN_STEP[name]}
    return " ".join(f"{name}={value}".lower() for name, value in changed.items())


def _cells(agreement: Agreement) -> list[str]:
    return [
        f"{found:.4f}" if values else "–"
        for values in (agreement.step, agreement.video)
        for found in (sum(values) / max(len(values), 1), min(values, default=0))
    ]


def _parser(program: str) -> argparse.ArgumentParser:
    parser = command_parser(program, __doc__)
    add_marked_video(parser)
    parser.add_argument(
        "--frames",
        type=number_within(int, 2),
        metavar="N",
        help="only so many, the first included (default: all)",
    )
    add_checkpoint(parser)
    add_how_to_segment(parser, "dtype=bfloat16")
    return parser
