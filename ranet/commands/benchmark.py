"""Measure how fast this project is.

PART is one of these, or several of them (a,b); without it, network,frame,step,video,training:

    network     the network alone: a frame of each video is encoded, all objects are segmented
    frame       all that is done on the device: crop, network, paste back
    step        a whole step: upload, crop, network, paste back, labels
    video       end to end: decode a folder of images, segment, write masks
    training    a training step: both passes, losses, update
    onnx        a step as ranet export-onnx writes it, by onnxruntime on the CPU (extra export)
    evaluation  ranet evaluate, but for the files it writes
    loader      the training samples that worker processes make

Values that are separated by commas are all measured, in every combination, and so is any field of
the configuration with --vary, such as compile=false,true or cuda_graph=false,true. A row says so if
it could not be compiled or recorded.

    ranet benchmark network,step --device cuda --dtype float32,bfloat16 \\
        --objects 1,2,5,10 --videos 1,8 --vary compile=false,true --json gpu.json
    ranet benchmark network,step --network ranet-small --threads 2 --against cutie-small
    ranet benchmark training --device cuda --dtype bfloat16 --batch 4,8
    ranet benchmark evaluation --year 2016 --annotations data/DAVIS/Annotations/480p \\
        --predictions outputs/davis16/masks --set data/DAVIS/ImageSets/2016/val.txt
    ranet benchmark loader --config configs/static_single.yaml --workers 0,1,2

Calls are timed from an idle device to an idle device, after a warm-up; told are the median and the
quartiles. FLOP are counted, two for a multiplication with addition; the share is that of the rate
of a large matrix product, timed in turn with the calls, on the same device with the same numbers
and threads. Cutie, in a process of its own, is timed over five frames, of which it remembers one;
its row is of a frame, as ours is.
"""

import argparse
import itertools
import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ranet.cli import UsageError, each, image_size, number_within, positive_int, usable_cores
from ranet.commands.parser import NETWORK, add_overrides
from ranet.files import check_writable, write_json
from ranet.provenance import CONFIGS
from ranet.wording import size_text

if TYPE_CHECKING:
    from ranet.benchmark import Case
    from ranet.methods.base import VOSMethod
    from ranet.methods.registry import MethodConfig

_logger = logging.getLogger(__name__)

_FOLLOWING = ("network", "frame", "step", "video", "onnx")
_SWEPT = (*_FOLLOWING, "training")
_USUAL = ("network", "frame", "step", "video", "training")
_PARTS = (*_SWEPT, "evaluation", "loader")
_PEERS = ("cutie-small", "cutie-base")
_CORES = str(usable_cores())
_SLOW = ("evaluation", "loader")  # whose calls take seconds
_NEEDED = {"loader": ("config",), "evaluation": ("annotations", "predictions", "year")}


# --- Options


def _json_file(text: str) -> Path:
    """A file to write; by its name it is no checkpoint and no data, and it is no folder."""
    path = Path(text)
    if path.suffix != ".json" or path.is_dir():
        raise argparse.ArgumentTypeError(f"expected a file named *.json, but found {text!r}")
    return path


