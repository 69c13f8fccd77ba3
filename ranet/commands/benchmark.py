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
    ranet benchmark network,step --network ranet-small --against cutie-small
    ranet benchmark training --device cuda --dtype bfloat16 --batch 4,8
    ranet benchmark evaluation --year 2016 --annotations data/DAVIS/Annotations/480p \\
        --predictions outputs/davis16/masks --set data/DAVIS/ImageSets/2016/val.txt
    ranet benchmark loader --config configs/static_single.yaml --workers 0,1,2 \\
        --step-ms 150

--against compares in turn: a command as a whole, by the clock on the wall, or another network
(cutie-small, cutie-base of the package rf-cutie, with random weights) in a process of its own. A
call of Cutie is five frames, of which it remembers one.

Calls are timed from an idle device to an idle device, after a warm-up; told are the median and the
quartiles. FLOP are counted, two for a multiplication with addition; the share is that of the rate
of a large matrix product, timed in turn with the calls, on the same device with the same numbers
and threads.
"""

import argparse
import contextlib
import itertools
import logging
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ranet.cli import number_within, positive_int, usable_cores
from ranet.commands.parser import add_overrides, add_workers, command_parser, parse
from ranet.config import InferenceConfig, TrainConfig, load_config
from ranet.errors import BenchmarkError
from ranet.files import check_writable, write_json
from ranet.provenance import CONFIGS
from ranet.tables.benchmark import (
    FORMAT,
    Row,
    milliseconds,
    name_of,
    read_results,
    table,
    tell_partners,
)
from ranet.wording import count, size_text

if TYPE_CHECKING:
    from ranet.benchmark import Case

_logger = logging.getLogger(__name__)

_SEGMENT_CONFIG = CONFIGS / "segment.yaml"
_TRAIN_CONFIG = CONFIGS / "static_single.yaml"
_PEERS = ("cutie-small", "cutie-base")  # as in ranet.contests, which takes long to load


def main(program: str, words: Sequence[str]) -> None:
    """Run the command."""
    arguments = _parsed(program, words)
    import torch

    from ranet.benchmark import describe_machine, describe_software

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    baseline = read_results(arguments.baseline) if arguments.baseline else None
    if arguments.json:
        check_writable(arguments.json.parent)
    rows: list[Row] = []
    results = {
        "format": FORMAT,
        "machine": describe_machine(),
        "software": describe_software(),
        "command": list(sys.argv),
        "rows": rows,
    }
    try:
        for row in _measured(arguments):
            rows.append(row)
            _logger.info("%s: %s", name_of(row), _told(row))
            if arguments.json:
                write_json(arguments.json, results)
    finally:  # whatever has ended it, what was measured is told
        if rows:
            print(table(results, baseline, markdown=arguments.markdown))
    lines = _conclusions(arguments, rows)
    if baseline:
        lines += tell_partners(results, baseline, arguments.baseline)
    for line in lines:
        print(line)


def _measured(arguments: argparse.Namespace) -> Iterator[Row]:
    """Rows, measured when they are asked for; every mistake is told before the first."""
    from ranet.benchmark import Effort, measure
    from ranet.contests import measure_commands, measure_evaluation, measure_peer, our_command
    from ranet.datasets.index import read_set_file

    effort = Effort(arguments.warm_up, arguments.repeats, arguments.seconds)
    if arguments.part == "evaluation":
        sequences = read_set_file(arguments.set) if arguments.set else None
        yield from measure_evaluation(
            {
                "annotations": arguments.annotations,
                "predictions": arguments.predictions,
                "year": arguments.year,
                "sequences": sequences,
            },
            workers=arguments.workers,
            effort=effort,
        )
        return
    cases = list(_cases(arguments))
    if not arguments.against:
        for case in cases:
            yield measure(case, effort)
    elif arguments.against in _PEERS:
        for case in cases:
            yield from measure_peer(case, arguments.against, effort)
    elif len(cases) == 1:
        ours = contextlib.nullcontext(arguments.ours) if arguments.ours else our_command(cases[0])
        with ours as command:
            yield from measure_commands(command, arguments.against, cases[0], effort)
    else:
        raise BenchmarkError(
            f"--against compares two commands on one video, but the options make {len(cases)} "
            "combinations. Give one value to each of them."
        )


def _told(row: Row) -> str:
    """``12.30 ms (ran without compile)``."""
    problem = row["problem"]
    if row["seconds"] is None:
        return str(problem)
    return f"{milliseconds(row, 'median')} ms" + (f" ({problem})" if problem else "")


def _conclusions(arguments: argparse.Namespace, rows: Sequence[Row]) -> list[str]:
    """What the rows say together."""
    from ranet.contests import tell_ratios

    if arguments.part == "evaluation":
        return [*tell_ratios(rows), "all values equal"]
    if arguments.part == "loader":
        return _tell_cores(rows, arguments.step_ms)
    return tell_ratios(rows) if arguments.against else []


def _tell_cores(rows: Sequence[Row], step_ms: float | None) -> list[str]:
    """What a core makes at best, and how many cores feed a training step of so many ms."""
    best = max(
        # Workers beyond the usable cores share these.
        row["units_per_second"] / min(max(row["settings"]["workers"], 1), usable_cores())
        for row in rows
    )
    lines = [f"{best:.1f} samples a second and core at best"]
    if step_ms is not None:
        batch = rows[0]["settings"]["batch"]
        cores = math.ceil(batch / (step_ms / 1000) / best)
        lines.append(
            f"A step of {count(batch, 'sample')} in {step_ms:g} ms is fed by "
            f"{count(cores, 'core')}: data.workers={cores}"
        )
    return lines


# --- From options to what is to be measured: every combination of their values


def _cases(arguments: argparse.Namespace) -> "Iterator[Case]":
    if arguments.part == "loader":
        yield from _loader_cases(arguments)
    elif arguments.against and arguments.against not in _PEERS:
        yield from _inference_cases(arguments, ["video"])
    elif arguments.part == "training":
        yield from _training_cases(arguments, arguments.config)
    else:
        yield from _inference_cases(arguments, arguments.parts)
        if arguments.part == "all":
            yield from _training_cases(arguments, _TRAIN_CONFIG)


def _inference_cases(arguments: argparse.Namespace, parts: Sequence[str]) -> "Iterator[Case]":
    from ranet.benchmark import Case, network_config

    names = arguments.network or ([] if arguments.checkpoint else ["single"])
    for name in names:
        network_config(name)  # says now, not after others were timed, that there is none
    networks = [*zip(names, names, strict=True), *((p.name, p) for p in arguments.checkpoint)]
    for part, (name, network), chosen in itertools.product(
        parts, networks, list(_combinations(arguments))
    ):
        overrides = _overrides(arguments, chosen, "input_size", "frame_size")
        config = load_config(InferenceConfig, arguments.config, overrides)
        settings = {"network": name, **_settings(arguments, chosen)}
        if part == "video":
            yield Case(part, {**settings, "frames": arguments.frames}, config, network)
        else:
            for videos in arguments.videos:
                yield Case(part, {**settings, "videos": videos}, config, network)


def _training_cases(arguments: argparse.Namespace, path: Path) -> "Iterator[Case]":
    from ranet.benchmark import Case

    for chosen, batch in itertools.product(_combinations(arguments), arguments.batch):
        overrides = [
            *_overrides(arguments, chosen, "data.size"),
            f"data.max_objects={chosen['objects']}",
            f"batch_size={batch}",
            # Time depends on no weight, so that none has to be read.
            "start_from=null",
            "imagenet_weights=false",
        ]
        config = load_config(TrainConfig, path, overrides)
        network = config.model.summary
        settings = {"network": network, **_settings(arguments, chosen), "batch": batch}
        yield Case("training", settings, config)


def _loader_cases(arguments: argparse.Namespace) -> "Iterator[Case]":
    from ranet.benchmark import Case

    for workers in arguments.workers:
        overrides = [*arguments.overrides, f"data.workers={workers}"]
        config = load_config(TrainConfig, arguments.config, overrides)
        settings = {
            "run": config.name,
            "size": size_text(config.data.size),
            "clip": config.data.clip_length,
            "batch": config.batch_size,
            "workers": workers,
            "batches": arguments.batches,
        }
        yield Case("loader", settings, config)


def _combinations(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """In the order of the table: what is named last changes first."""
    axes = {name: getattr(arguments, name) for name in ("device", "dtype", "size", "objects")}
    axes |= dict(arguments.vary)
    for values in itertools.product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def _overrides(
    arguments: argparse.Namespace, chosen: dict[str, Any], *size_fields: str
) -> list[str]:
    """One combination as fields of the configuration, but for the objects."""
    fields = {name: value for name, value in chosen.items() if name not in ("size", "objects")}
    fields |= {name: list(chosen["size"]) for name in size_fields}
    return [*arguments.overrides, *(f"{name}={value}" for name, value in fields.items())]


def _settings(arguments: argparse.Namespace, chosen: dict[str, Any]) -> dict[str, Any]:
    """One combination for the table; the device is the one that is meant, with the CPU's threads.

    Raises:
        ConfigError: the machine has no such device.
    """
    import torch

    from ranet.device import resolve_device

    device = resolve_device(chosen["device"])
    threads = {"threads": torch.get_num_threads()} if device.type == "cpu" else {}
    told = {"device": str(device), **threads, "size": size_text(chosen["size"])}
    fixed = dict(override.split("=", 1) for override in arguments.overrides)
    return {**told, **fixed, **chosen, **told}


# --- Options, each declared once


def _list(read: Callable[[str], Any], metavar: str, told: str, default: str) -> dict[str, Any]:
    """An option with values separated by commas, all of which are measured."""

    def values(text: str) -> list[Any]:
        return [read(value.strip()) for value in text.split(",")]

    return {
        "type": values,
        "default": values(default),
        "metavar": f"{metavar},{metavar},…",
        "help": f"{told} (default: {default})",
    }


def _size(text: str) -> tuple[int, int]:
    """``480x864``."""
    height, _, width = text.replace("×", "x").partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise argparse.ArgumentTypeError(
            f"expected height and width such as 480x864, but found {text!r}"
        )
    return int(height), int(width)


def _field_values(text: str) -> tuple[str, list[str]]:
    """``compile=false,true``."""
    key, _, values = text.partition("=")
    if not (key and values):
        raise argparse.ArgumentTypeError(
            f"expected a field and values such as compile=false,true, but found {text!r}"
        )
    return key, values.split(",")


def _path(told: str, **others: Any) -> dict[str, Any]:
    return {"type": Path, "metavar": "FILE", "help": told, **others}


def _number(read: Callable[[str], Any], metavar: str, told: str, **others: Any) -> dict[str, Any]:
    return {"type": read, "metavar": metavar, "help": told, **others}


_OPTIONS: dict[str, dict[str, Any]] = {
    "--device": _list(str, "D", "auto, cpu, cuda, cuda:1, mps", "auto"),
    "--dtype": _list(str, "T", "float32, bfloat16, float16", "float32"),
    "--size": _list(_size, "HxW", "the network's input, which the frames have, too", "480x864"),
    "--objects": _list(number_within(int, 1, 254), "K", "in every frame", "1"),
    "--network": {
        "type": lambda text: text.split(","),
        "metavar": "NAME,NAME,…",
        "help": "single or multi: the paper's, with random weights; single-resnet50: with another "
        "backbone; ranet-small: the one that comes with the project (default: single)",
    },
    "--checkpoint": _path(
        "a network of ours, or one of the authors'; may be repeated", action="append", default=[]
    ),
    "--videos": _list(positive_int, "B", "followed at once, in all parts but video", "1"),
    "--frames": _number(
        number_within(int, 2),
        "N",
        "of the video in video and with --against COMMAND (default: %(default)s)",
        default=20,
    ),
    "--against": {
        "metavar": "COMMAND|NAME",
        "help": f"{' or '.join(_PEERS)}: time that network in turn with ours, in network and step. "
        "A command: measure nothing else than this in turn with ours, as wholes; {frames}, {mask} "
        "and {out} in it stand for a folder of images, a PNG of the first objects, and a folder to "
        "write a PNG a frame to",
    },
    "--ours": {
        "metavar": "COMMAND",
        "help": "what stands against a command (default: ranet segment as the other options say)",
    },
    "--batch": _list(positive_int, "N", "samples of a training step", "1"),
    "--config": _path("what is not told otherwise (default: %(default)s)"),
    "--vary": {
        "type": _field_values,
        "action": "append",
        "default": [],
        "metavar": "KEY=VALUE,VALUE,…",
        "help": "a field of the configuration and values to measure, such as compile=false,true; "
        "may be repeated",
    },
    "--annotations": _path("folder of the true masks", required=True),
    "--predictions": _path("folder of the masks to score", required=True),
    "--year": {"type": int, "required": True, "choices": (2016, 2017), "help": "whose rules hold"},
    "--set": _path("list of sequences (default: all)"),
    "--batches": _number(positive_int, "N", "of a call (default: %(default)s)", default=10),
    "--step-ms": _number(
        number_within(float, 0.001),
        "MS",
        "of a training step without waiting for data (step_time less data_time of the training "
        "log): how many cores feed it",
    ),
    "--warm-up": _number(
        number_within(int, 0), "N", "calls before any is timed (default: %(default)s)"
    ),
    "--repeats": _number(
        positive_int, "N", "calls that are timed, at least (default: %(default)s)"
    ),
    "--seconds": _number(number_within(float, 0), "S", "go on for so long (default: %(default)s)"),
    "--threads": _number(positive_int, "N", "of the network on a CPU"),
    "--json": _path("write all figures there, after each row"),
    "--baseline": _path("compare with what --json wrote earlier"),
    "--markdown": {"action": "store_true", "help": "print the table as Markdown"},
}
_OF_ALL = ("--warm-up", "--repeats", "--seconds", "--threads", "--json", "--baseline", "--markdown")
_SWEEP = ("--device", "--dtype", "--size", "--objects")
_VIDEOS = ("--network", "--checkpoint", "--videos", "--frames", "--against", "--ours")
_FIELDS = ("--config", "--vary")
_INFERENCE = dict.fromkeys(("network", "frame", "step", "video"), (*_SWEEP, *_VIDEOS, *_FIELDS))
_OTHERS = {
    "all": (*_SWEEP, *_VIDEOS, "--batch"),
    "training": (*_SWEEP, "--batch", *_FIELDS),
    "evaluation": ("--annotations", "--predictions", "--year", "--set"),
    "loader": ("--batches", "--step-ms"),
}


def _parsed(program: str, words: Sequence[str]) -> argparse.Namespace:
    """The options of a PART, that itself in ``part``, and in ``parts`` those of inference in it."""
    if words[:1] in (["-h"], ["--help"]):
        overview = command_parser(program, __doc__)
        overview.add_argument("part", nargs="?", metavar="PART", help="see above; it has options")
        return overview.parse_args(words)
    part = "all" if not words or words[0].startswith("-") else words[0]
    parser = command_parser(f"{program} {part}", f"Measure {part}; {program} --help explains it.")
    parts = [part] if part in _OTHERS else part.split(",")
    for name in parts:
        if name not in _INFERENCE and part not in _OTHERS:
            parser.error(
                f"PART should be one of {', '.join(_OTHERS)}, or some of {','.join(_INFERENCE)}, "
                f"but found {name!r} in {part!r}"
            )
    _add_options(parser, part)
    arguments = parse(parser, words[1:] if words[:1] == [part] else words)
    arguments.part, arguments.parts = part, list(_INFERENCE) if part == "all" else parts
    against, ours = getattr(arguments, "against", None), getattr(arguments, "ours", None)
    if ours and (not against or against in _PEERS):
        parser.error("--ours is what a command is compared with by --against: give both commands")
    if against in _PEERS and (
        not {*arguments.parts} <= {"network", "step"} or arguments.videos != [1]
    ):
        parser.error(f"--against {against} is for network and step, with one video")
    return arguments


def _add_options(parser: argparse.ArgumentParser, part: str) -> None:
    for option in (*{**_INFERENCE, **_OTHERS}.get(part, _INFERENCE["network"]), *_OF_ALL):
        parser.add_argument(option, **_OPTIONS[option])
    parser.set_defaults(warm_up=3, repeats=10, seconds=1.0)
    if part in ("evaluation", "loader"):  # which take seconds at a time
        parser.set_defaults(warm_up=1, repeats=5, seconds=0.0)
    parser.set_defaults(config=_SEGMENT_CONFIG, vary=[], against=None)
    if part in ("all", "evaluation"):
        parser.set_defaults(overrides=[])
    if part == "evaluation":
        add_workers(parser, "frames that ours scores at the same time")
    elif part == "loader":
        told = "of worker processes; 0: the main process itself"
        workers = _list(int, "N", told, f"0,{usable_cores()}")
        parser.add_argument("--workers", **workers)
        parser.add_argument("--config", **_path("a training run's YAML file", required=True))
        add_overrides(parser, "'data.size=[480, 864]'")
    elif part == "training":
        parser.set_defaults(config=_TRAIN_CONFIG)
        add_overrides(parser, "model.backbone=resnet50")
    elif part != "all":
        add_overrides(parser, "crop=whole_frame")
