#!/usr/bin/env python3
"""Measure how fast this project is: PART is one of these, or several of the first four (a,b).

    network     the network alone: a frame of each video is encoded, all objects are segmented
    frame       all that is done on the device: crop, network, paste back
    step        a whole step: upload, crop, network, paste back, labels
    video       end to end: decode a folder of images, segment, write masks
    training    a training step: both passes, losses, update
    evaluation  scripts/evaluate.py, against a straightforward evaluation with the same values
    loader      the training samples that worker processes make

Without PART, the first five are measured. `PART --help` tells its options. Values that are
separated by commas are all measured, in every combination:

    python scripts/benchmark.py --json before.json
    python scripts/benchmark.py network,step --device cuda --dtype float32,bfloat16 \\
        --objects 1,2,5,10 --videos 1,8 --vary compile=false,true --json after.json
    python scripts/benchmark.py network --network ranet-small --size 240x432,480x864 \\
        --threads 2 --baseline before.json
    python scripts/benchmark.py video --network ranet-small --frames 100 \\
        --against 'python other.py --images {frames} --first {mask} --masks {out}'
    python scripts/benchmark.py training --device cuda --dtype bfloat16 --batch 4,8
    python scripts/benchmark.py evaluation --year 2016 --annotations data/DAVIS/Annotations/480p \\
        --predictions outputs/davis16/masks --set data/DAVIS/ImageSets/2016/val.txt
    python scripts/benchmark.py loader --config configs/static_single.yaml --workers 0,1,2 \\
        --step-ms 150

Calls are timed from an idle device to an idle device, after a warm-up; told are the median and the
quartiles. FLOP are counted, two for a multiplication with addition, and compared with the rate of a
large matrix product just before and after, on the same device with the same numbers and threads.
"""

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ranet.benchmark.contest import Contest, our_command
from ranet.benchmark.contest import tell_ratio as tell_contest
from ranet.benchmark.evaluation import measure_evaluation
from ranet.benchmark.evaluation import tell_ratio as tell_evaluation
from ranet.benchmark.inference import InferenceCase
from ranet.benchmark.loader import measure_loaders, tell_cores
from ranet.benchmark.machine import use_threads
from ranet.benchmark.networks import Network, named_network, network_of_file
from ranet.benchmark.report import collect, table, tell_partners
from ranet.benchmark.results import Results
from ranet.benchmark.rows import Row
from ranet.benchmark.sweep import (
    Sweep,
    inference_cases,
    measure_all,
    measure_all_training,
    training_cases,
)
from ranet.benchmark.timing import Effort
from ranet.cli import number_within, positive_int, run_script
from ranet.config import TrainConfig, load_config
from ranet.datasets.index import read_set_file
from ranet.errors import BenchmarkError
from ranet.files import check_writable
from ranet.options import add_overrides, add_workers, script_parser

ROOT = Path(__file__).resolve().parents[1]
SEGMENT_CONFIG = ROOT / "configs" / "segment.yaml"
TRAIN_CONFIG = ROOT / "configs" / "static_single.yaml"

INFERENCE_PARTS = ("network", "frame", "step", "video")


@dataclass(frozen=True)
class Plan:
    """Rows, which are measured when they are asked for, and what they say when all are there."""

    rows: Iterable[Row]
    tell: Callable[[list[Row]], list[str]] = lambda rows: []


def main() -> None:
    arguments = parse_arguments(sys.argv[1:])
    if arguments.threads:
        use_threads(arguments.threads)
    baseline = Results.read(arguments.baseline) if arguments.baseline else None
    if arguments.json:
        check_writable(arguments.json.parent)
    results = Results()
    with contextlib.ExitStack() as stack:
        plan = arguments.plan(arguments, stack)
        try:
            collect(plan.rows, results, arguments.json)
        finally:  # whatever has ended it, what was measured is told
            if results.rows:
                print(table(results, baseline, markdown=arguments.markdown))
        print("\n".join(["", *plan.tell(results.rows)]))
        if baseline:
            print("\n".join(tell_partners(results, baseline, arguments.baseline)))


def plan_all(arguments: argparse.Namespace, stack: contextlib.ExitStack) -> Plan:
    inference = plan_inference(arguments, stack)
    if arguments.against:
        return inference
    cases = training_cases(sweep_of(arguments), arguments.batch, config=TRAIN_CONFIG)
    training = measure_all_training(cases, effort_of(arguments))
    return Plan(row for rows in (inference.rows, training) for row in rows)


def plan_inference(arguments: argparse.Namespace, stack: contextlib.ExitStack) -> Plan:
    cases = inference_cases(
        sweep_of(arguments),
        chosen_networks(arguments),
        arguments.videos,
        config=arguments.config,
        frames=arguments.frames,
    )
    if arguments.against:
        return plan_contest(arguments, cases, stack)
    return Plan(measure_all(arguments.parts, cases, effort_of(arguments)))


