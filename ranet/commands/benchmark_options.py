"""The words of ``ranet benchmark``: which part, and the options of each."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from ranet.benchmark.inference import PARTS
from ranet.benchmark.timing import Effort
from ranet.cli import number_within, positive_int, usable_cores
from ranet.commands.parser import command_parser, parse
from ranet.commands.places import CONFIGS
from ranet.options import add_overrides, add_workers

SEGMENT_CONFIG = CONFIGS / "segment.yaml"
TRAIN_CONFIG = CONFIGS / "static_single.yaml"

ALL, TRAINING, EVALUATION, LOADER = "all", "training", "evaluation", "loader"


def parse_benchmark(
    program: str, docstring: str | None, words: Sequence[str]
) -> argparse.Namespace:
    """The options of a PART, that itself in ``part``, and in ``parts`` those of inference in it.

    Args:
        program: what the command is called by.
        docstring: its help, which explains every PART.
        words: of the command line; the first one is PART, unless it is an option.
    """
    if words[:1] in (["-h"], ["--help"]):
        overview = command_parser(program, docstring)
        overview.add_argument("part", nargs="?", metavar="PART", help="see above; it has options")
        return overview.parse_args(words)
    without_part = not words or words[0].startswith("-")
    part, options = (ALL, words) if without_part else (words[0], words[1:])
    parts = [part] if part in _OTHERS else part.split(",")
    parser = command_parser(f"{program} {part}", f"Measure {part}; {program} --help explains it.")
    for name in parts:
        if name not in (*PARTS, *_OTHERS) or (name in _OTHERS and len(parts) > 1):
            parser.error(
                f"PART should be one of {', '.join(_OTHERS)}, or some of {','.join(PARTS)}, but "
                f"found {name!r} in {part!r}"
            )
    parser.set_defaults(part=part, parts=list(PARTS) if part == ALL else parts)
    _OTHERS.get(part, _add_inference)(parser)
    _add_output(parser)
    arguments = parse(parser, options)
    if getattr(arguments, "ours", None) and not arguments.against:
        parser.error("--ours is what --against compares with: give both, or neither")
    return arguments


def _add_all(parser: argparse.ArgumentParser) -> None:
    _add_sweep(parser)
    _add_videos(parser)
    _add_batch(parser)
    _add_effort(parser, Effort())
    parser.set_defaults(config=SEGMENT_CONFIG, overrides=[], vary=[])


def _add_inference(parser: argparse.ArgumentParser) -> None:
    _add_sweep(parser)
    _add_videos(parser)
    _add_fields(parser, SEGMENT_CONFIG, "crop=whole_frame")
    _add_effort(parser, Effort())


def _add_training(parser: argparse.ArgumentParser) -> None:
    _add_sweep(parser)
    _add_batch(parser)
    _add_fields(parser, TRAIN_CONFIG, "model.backbone=resnet50")
    _add_effort(parser, Effort())


def _add_evaluation(parser: argparse.ArgumentParser) -> None:
    for name in ("--annotations", "--predictions"):
        parser.add_argument(
            name, type=Path, required=True, metavar="DIR", help="as in scripts/evaluate.py"
        )
    parser.add_argument("--year", type=int, required=True, choices=(2016, 2017))
    parser.add_argument("--set", type=Path, metavar="FILE", help="list of sequences (default: all)")
    add_workers(parser, "frames that ours scores at the same time")
    _add_effort(parser, Effort(warm_up=1, repeats=5, seconds=0))


def _add_loader(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, required=True, metavar="FILE", help="a training run's YAML file"
    )
    parser.add_argument(
        "--workers",
        type=_several(int),
        default=[0, usable_cores()],
        metavar="N,N,…",
        help="numbers of worker processes; 0: the main process itself (default: 0, and one a core)",
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
    _add_effort(parser, Effort(warm_up=1, repeats=5, seconds=0))


_OTHERS = {
    ALL: _add_all,
    TRAINING: _add_training,
    EVALUATION: _add_evaluation,
    LOADER: _add_loader,
}


def _add_sweep(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device",
        type=_several(str),
        default=["auto"],
        metavar="D,D,…",
        help="auto, cpu, cuda, cuda:1, mps (default: auto)",
    )
    parser.add_argument(
        "--dtype",
        type=_several(str),
        default=["float32"],
        metavar="T,T,…",
        help="float32, bfloat16, float16 (default: float32)",
    )
    parser.add_argument(
        "--size",
        type=_several(_size),
        default=[(480, 864)],
        metavar="HxW,HxW,…",
        help="the network's input, which the frames have, too (default: 480x864)",
    )
    parser.add_argument(
        "--objects",
        type=_several(number_within(int, 1, 254)),
        default=[1],
        metavar="K,K,…",
        help="in every frame (default: 1)",
    )


def _add_videos(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--network",
        type=_several(str),
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
        type=_several(positive_int),
        default=[1],
        metavar="B,B,…",
        help="followed at once, in all parts but video (default: 1)",
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


def _add_batch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--batch",
        type=_several(positive_int),
        default=[1],
        metavar="N,N,…",
        help="samples of a training step (default: 1)",
    )


def _add_fields(parser: argparse.ArgumentParser, config: Path, example: str) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        default=config,
        metavar="FILE",
        help=f"what is not told otherwise (default: configs/{config.name})",
    )
    parser.add_argument(
        "--vary",
        type=_field_values,
        action="append",
        default=[],
        metavar="KEY=VALUE,VALUE,…",
        help="a field of the configuration and values to measure, such as compile=false,true; may "
        "be repeated",
    )
    add_overrides(parser, example)


def _add_effort(parser: argparse.ArgumentParser, default: Effort) -> None:
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


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=positive_int, metavar="N", help="of the network on a CPU")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write all figures there, after each row"
    )
    parser.add_argument(
        "--baseline", type=Path, metavar="FILE", help="compare with what --json wrote earlier"
    )
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")


def _several(read: Callable) -> Callable[[str], list]:
    """An ``argparse`` type: values separated by commas."""
    return lambda text: [read(value.strip()) for value in text.split(",")]


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
    key, equals, values = text.partition("=")
    if not (key and equals and values):
        raise argparse.ArgumentTypeError(
            f"expected a field and values such as compile=false,true, but found {text!r}"
        )
    return key, values.split(",")
