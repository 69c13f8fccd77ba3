"""Measure how fast this project is.

PART is one of these, or several of them (a,b); without it, network,frame,step,video,training:

    network     the network alone: a frame of each video is encoded, all objects are segmented
    frame       all that is done on the device: crop, network, paste back
    step        a whole step: upload, crop, network, paste back, labels
    video       end to end: decode a folder of images, segment, write masks
    training    a training step: both passes, losses, update
    onnx        a step as ranet export-onnx writes it, by onnxruntime on the CPU (extra export)
    evaluation  ranet evaluate, against a straightforward evaluation with the same values
    loader      the training samples that worker processes make

Values that are separated by commas are all measured, in every combination, and so is any field of
the configuration with --vary, such as compile=false,true or cuda_graph=false,true. A row says so if
it could not be compiled or recorded.

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
(cutie-small, cutie-base of the package rf-cutie, with random weights) in a process of its own.
Cutie is timed over five frames, of which it remembers one; its row is of a frame, as ours is.

Calls are timed from an idle device to an idle device, after a warm-up; told are the median and the
quartiles. FLOP are counted, two for a multiplication with addition; the share is that of the rate
of a large matrix product, timed in turn with the calls, on the same device with the same numbers
and threads.
"""

import argparse
import itertools
import logging
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ranet.cli import (
    UsageError,
    check_not_read,
    each,
    image_size,
    number_within,
    positive_int,
    usable_cores,
)
from ranet.commands.parser import add_overrides
from ranet.files import check_writable, write_json
from ranet.provenance import CONFIGS
from ranet.wording import count, size_text

if TYPE_CHECKING:
    from ranet.benchmark import Case
    from ranet.tables.benchmark import Row

_logger = logging.getLogger(__name__)

_PEERS = ("cutie-small", "cutie-base")  # those of ranet.benchmark, known without torch
_INFERENCE = ("network", "frame", "step", "video", "onnx")
_SWEPT = (*_INFERENCE, "training")
_USUAL = ("network", "frame", "step", "video", "training")
_PARTS = (*_SWEPT, "evaluation", "loader")
_SLOW = ("evaluation", "loader")  # whose calls take seconds


# --- Options


def _field_values(text: str) -> tuple[str, list[str]]:
    """``compile=false,true``."""
    key, _, values = text.partition("=")
    if not (key and values):
        raise argparse.ArgumentTypeError(
            f"expected a field and values such as compile=false,true, but found {text!r}"
        )
    return key, values.split(",")


_Option = tuple[str, Sequence[str], str | None, Callable[[str], Any], str, str]
"""Name, the parts it is for, what it is where it is not given, type, metavar and meaning."""

_OPTIONS: tuple[_Option, ...] = (
    ("device", _SWEPT, "auto", each(str), "D,D,…", "auto, cpu, cuda, cuda:1, mps"),
    ("dtype", _SWEPT, "float32", each(str), "T,T,…", "float32, bfloat16, float16"),
    ("size", _SWEPT, "480x864", each(image_size), "HxW,HxW,…", "of the input and of the frames"),
    ("objects", _SWEPT, "1", each(number_within(int, 1, 254)), "K,K,…", "in every frame"),
    (
        *("network", _INFERENCE, None, each(str), "NAME,NAME,…"),
        "single or multi: the paper's, with random weights; single-resnet50: with another "
        "backbone; ranet-small, dmvos-small: those that come with the project (default: single)",
    ),
    ("checkpoint", _INFERENCE, None, Path, "FILE", "a network's file; may be repeated"),
    ("videos", _INFERENCE, "1", each(positive_int), "B,B,…", "followed at once, but for video"),
    ("frames", _INFERENCE, "20", number_within(int, 2), "N", "for video and --against COMMAND"),
    (
        *("against", _INFERENCE, None, str, "COMMAND|NAME"),
        f"{' or '.join(_PEERS)}: time that network in turn with ours, in network and step. A "
        "command: measure nothing else than this in turn with ranet segment, as wholes; {frames}, "
        "{mask} and {out} in it stand for a folder of images, a PNG of the first objects, and a "
        "folder to write a PNG a frame to",
    ),
    (
        *("vary", _SWEPT, None, _field_values, "KEY=VALUE,VALUE,…"),
        "a field of the configuration and values to measure; may be repeated",
    ),
    ("batch", ("training",), "1", each(positive_int), "N,N,…", "samples of a training step"),
    (
        *("config", (*_SWEPT, "loader"), None, Path, "FILE"),
        "what is not told otherwise (default: configs/segment.yaml, static_single.yaml to train)",
    ),
    ("annotations", ("evaluation",), None, Path, "DIR", "the true masks"),
    ("predictions", ("evaluation",), None, Path, "DIR", "the masks to score"),
    (
        "year",
        ("evaluation",),
        None,
        number_within(int, 2016, 2017),
        "2016|2017",
        "whose rules hold",
    ),
    ("set", ("evaluation",), None, Path, "FILE", "list of sequences (default: all)"),
    (
        *("workers", _SLOW, None, each(number_within(int, 0)), "N,N,…"),
        "threads that score, processes that make samples, 0: the main process itself "
        f"(default: {usable_cores()}, and 0,{usable_cores()} to make samples)",
    ),
    ("batches", ("loader",), "10", positive_int, "N", "of a call"),
    (
        *("step-ms", ("loader",), None, number_within(float, 0.001), "MS"),
        "of a training step without waiting for data (step_time less data_time of the training "
        "log): how many cores feed it",
    ),
)