def plan_contest(
    arguments: argparse.Namespace, cases: Sequence[InferenceCase], stack: contextlib.ExitStack
) -> Plan:
    if len(cases) != 1:
        raise BenchmarkError(
            f"--against compares two commands on one video, but the options make {len(cases)} "
            "combinations. Give one value to each of them."
        )
    ours = arguments.ours or stack.enter_context(
        our_command(cases[0], ROOT / "scripts" / "segment.py")
    )
    contest = Contest(ours, arguments.against, cases[0])
    return Plan(contest.measure(effort_of(arguments)), tell_contest)


def plan_training(arguments: argparse.Namespace, stack: contextlib.ExitStack) -> Plan:
    cases = training_cases(sweep_of(arguments), arguments.batch, config=arguments.config)
    return Plan(measure_all_training(cases, effort_of(arguments)))


def plan_evaluation(arguments: argparse.Namespace, stack: contextlib.ExitStack) -> Plan:
    rows = measure_evaluation(
        arguments.annotations,
        arguments.predictions,
        year=arguments.year,
        sequences=read_set_file(arguments.set) if arguments.set else None,
        workers=arguments.workers,
        effort=effort_of(arguments),
    )
    return Plan(rows, tell_evaluation)


def plan_loader(arguments: argparse.Namespace, stack: contextlib.ExitStack) -> Plan:
    configs = [
        load_config(
            TrainConfig, arguments.config, [*arguments.overrides, f"data.workers={workers}"]
        )
        for workers in arguments.workers
    ]
    rows = measure_loaders(configs, batches=arguments.batches, effort=effort_of(arguments))
    seconds = arguments.step_ms and arguments.step_ms / 1000
    return Plan(rows, lambda rows: tell_cores(rows, seconds))


def effort_of(arguments: argparse.Namespace) -> Effort:
    return Effort(arguments.warm_up, arguments.repeats, arguments.seconds)


def sweep_of(arguments: argparse.Namespace) -> Sweep:
    return Sweep(
        devices=arguments.device,
        dtypes=arguments.dtype,
        sizes=arguments.size,
        objects=arguments.objects,
        varied=dict(arguments.vary),
        overrides=arguments.overrides,
    )


def chosen_networks(arguments: argparse.Namespace) -> list[Network]:
    names = arguments.network or ([] if arguments.checkpoint else ["single"])
    return [*map(named_network, names), *map(network_of_file, arguments.checkpoint)]


def parse_arguments(words: Sequence[str]) -> argparse.Namespace:
    """The first word is PART, unless it is an option."""
    if words[:1] in (["-h"], ["--help"]):
        parser = script_parser(__doc__)
        parser.add_argument("part", nargs="?", metavar="PART", help="see above")
        parser.parse_args(words)
    if not words or words[0].startswith("-"):
        return parser_of("all").parse_args(words)
    return parser_of(words[0]).parse_intermixed_args(words[1:])


def parser_of(part: str) -> argparse.ArgumentParser:
    """The parser of what stands behind PART."""
    parts = part.split(",")
    if all(name in INFERENCE_PARTS for name in parts):
        add_options, description = add_inference, f"Measure {part}, see --help without it."
    elif part in OTHER_PARTS:
        add_options, description = OTHER_PARTS[part]
    else:
        known = ", ".join([*INFERENCE_PARTS, *OTHER_PARTS])
        script_parser(None).error(f"PART should be one of {known}, but found {part!r}")
    parser = script_parser(description)
    parser.prog = f"{parser.prog} {part}"
    parser.set_defaults(parts=parts)
    add_options(parser)
    add_output(parser)
    return parser


def add_all(parser: argparse.ArgumentParser) -> None:
    add_sweep(parser)
    add_videos(parser)
    add_batch(parser)
    add_effort(parser, Effort())
    parser.set_defaults(
        plan=plan_all, parts=INFERENCE_PARTS, config=SEGMENT_CONFIG, overrides=[], vary=[]
    )


def add_inference(parser: argparse.ArgumentParser) -> None:
    add_sweep(parser)
    add_videos(parser)
    add_fields(parser, SEGMENT_CONFIG, "crop=whole_frame")
    add_effort(parser, Effort())
    parser.set_defaults(plan=plan_inference)


def add_training(parser: argparse.ArgumentParser) -> None:
    add_sweep(parser)
    add_batch(parser)
    add_fields(parser, TRAIN_CONFIG, "model.backbone=resnet50")
    add_effort(parser, Effort())
    parser.set_defaults(plan=plan_training)


def add_evaluation(parser: argparse.ArgumentParser) -> None:
    for name in ("--annotations", "--predictions"):
        parser.add_argument(
            name, type=Path, required=True, metavar="DIR", help="as in scripts/evaluate.py"
        )
    parser.add_argument("--year", type=int, required=True, choices=(2016, 2017))
    parser.add_argument("--set", type=Path, metavar="FILE", help="list of sequences (default: all)")
    add_workers(parser, "frames that ours scores at the same time")
    add_effort(parser, Effort(warm_up=1, repeats=5, seconds=0))
    parser.set_defaults(plan=plan_evaluation)