_OPTIONS: tuple[tuple[str, Sequence[str], Callable[[str], Any], str, str | None, str], ...] = (
    (
        *("network", _FOLLOWING, each(str), "NAME,…", None),
        "single or multi: the paper's, with random weights; single-resnet50: with another "
        "backbone; ranet-small or another that comes with the project (default: single)",
    ),
    ("checkpoint", _FOLLOWING, Path, "FILE_OR_NAME", None, f"{NETWORK}; may be repeated"),
    ("device", _SWEPT, each(str), "D,…", "auto", "auto, cpu, cuda, cuda:1, mps"),
    ("dtype", _SWEPT, each(str), "T,…", "float32", "float32, bfloat16, float16"),
    ("size", _SWEPT, each(image_size), "HxW,…", "480x864", "of the input and of the frames"),
    ("objects", _SWEPT, each(number_within(int, 1, 254)), "K,…", "1", "in every frame"),
    ("videos", ("network", "frame", "step"), each(positive_int), "B,…", "1", "followed at once"),
    ("frames", ("video",), each(number_within(int, 2)), "N,…", "20", "of the video"),
    (
        *("against", ("network", "step"), str, "NAME", None),
        f"{' or '.join(_PEERS)} of the package rf-cutie, with random weights: timed in turn with "
        "ours, with one video",
    ),
    (
        *("vary", _SWEPT, str, "KEY=VALUE,…", None),
        "a field of the configuration and values to measure; may be repeated",
    ),
    ("batch", ("training",), each(positive_int), "N,…", "1", "samples of a training step"),
    (
        *("config", (*_SWEPT, "loader"), Path, "FILE", None),
        "what is not told otherwise (default: configs/segment.yaml, static_single.yaml to train)",
    ),
    ("annotations", ("evaluation",), Path, "DIR", None, "the true masks"),
    ("predictions", ("evaluation",), Path, "DIR", None, "the masks to score"),
    ("year", ("evaluation",), each(number_within(int, 2016, 2017)), "Y", None, "whose rules hold"),
    ("set", ("evaluation",), Path, "FILE", None, "list of sequences (default: all)"),
    (
        *("workers", ("evaluation", "loader"), each(number_within(int, 0)), "N,…", _CORES),
        "threads that score, processes that make samples (0: none but this)",
    ),
    ("batches", ("loader",), each(positive_int), "N,…", "10", "of a call"),
    (
        *("warm-up", _PARTS, number_within(int, 0), "N", None),
        f"calls before any is timed (default: 3, of {' and '.join(_SLOW)} 1)",
    ),
    ("repeats", _PARTS, positive_int, "N", None, "timed calls, at least (default: 10, of these 5)"),
    ("seconds", _PARTS, number_within(float, 0), "S", None, "for so long (default: 1, of these 0)"),
    ("threads", _PARTS, positive_int, "N", None, "of the network on a CPU"),
    ("json", _PARTS, _json_file, "FILE", None, "write all figures there, after each row"),
)
"""Name, the parts that read it, type, metavar, default and meaning."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("part", nargs="?", default=",".join(_USUAL), metavar="PART")
    for name, parts, kind, metavar, default, told in _OPTIONS:
        told += f" (default: {default})" if default else ""
        told += f" [{','.join(parts)}]" if parts != _PARTS else ""
        action = "append" if name in ("checkpoint", "vary") else "store"
        parser.add_argument(f"--{name}", type=kind, action=action, metavar=metavar, help=told)
    add_overrides(parser, "crop=whole_frame")


def _check(options: argparse.Namespace) -> None:
    """Every option gets its value, or is refused."""
    options.part = parts = options.part.split(",")
    for part in parts:
        if part not in _PARTS:
            raise UsageError(f"PART should be some of {','.join(_PARTS)}, but found {part!r}")
        for name in _NEEDED.get(part, ()):
            if getattr(options, name) is None:
                raise UsageError(f"{part} needs --{name}")
    for name, its_parts, kind, _, default, _ in _OPTIONS:
        key = name.replace("-", "_")
        if getattr(options, key) is None:
            setattr(options, key, kind(default) if default else None)
        elif not {*its_parts} & {*parts}:
            raise UsageError(f"--{name} is for {', '.join(its_parts)}, not for {','.join(parts)}")
    networks = (*(options.network or ()), *(options.checkpoint or ()))
    options.network, options.checkpoint = networks or ("single",), None
    options.vary = [vary.partition("=") for vary in options.vary or ()]
    if options.against and options.against not in _PEERS:
        raise UsageError(f"--against should be {' or '.join(_PEERS)}, found {options.against!r}")
    if options.against and not ({*parts} <= {"network", "step"} and options.videos == (1,)):
        raise UsageError("--against is for network and step, with one video")


# --- Measuring


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    _check(options)
    import torch

    from ranet.benchmark import Effort, describe, figures, measure, table

    if options.threads:
        torch.set_num_threads(options.threads)
    if options.json:
        check_writable(options.json.parent)
    cases = [case for part in options.part for case in _cases(options, part)]
    given = {name: getattr(options, name) for name in Effort._fields}
    given = {name: number for name, number in given.items() if number is not None}
    rows: list[dict[str, Any]] = []
    results = {"format": "ranet-benchmark-1", **describe(), "command": sys.argv, "rows": rows}
    try:
        for case in cases:
            usual = Effort(1, 5, 0) if case.part in _SLOW else Effort()
            for row in measure(case, usual._replace(**given)):
                rows.append(row)
                told = {"part": row["part"], **row["settings"], **figures(row)}
                _logger.info(", ".join(f"{name} {value}" for name, value in told.items()))
                if options.json:
                    write_json(options.json, results)
    finally:  # whatever has ended it, what was measured is told
        if rows:
            print(table(results))


# --- From options to what is to be measured: every combination of their values


_FIELDS = {"device": ["device"], "dtype": ["dtype"], "size": ["input_size", "frame_size"]}
_FIELDS_OF_RUNS = _FIELDS | {"size": ["data.size"], "objects": ["data.max_objects"]}
_FIELDS_OF_RUNS |= {"batch": ["batch_size"], "workers": ["data.workers"]}
"""Of the configuration, by the options that set them."""


def _cases(options: argparse.Namespace, part: str) -> "Iterator[Case]":
    """Of one part; mistakes are told here, not after others were timed."""
    readers = {name.replace("-", "_"): parts for name, parts, *_ in _OPTIONS}
    axes = {
        name: values
        for name, values in vars(options).items()
        if isinstance(values, tuple) and part in readers[name]
    }
    if part in _SWEPT:
        axes |= {key: values.split(",") for key, _, values in options.vary}
    for values in itertools.product(*axes.values()):
        chosen = dict(zip(axes, values, strict=True))
        yield _evaluation(options, chosen) if part == "evaluation" else _case(options, part, chosen)


def _evaluation(options: argparse.Namespace, chosen: dict[str, Any]) -> "Case":
    from ranet.benchmark import Case
    from ranet.datasets.index import read_set_file

    arguments = {name: getattr(options, name) for name in ("annotations", "predictions")}
    sequences = read_set_file(options.set) if options.set else None
    arguments |= {"year": chosen["year"], "sequences": sequences}
    return Case("evaluation", chosen, arguments)


def _case(options: argparse.Namespace, part: str, chosen: dict[str, Any]) -> "Case":
    """One of a part that has a configuration."""
    import torch

    from ranet.benchmark import Case
    from ranet.config import PLAIN_STEP, InferenceConfig, TrainConfig, load_config
    from ranet.device import resolve_device

    run = part in ("training", "loader")
    kind, usual = (TrainConfig, "static_single.yaml") if run else (InferenceConfig, "segment.yaml")
    set_by = _FIELDS_OF_RUNS if run else _FIELDS
    fields = {field: json.dumps(chosen[name]) for name in chosen for field in set_by.get(name, ())}
    fields |= {key: chosen[key] for key, *_ in options.vary if key in chosen}
    if part == "training":  # time depends on no weight, so that none has to be read
        fields |= {"start_from": "null", "imagenet_weights": "false"}
    overrides = [*options.overrides, *(f"{field}={value}" for field, value in fields.items())]
    config = load_config(kind, options.config or CONFIGS / usual, overrides)
    settings = dict(override.split("=", 1) for override in options.overrides) | chosen
    if "device" in chosen:
        device = resolve_device(config.device)
        settings |= {"device": str(device), "size": size_text(chosen["size"])}
        settings |= {"threads": torch.get_num_threads()} if device.type == "cpu" else {}
    if part == "training":
        settings = {"network": config.model.summary} | settings
    if part == "loader":
        told = {"run": config.name, "size": size_text(config.data.size)}
        settings |= told | {"clip": config.data.clip_length, "batch": config.batch_size}
    if run:
        return Case(part, settings, config)
    plain = all(getattr(config, field) == value for field, value in PLAIN_STEP.items())
    if part == "onnx" and not (plain and settings["device"] == "cpu"):
        raise UsageError("onnx is for a CPU, float32, and nothing compiled")
    name, network = _network(chosen["network"])
    return Case(part, settings | {"network": name}, config, network, options.against or "")


def _network(name: str | Path) -> tuple[str, Callable[[], Any]]:
    """What to call it, and what makes it."""
    from ranet.config import parse_config
    from ranet.errors import CheckpointError
    from ranet.methods.checkpoints import checkpoint_file, load_checkpoint, pretrained_path
    from ranet.methods.registry import method_config

    if isinstance(name, Path):
        file = checkpoint_file(name)
        return file.name, partial(load_checkpoint, file)
    objects, dash, backbone = name.partition("-")
    if objects not in ("single", "multi"):
        try:
            return name, partial(load_checkpoint, pretrained_path(name))
        except CheckpointError as error:
            raise UsageError(f"{error} Random ones are single, multi, single-resnet50.") from error
    values = {"objects": objects, **({"backbone": backbone} if dash else {})}
    config = parse_config(method_config(), values, source=f"the network {name!r}")
    return name, partial(_with_random_weights, config)


def _with_random_weights(config: "MethodConfig") -> "VOSMethod":
    """Always the same."""
    import torch

    from ranet.methods.registry import create_method

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return create_method(config).eval()
