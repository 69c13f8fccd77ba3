"""See it work without any data: a few minutes on two CPU cores.

Draws synthetic videos, trains a small network on 60 of them, and segments and scores 8 others, with
it and with the network that comes with the project; prints the scores beside that of copying the
first mask. An interrupted demo goes on where it was.

    ranet demo --out outputs/demo
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ranet.cli import usable_cores
from ranet.commands.parser import add_overrides, command_parser, parse
from ranet.files import check_writable
from ranet.provenance import CONFIGS

if TYPE_CHECKING:
    from ranet.config import TrainConfig


def main(program: str, arguments: Sequence[str]) -> None:
    """Run the command."""
    parser = command_parser(program, __doc__)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("outputs/demo"),
        metavar="DIR",
        help="folder for everything (default: %(default)s)",
    )
    add_overrides(parser, "steps=50")
    options = parse(parser, arguments)
    from ranet.config import EvalConfig, TrainConfig, load_config

    check_writable(options.out)
    config = load_config(TrainConfig, CONFIGS / "quickstart.yaml", options.overrides)
    from ranet.demo import DemoVideos, run_demo
    from ranet.methods.registry import pretrained_path

    run_demo(
        DemoVideos(),
        _in_folder(config, options.out),
        load_config(EvalConfig, CONFIGS / "eval_quickstart.yaml"),
        pretrained_path(),
        options.out,
        usable_cores(),
    )


def _in_folder(config: "TrainConfig", out: Path) -> "TrainConfig":
    """The same training on the videos below ``out``, and with its results there."""
    videos, *others = config.data.sources
    sources = (videos.model_copy(update={"root": out / "data"}), *others)
    data = config.data.model_copy(update={"sources": sources})
    return config.model_copy(update={"data": data, "output": out / "training"})
