"""Table 6 measured: accuracy and time with more and more steps of online learning."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ranet.config import EvalConfig, OnlineLearning
from ranet.files import write_csv
from ranet.inference.report import Report
from ranet.inference.run import evaluate_split, network
from ranet.tables.published import published
from ranet.visual.plots import Series, check_matplotlib, draw_trade_off
from ranet.wording import count

_MEASURE = "J&F-Mean"


@dataclass(frozen=True)
class OnlinePoint:
    """What a number of steps gives."""

    steps: int
    seconds: float | None  # a frame, online learning included; None if too short to be timed
    score: float  # J&F-Mean, in per cent


def measure_online_curve(
    config: EvalConfig,
    checkpoint: Path,
    root: Path,
    out: Path,
    *,
    steps: Sequence[int],
    set_file: Path | None = None,
    overwrite: bool = False,
    workers: int = 1,
) -> list[OnlinePoint]:
    """Evaluate a split once for each number of steps; write ``curve.csv`` and ``curve.png``.

    Each evaluation has a folder of its own, ``out/steps-<number>``, and goes on where it was
    interrupted; curve and plot are written anew after each.

    Args:
        config: of the evaluation; all but the steps of ``inference.online`` holds for each point.
        checkpoint: the network.
        root: the DAVIS tree.
        out: folder for everything.
        steps: numbers of steps; 0: without online learning.
        set_file: another list of sequences than the split's.
        overwrite: replace results that were made with other settings.
        workers: threads that score.

    Returns:
        A point for each number of steps, in rising order.

    Raises:
        RANetError: as for :func:`ranet.inference.run.evaluate_split`.
    """
    check_matplotlib()
    points = []
    for number in sorted(set(steps)):
        with_steps = _with_steps(config, number)
        report = evaluate_split(
            with_steps,
            network(with_steps, checkpoint),
            root,
            out / f"steps-{number:05d}",
            set_file=set_file,
            overwrite=overwrite,
            workers=workers,
        )
        points.append(_point(number, report))
        _write(points, report, out)
    return points


def _with_steps(config: EvalConfig, steps: int) -> EvalConfig:
    """The configuration with so many steps, whatever else its online section says."""
    online = None
    if steps > 0:
        asked = config.inference.online or OnlineLearning(steps=steps)
        online = asked.model_copy(update={"steps": steps})
    inference = config.inference.model_copy(update={"online": online})
    return config.model_copy(update={"inference": inference})


def _point(steps: int, report: Report) -> OnlinePoint:
    milliseconds = report.times["frame_ms"]
    return OnlinePoint(
        steps,
        None if milliseconds is None else milliseconds / 1000,
        100 * report.scores.averages[_MEASURE],
    )


def _write(points: Sequence[OnlinePoint], report: Report, out: Path) -> None:
    """The curve so far, with the paper's points (which are of DAVIS-2016 val) beside it."""
    rows = published().tables[6].methods
    papers = [(row.ms / 1000, row.scores["2016 val"][0]) for row in rows]
    write_csv(
        out / "curve.csv",
        ["source", "steps", "seconds a frame", f"{_MEASURE} (%)"],
        [
            *(["paper, Table 6", "", *point] for point in papers),
            *(["measured", point.steps, point.seconds, point.score] for point in points),
        ],
    )
    timed = [point for point in points if point.seconds]
    draw_trade_off(
        out / "curve.png",
        [
            Series("paper, 20 sequences, Titan Xp", papers, joined=True),
            Series(
                f"measured, {count(report.scores.videos, 'sequence')}, {report.device}",
                [(point.seconds, point.score) for point in timed],
                [count(point.steps, "step") for point in timed],
                ours=True,
                joined=True,
            ),
        ],
        title=f"Online learning, DAVIS-{report.scores.year} {report.set_name} (Table 6: 2016 val)",
        x_label="seconds a frame",
        y_label=f"{_MEASURE} (%)",
    )
