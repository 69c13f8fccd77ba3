"""Measure how fast this project is.

PART is one of these, or several of the first four (a,b):

    network     the network alone: a frame of each video is encoded, all objects are segmented
    frame       all that is done on the device: crop, network, paste back
    step        a whole step: upload, crop, network, paste back, labels
    video       end to end: decode a folder of images, segment, write masks
    training    a training step: both passes, losses, update
    evaluation  ranet evaluate, against a straightforward evaluation with the same values
    loader      the training samples that worker processes make

Without PART, the first five are measured. `PART --help` tells its options. Values that are
separated by commas are all measured, in every combination: --device, --dtype, --size, --network,
--objects (1,2,5,10 in each video), --videos (1,8 at once), --batch (of a training step); and, where
there is a PART, any field of the configuration with --vary, such as compile=false,true or
cuda_graph=false,true. A row says so if it could not be compiled or recorded.

    ranet benchmark --json before.json
    ranet benchmark network,step --device cuda --dtype float32,bfloat16 \\
        --objects 1,2,5,10 --videos 1,8 --vary compile=false,true --json after.json
    ranet benchmark network --network ranet-small --size 240x432,480x864 \\
        --threads 2 --baseline before.json
    ranet benchmark video --network ranet-small --frames 100 \\
        --against 'python other.py --images {frames} --first {mask} --masks {out}'
    ranet benchmark training --device cuda --dtype bfloat16 --batch 4,8
    ranet benchmark evaluation --year 2016 --annotations data/DAVIS/Annotations/480p \\
        --predictions outputs/davis16/masks --set data/DAVIS/ImageSets/2016/val.txt
    ranet benchmark loader --config configs/static_single.yaml --workers 0,1,2 \\
        --step-ms 150

Calls are timed from an idle device to an idle device, after a warm-up; told are the median and the
quartiles. FLOP are counted, two for a multiplication with addition; the share is that of the rate
of a large matrix product, timed in turn with the calls, on the same device with the same numbers
and threads.
"""

import argparse
import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

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
from ranet.commands.benchmark_options import (
    ALL,
    EVALUATION,
    LOADER,
    TRAIN_CONFIG,
    TRAINING,
    parse_benchmark,
)
from ranet.commands.places import CONFIGS
from ranet.config import TrainConfig, load_config
from ranet.datasets.index import read_set_file
from ranet.errors import BenchmarkError
from ranet.files import check_writable

_SEGMENT = CONFIGS.parent / "scripts" / "segment.py"


@dataclass(frozen=True)
class _Plan:
    """Rows, which are measured when they are asked for, and what they say when all are there."""

    rows: Iterable[Row]
    tell: Callable[[list[Row]], list[str]] = lambda rows: []


def main(program: str, words: Sequence[str]) -> None:
    """Run the command."""
    arguments = parse_benchmark(program, __doc__, words)
    if arguments.threads:
        use_threads(arguments.threads)
    baseline = Results.read(arguments.baseline) if arguments.baseline else None
    if arguments.json:
        check_writable(arguments.json.parent)
    results = Results()
    with contextlib.ExitStack() as stack:
        plan = _PLANS.get(arguments.part, _plan_inference)(arguments, stack)
        try:
            collect(plan.rows, results, arguments.json)
        finally:  # whatever has ended it, what was measured is told
            if results.rows:
                print(table(results, baseline, markdown=arguments.markdown))
        for line in plan.tell(results.rows):
            print(line)
        if baseline:
            for line in tell_partners(results, baseline, arguments.baseline):
                print(line)


def _plan_all(arguments: argparse.Namespace, stack: contextlib.ExitStack) -> _Plan:
    inference = _plan_inference(arguments, stack)
    if arguments.against:
        return inference
    cases = training_cases(_sweep_of(arguments), arguments.batch, config=TRAIN_CONFIG)
    training = measure_all_training(cases, _effort_of(arguments))
    return _Plan(row for rows in (inference.rows, training) for row in rows)


def _plan_inference(arguments: argparse.Namespace, stack: contextlib.ExitStack) -> _Plan:
    cases = inference_cases(
        _sweep_of(arguments),
        _chosen_networks(arguments),
        arguments.videos,
        config=arguments.config,
        frames=arguments.frames,
    )
    if arguments.against:
        return _plan_contest(arguments, cases, stack)
    return _Plan(measure_all(arguments.parts, cases, _effort_of(arguments)))


def _plan_contest(
    arguments: argparse.Namespace, cases: Sequence[InferenceCase], stack: contextlib.ExitStack
) -> _Plan:
    if len(cases) != 1:
        raise BenchmarkError(
            f"--against compares two commands on one video, but the options make {len(cases)} "
            "combinations. Give one value to each of them."
        )
    ours = arguments.ours or stack.enter_context(our_command(cases[0], _SEGMENT))
    contest = Contest(ours, arguments.against, cases[0])
    return _Plan(contest.measure(_effort_of(arguments)), tell_contest)


def _plan_training(arguments: argparse.Namespace, stack: contextlib.ExitStack) -> _Plan:
    cases = training_cases(_sweep_of(arguments), arguments.batch, config=arguments.config)
    return _Plan(measure_all_training(cases, _effort_of(arguments)))


def _plan_evaluation(arguments: argparse.Namespace, stack: contextlib.ExitStack) -> _Plan:
    rows = measure_evaluation(
        arguments.annotations,
        arguments.predictions,
        year=arguments.year,
        sequences=read_set_file(arguments.set) if arguments.set else None,
        workers=arguments.workers,
        effort=_effort_of(arguments),
    )
    return _Plan(rows, tell_evaluation)


def _plan_loader(arguments: argparse.Namespace, stack: contextlib.ExitStack) -> _Plan:
    configs = [
        load_config(
            TrainConfig, arguments.config, [*arguments.overrides, f"data.workers={workers}"]
        )
        for workers in arguments.workers
    ]
    rows = measure_loaders(configs, batches=arguments.batches, effort=_effort_of(arguments))
    seconds = arguments.step_ms and arguments.step_ms / 1000
    return _Plan(rows, lambda rows: tell_cores(rows, seconds))


def _effort_of(arguments: argparse.Namespace) -> Effort:
    return Effort(arguments.warm_up, arguments.repeats, arguments.seconds)


def _sweep_of(arguments: argparse.Namespace) -> Sweep:
    return Sweep(
        devices=arguments.device,
        dtypes=arguments.dtype,
        sizes=arguments.size,
        objects=arguments.objects,
        varied=dict(arguments.vary),
        overrides=arguments.overrides,
    )


def _chosen_networks(arguments: argparse.Namespace) -> list[Network]:
    names = arguments.network or ([] if arguments.checkpoint else ["single"])
    return [*map(named_network, names), *map(network_of_file, arguments.checkpoint)]


_PLANS = {
    ALL: _plan_all,
    TRAINING: _plan_training,
    EVALUATION: _plan_evaluation,
    LOADER: _plan_loader,
}
"""By part; all others are parts of inference."""