_NEEDED = {"loader": ("config",), "evaluation": ("annotations", "predictions", "year")}


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("part", nargs="?", default=",".join(_USUAL), metavar="PART")
    for name, parts, default, kind, metavar, told in _OPTIONS:
        told += f" (default: {default})" if default else ""
        action = "append" if name in ("checkpoint", "vary") else "store"
        told = f"{told} [{','.join(parts)}]"
        parser.add_argument(f"--{name}", type=kind, action=action, metavar=metavar, help=told)
    for name, kind, metavar, told in (
        ("warm-up", number_within(int, 0), "N", "calls before any is timed (3, of slow parts 1)"),
        ("repeats", positive_int, "N", "calls that are timed, at least (10, of slow parts 5)"),
        ("seconds", number_within(float, 0), "S", "go on for so long (1, of slow parts 0)"),
        ("threads", positive_int, "N", "of the network on a CPU"),
        ("json", Path, "FILE", "write all figures there, after each row"),
        ("baseline", Path, "FILE", "compare with what --json wrote earlier"),
    ):
        parser.add_argument(f"--{name}", type=kind, metavar=metavar, help=told)
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    add_overrides(parser, "crop=whole_frame")


def _checked(options: argparse.Namespace) -> list[str]:
    """The parts; every option gets its value, or is refused."""
    parts = options.part.split(",")
    for part in parts:
        if part not in _PARTS:
            raise UsageError(f"PART should be some of {','.join(_PARTS)}, but found {part!r}")
        for name in _NEEDED.get(part, ()):
            if getattr(options, name) is None:
                raise UsageError(f"{part} needs --{name}")
    for name, its_parts, default, kind, *_ in _OPTIONS:
        key = name.replace("-", "_")
        if getattr(options, key) is None:
            setattr(options, key, kind(default) if default else None)
        elif not {*its_parts} & {*parts}:
            raise UsageError(f"--{name} is for {', '.join(its_parts)}, not for {options.part}")
    if options.against in _PEERS:
        if not ({*parts} <= {"network", "step"} and options.videos == (1,)):
            raise UsageError(f"--against {options.against} is for network and step, with one video")
        return parts
    return ["command"] if options.against else parts


# --- Measuring


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    parts = _checked(options)
    check_not_read(filter(None, [options.json]), filter(None, [options.baseline]))
    import torch

    from ranet.benchmark import Effort, describe_machine, describe_software, measure
    from ranet.tables import benchmark as tables

    if options.threads:
        torch.set_num_threads(options.threads)
    baseline = tables.read_results(options.baseline) if options.baseline else None
    if options.json:
        check_writable(options.json.parent)
    cases = [case for part in parts for case in _cases(options, part)]  # every mistake is told now
    if parts == ["command"] and len(cases) > 1:
        raise UsageError(
            "--against compares two commands on one video, but the options make "
            f"{len(cases)} combinations: give one value to each of them"
        )
    given = {name: getattr(options, name) for name in ("warm_up", "repeats", "seconds")}
    given = {name: number for name, number in given.items() if number is not None}
    rows: list[Row] = []
    results = {
        "format": tables.FORMAT,
        "machine": describe_machine(),
        "software": describe_software(),
        "command": list(sys.argv),
        "rows": rows,
    }
    try:
        for case in cases:
            usual = Effort(1, 5, 0.0) if case.part in _SLOW else Effort()
            for row in measure(case, replace(usual, **given)):
                rows.append(row)
                _logger.info("%s: %s", tables.name_of(row), tables.told(row))
                if options.json:
                    write_json(options.json, results)
    finally:  # whatever has ended it, what was measured is told
        if rows:
            print(tables.table(results, baseline, markdown=options.markdown))
    lines = tables.tell_ratios(rows)
    if "evaluation" in parts:
        lines.append("all values equal")
    if "loader" in parts:
        lines += _tell_cores([row for row in rows if row["part"] == "loader"], options.step_ms)
    if baseline:
        lines += tables.tell_partners(results, baseline, options.baseline)
    for line in lines:
        print(line)