def add_loader(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, required=True, metavar="FILE", help="a training run's YAML file"
    )
    parser.add_argument(
        "--workers",
        type=several(int),
        default=[0, 1],
        metavar="N,N,…",
        help="numbers of worker processes; 0: the main process itself (default: 0,1)",
    )
    parser.add_argument(
        "--batches", type=positive_int, default=10, metavar="N", help="of a call (default: 10)"
    )
    parser.add_argument(
        "--step-ms",
        type=number_within(float, 0.001),
        metavar="MS",
        help="of a training step without waiting for data (step_time less data_time of the "
        "training log): how many cores feed it",
    )
    add_overrides(parser, "'data.size=[480, 864]'")
    add_effort(parser, Effort(warm_up=1, repeats=5, seconds=0))
    parser.set_defaults(plan=plan_loader)


OTHER_PARTS = {
    "all": (add_all, "Measure network, frame, step, video and training."),
    "training": (add_training, "Measure a training step: both passes, losses, update."),
    "evaluation": (
        add_evaluation,
        "Measure the evaluation in turn with a straightforward one; their values are equal.",
    ),
    "loader": (add_loader, "Measure how many training samples a second are made."),
}


def add_sweep(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device",
        type=several(str),
        default=["auto"],
        metavar="D,D,…",
        help="auto, cpu, cuda, cuda:1, mps (default: auto)",
    )
    parser.add_argument(
        "--dtype",
        type=several(str),
        default=["float32"],
        metavar="T,T,…",
        help="float32, bfloat16, float16 (default: float32)",
    )
    parser.add_argument(
        "--size",
        type=several(size),
        default=[(480, 864)],
        metavar="HxW,HxW,…",
        help="the network's input, which the frames have, too (default: 480x864)",
    )
    parser.add_argument(
        "--objects",
        type=several(number_within(int, 1, 254)),
        default=[1],
        metavar="K,K,…",
        help="in every frame (default: 1)",
    )


def add_videos(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--network",
        type=several(str),
        metavar="NAME,NAME,…",
        help="single or multi: the paper's, with random weights; single-resnet50: with another "
        "backbone; ranet-small: the one that comes with the project (default: single)",
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a network of ours, or one of the authors'; may be repeated",
    )
    parser.add_argument(
        "--videos",
        type=several(positive_int),
        default=[1],
        metavar="B,B,…",
        help="followed at once, in network and frame (default: 1)",
    )
    parser.add_argument(
        "--frames",
        type=number_within(int, 2),
        default=20,
        metavar="N",
        help="of the video in video and with --against (default: 20)",
    )
    parser.add_argument(
        "--against",
        metavar="COMMAND",
        help="measure nothing else than this command in turn with ours, as wholes, by the clock on "
        "the wall; {frames}, {mask} and {out} in it stand for a folder of images, a PNG of the "
        "first objects, and a folder to write a PNG a frame to",
    )
    parser.add_argument(
        "--ours",
        metavar="COMMAND",
        help="what stands against it (default: scripts/segment.py as the other options say)",
    )


def add_batch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--batch",
        type=several(positive_int),
        default=[1],
        metavar="N,N,…",
        help="samples of a training step (default: 1)",
    )


def add_fields(parser: argparse.ArgumentParser, config: Path, example: str) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        default=config,
        metavar="FILE",
        help=f"what is not told otherwise (default: configs/{config.name})",
    )
    parser.add_argument(
        "--vary",
        type=field_values,
        action="append",
        default=[],
        metavar="KEY=VALUE,VALUE,…",
        help="a field of the configuration and values to measure; may be repeated",
    )
    add_overrides(parser, example)


def add_effort(parser: argparse.ArgumentParser, default: Effort) -> None:
    parser.add_argument(
        "--warm-up",
        type=number_within(int, 0),
        default=default.warm_up,
        metavar="N",
        help="calls before any is timed (default: %(default)s)",
    )
    parser.add_argument(
        "--repeats",
        type=positive_int,
        default=default.repeats,
        metavar="N",
        help="calls that are timed, at least (default: %(default)s)",
    )
    parser.add_argument(
        "--seconds",
        type=number_within(float, 0),
        default=default.seconds,
        metavar="S",
        help="go on for so long (default: %(default)s)",
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=positive_int, metavar="N", help="of the network on a CPU")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write all figures there, after each row"
    )
    parser.add_argument(
        "--baseline", type=Path, metavar="FILE", help="compare with what --json wrote earlier"
    )
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")


def several(read: Callable) -> Callable[[str], list]:
    """An ``argparse`` type: values separated by commas."""
    return lambda text: [read(value.strip()) for value in text.split(",")]


def size(text: str) -> tuple[int, int]:
    """``480x864``."""
    height, _, width = text.replace("×", "x").partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise argparse.ArgumentTypeError(
            f"expected height and width such as 480x864, but found {text!r}"
        )
    return int(height), int(width)


def field_values(text: str) -> tuple[str, list[str]]:
    """``compile=false,true``."""
    key, equals, values = text.partition("=")
    if not (key and equals and values):
        raise argparse.ArgumentTypeError(
            f"expected a field and values such as compile=false,true, but found {text!r}"
        )
    return key, values.split(",")


if __name__ == "__main__":
    run_script(main)
