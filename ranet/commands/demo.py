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

import argparse
import json
from pathlib import Path

from ranet.cli import UsageError, usable_cores
from ranet.commands.parser import add_overrides, add_path
from ranet.files import check_writable
from ranet.provenance import CONFIGS


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--train", action="store_true", help="train the network that is shown")
    told = "folder for everything (default: outputs/demo, outputs/demo-train with --train)"
    add_path(parser, "--out", "DIR", told)
    add_overrides(parser, "steps=50; only with --train")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    if options.overrides and not options.train:
        raise UsageError(f"{options.overrides[0]} is a field of the training: it needs --train")
    out = options.out or Path("outputs/demo-train" if options.train else "outputs/demo")
    check_writable(out)
    from ranet.config import EvalConfig, TrainConfig, load_config

    evaluation = CONFIGS / "eval_quickstart.yaml"
    if options.train:
        folders = {"data.sources.0.root": out / "videos", "output": out / "training"}
        overrides = [
            f"{field}={json.dumps(str(path), ensure_ascii=False)}"  # JSON is YAML
            for field, path in folders.items()
        ]
        training = load_config(
            TrainConfig, CONFIGS / "quickstart.yaml", [*options.overrides, *overrides]
        )
        from ranet.demo import TRAINED_ON, show

        config = load_config(EvalConfig, evaluation)
        show(TRAINED_ON, training, config, out, usable_cores())
    else:
        from ranet.demo import SHOWN, show
        from ranet.methods.checkpoints import pretrained_path

        config = load_config(EvalConfig, evaluation, ["inference.input_size=null"])  # its own
        show(SHOWN, pretrained_path(), config, out, usable_cores())
