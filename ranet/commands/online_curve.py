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
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ranet.cli import each, number_within, usable_cores
from ranet.commands.parser import add_checkpoint, add_davis, add_overrides
from ranet.files import check_writable, write_csv
from ranet.wording import count

if TYPE_CHECKING:
    from ranet.inference.results import Report

_MEASURE = "J&F-Mean"


class _Point(NamedTuple):
    """What a number of steps gives."""

    steps: int
    seconds: float | None  # a frame, online learning included; None if too short to be timed
    score: float  # in per cent


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add_davis(parser)
    add_checkpoint(parser)
    parser.add_argument(
        "--steps",
        type=each(number_within(int, 0)),
        required=True,
        metavar="N,N,…",
        help="numbers of steps a video, from 0 on, in any order",
    )
    add_overrides(parser, "inference.online.lr=1e-5")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from ranet.config import EvalConfig, load_config

    configs = {}
    for steps in sorted({*options.steps}):
        online = f"inference.online.steps={steps}" if steps else "inference.online=null"
        configs[steps] = load_config(EvalConfig, options.config, [*options.overrides, online])
    check_writable(options.out)
    from ranet.inference.davis import evaluate_split, network
    from ranet.visual.plots import check_matplotlib

    check_matplotlib()
    points: list[_Point] = []
    for steps, config in configs.items():
        report = evaluate_split(
            config,
            network(config, options.checkpoint),
            options.davis,
            options.out / f"steps-{steps:05d}",
            set_file=options.set,
            overwrite=options.overwrite,
            workers=usable_cores(),
        )
        milliseconds = report.times["frame_ms"]
        seconds = None if milliseconds is None else milliseconds / 1000
        points.append(_Point(steps, seconds, 100 * report.scores.averages[_MEASURE]))
        _write(points, report, options.out)
    print("steps  seconds a frame  J&F")
    for point in points:
        seconds = "–" if point.seconds is None else f"{point.seconds:.3f}"
        print(f"{point.steps:5d}  {seconds:>15}  {point.score:.1f}")
    print(f"curve: {options.out / 'curve.csv'}, {options.out / 'curve.png'}")


def _write(points: Sequence[_Point], report: "Report", out: Path) -> None:
    """The curve so far, with the paper's points (which are of DAVIS-2016 val) beside it."""
    from ranet.tables.published import published
    from ranet.visual.plots import Series, draw_trade_off

    rows = published().tables[6].methods
    papers = [(row.ms / 1000, row.scores["2016 val"][0]) for row in rows]
    write_csv(
        out / "curve.csv",
        ["source", "steps", "seconds a frame", f"{_MEASURE} (%)"],
        [
            *(["paper, Table 6", "", *point] for point in papers),
            *(["measured", *point] for point in points),
        ],
    )
    timed = [point for point in points if point.seconds]
    draw_trade_off(
        out / "curve.png",
        [
            Series("paper, 20 sequences, Titan Xp", papers, joined=True),
            Series(
                f"measured, {count(report.sequences, 'sequence')}, {report.device}",
                [(point.seconds, point.score) for point in timed],
                [count(point.steps, "step") for point in timed],
                ours=True,
                joined=True,
            ),
        ],
        title=f"Online learning, {report.benchmark} (Table 6: 2016 val)",
        x_label="seconds a frame",
        y_label=f"{_MEASURE} (%)",
    )
