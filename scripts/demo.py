#!/usr/bin/env python3
"""See it work without any data: a few minutes on two CPU cores.

Draws synthetic videos, trains a small network on 60 of them, and segments and scores 8 others, with
it and with the network that comes with the project; prints the scores beside that of copying the
first mask. An interrupted demo goes on where it was.

    python scripts/demo.py --out outputs/demo
"""

from pathlib import Path

from ranet.cli import run_script, usable_cores
from ranet.config import EvalConfig, TrainConfig, load_config
from ranet.demo import DemoVideos, run_demo
from ranet.files import check_writable
from ranet.model.pretrained import pretrained_path
from ranet.options import add_overrides, script_parser

CONFIGS = Path(__file__).resolve().parents[1] / "configs"


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("outputs/demo"),
        metavar="DIR",
        help="folder for everything (default: %(default)s)",
    )
    add_overrides(parser, "steps=50")
    arguments = parser.parse_intermixed_args()
    check_writable(arguments.out)
    config = load_config(TrainConfig, CONFIGS / "quickstart.yaml", arguments.overrides)
    run_demo(
        DemoVideos(),
        in_folder(config, arguments.out),
        load_config(EvalConfig, CONFIGS / "eval_quickstart.yaml"),
        pretrained_path(),
        arguments.out,
        usable_cores(),
    )


def in_folder(config: TrainConfig, out: Path) -> TrainConfig:
    """The same training on the videos below ``out``, and with its results there."""
    videos, *others = config.data.sources
    sources = (videos.model_copy(update={"root": out / "data"}), *others)
    data = config.data.model_copy(update={"sources": sources})
    return config.model_copy(update={"data": data, "output": out / "training"})


if __name__ == "__main__":
    run_script(main)
