"""See it work without any data: half a minute on two CPU cores.

Draws three short videos, follows their objects from the first frame on with the network that comes
with the project, scores that beside copying the first mask, and leaves a video with the masks, a
contact sheet and a report. With --train, some minutes, it trains a small network on 60 drawn videos
first, and shows that one on 8 others; key=value sets fields of configs/quickstart.yaml. An
interrupted demo goes on where it was.

    ranet demo
    ranet demo --train
    ranet demo --train --out outputs/shorter steps=300
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
    parser.add_argument("--train", action="store_true", help="train the network that is shown")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for everything (default: outputs/demo, outputs/demo-train with --train)",
    )
    add_overrides(parser, "steps=50; only with --train")
    options = parse(parser, arguments)
    if options.overrides and not options.train:
        parser.error(f"{options.overrides[0]} is a field of the training: it needs --train")
    out = options.out or Path("outputs/demo-train" if options.train else "outputs/demo")
    check_writable(out)
    from ranet.config import EvalConfig, TrainConfig, load_config

    evaluation = CONFIGS / "eval_quickstart.yaml"
    if options.train:
        training = load_config(TrainConfig, CONFIGS / "quickstart.yaml", options.overrides)
        from ranet.demo import TRAINED_ON, show_training

        show_training(
            TRAINED_ON,
            _in_folder(training, out),
            load_config(EvalConfig, evaluation),
            out,
            usable_cores(),
        )
    else:
        from ranet.demo import SHOWN, show_network
        from ranet.methods.checkpoints import DEFAULT, pretrained_path

        config = load_config(EvalConfig, evaluation, ["inference.input_size=null"])  # its own
        show_network(SHOWN, config, DEFAULT, pretrained_path(), out, usable_cores())


def _in_folder(config: "TrainConfig", out: Path) -> "TrainConfig":
    """The same training on the videos below ``out``, and with its results there."""
    videos, *others = config.data.sources
    sources = (videos.model_copy(update={"root": out / "videos"}), *others)
    data = config.data.model_copy(update={"sources": sources})
    return config.model_copy(update={"data": data, "output": out / "training"})