def _tell_cores(rows: "Sequence[Row]", step_ms: float | None) -> list[str]:
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


def _cases(options: argparse.Namespace, part: str) -> "Iterator[Case]":
    from ranet.benchmark import Case, network_config
    from ranet.config import PLAIN_STEP, InferenceConfig, TrainConfig, load_config
    from ranet.datasets.index import read_set_file

    if part == "evaluation":
        arguments = {
            name: getattr(options, name) for name in ("annotations", "predictions", "year")
        }
        arguments["sequences"] = read_set_file(options.set) if options.set else None
        for workers in options.workers or [usable_cores()]:
            yield Case(part, {"year": options.year, "workers": max(workers, 1)}, arguments)
    elif part == "loader":
        for workers in options.workers or [0, usable_cores()]:
            overrides = [*options.overrides, f"data.workers={workers}"]
            config = load_config(TrainConfig, options.config, overrides)
            settings = {
                "run": config.name,
                "size": size_text(config.data.size),
                "clip": config.data.clip_length,
                "batch": config.batch_size,
                "workers": workers,
                "batches": options.batches,
            }
            yield Case(part, settings, config)
    elif part == "training":
        file = options.config or CONFIGS / "static_single.yaml"
        combinations = _combinations(options, "data.size")
        for (settings, overrides), batch in itertools.product(combinations, options.batch):
            overrides = [
                *(*overrides, f"data.max_objects={settings['objects']}", f"batch_size={batch}"),
                # Time depends on no weight, so that none has to be read.
                *("start_from=null", "imagenet_weights=false"),
            ]
            config = load_config(TrainConfig, file, overrides)
            yield Case(part, {"network": config.model.summary, **settings, "batch": batch}, config)
    else:
        names = options.network or (() if options.checkpoint else ("single",))
        for name in names:
            network_config(name)  # says now, not after others were timed, that there is none
        checkpoints = ((path.name, path) for path in options.checkpoint or ())
        networks = [*zip(names, names, strict=True), *checkpoints]
        lengths = [{"videos": videos} for videos in options.videos]
        if part in ("video", "command"):
            lengths = [{"frames": options.frames}]
        file = options.config or CONFIGS / "segment.yaml"
        combinations = list(_combinations(options, "input_size", "frame_size"))
        for (name, network), (settings, overrides) in itertools.product(networks, combinations):
            config = load_config(InferenceConfig, file, overrides)
            plain = all(getattr(config, field) == value for field, value in PLAIN_STEP.items())
            if part == "onnx" and not (
                plain and settings["device"] == "cpu" and options.videos == (1,)
            ):
                raise UsageError("onnx is for a CPU, float32, one video, and nothing compiled")
            for length in lengths:
                told = {"network": name, **settings, **length}
                yield Case(part, told, config, network, options.against or "")


def _combinations(
    options: argparse.Namespace, *size_fields: str
) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Settings for the table, and overrides of the configuration; the last named changes first.

    The device is told as the one that is meant, with the CPU's threads.

    Raises:
        ConfigError: the machine has no such device.
    """
    import torch

    from ranet.device import resolve_device

    axes = {name: getattr(options, name) for name in ("device", "dtype", "size", "objects")}
    axes |= dict(options.vary or ())
    fixed = dict(override.split("=", 1) for override in options.overrides)
    for values in itertools.product(*axes.values()):
        chosen = dict(zip(axes, values, strict=True))
        device = resolve_device(chosen["device"])
        threads = {"threads": torch.get_num_threads()} if device.type == "cpu" else {}
        told = {"device": str(device), **threads, "size": size_text(chosen["size"])}
        fields = chosen | {name: list(chosen["size"]) for name in size_fields}
        del fields["size"], fields["objects"]
        overrides = [*options.overrides, *(f"{name}={value}" for name, value in fields.items())]
        yield {**told, **fixed, **chosen, **told}, overrides
