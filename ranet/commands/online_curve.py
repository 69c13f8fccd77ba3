"""Measure what online learning brings and costs, as the paper's Table 6 does.

The curve is J&F against seconds a frame.

    ranet online-curve --config configs/eval_davis16.yaml --davis data/DAVIS \\
        --steps 0,10,50,100,500 --out outputs/online
    ranet online-curve --config configs/eval_davis16.yaml --davis data/DAVIS \\
        --checkpoint outputs/small_clips/model.pt --steps 0,10,50 --out outputs/online_decoder \\
        inference.online.parameters=decoder_and_ranking

Each number of steps is a whole evaluation in OUT/steps-<number>; 0 is without online learning. The
curve is in OUT/curve.csv and OUT/curve.png, with the paper's points beside it. An interrupted run
is started again with the same command: finished sequences are kept.
"""

import argparse
from collections.abc import Sequence

from ranet.cli import usable_cores
from ranet.commands.parser import add_checkpoint, add_davis, add_overrides, command_parser, parse
from ranet.files import check_writable


def main(program: str, arguments: Sequence[str]) -> None:
    """Run the command."""
    options = _parsed(program, arguments)
    from ranet.config import EvalConfig, load_config

    # --steps takes the place of this number; it lets the other fields be set on their own.
    overrides = ["inference.online.steps=1", *options.overrides]
    config = load_config(EvalConfig, options.config, overrides)
    check_writable(options.out)
    from ranet.inference.online_curve import measure_online_curve
    from ranet.inference.run import repeatable
    from ranet.methods.registry import pretrained_path

    with repeatable():
        points = measure_online_curve(
            config,
            options.checkpoint or pretrained_path(),
            options.davis,
            options.out,
            steps=options.steps,
            set_file=options.set,
            overwrite=options.overwrite,
            workers=usable_cores(),
        )
    print("steps  seconds a frame  J&F")
    for point in points:
        seconds = "–" if point.seconds is None else f"{point.seconds:.3f}"
        print(f"{point.steps:5d}  {seconds:>15}  {point.score:.1f}")
    print(f"curve: {options.out / 'curve.csv'}, {options.out / 'curve.png'}")


def _parsed(program: str, arguments: Sequence[str]) -> argparse.Namespace:
    parser = command_parser(program, __doc__)
    add_davis(parser)
    add_checkpoint(parser)
    parser.add_argument(
        "--steps",
        type=_step_counts,
        required=True,
        metavar="N,N,…",
        help="numbers of steps a video, from 0 on, in any order",
    )
    add_overrides(parser, "inference.online.lr=1e-5")
    return parse(parser, arguments)


def _step_counts(text: str) -> list[int]:
    """``0,10,50`` as numbers."""
    counts = text.split(",")
    if not all(count.strip().isdecimal() for count in counts):
        raise argparse.ArgumentTypeError(
            f"expected whole numbers from 0 on, separated by commas, but found {text!r}"
        )
    return [int(count) for count in counts]
