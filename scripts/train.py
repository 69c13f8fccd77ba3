#!/usr/bin/env python3
"""Train a network as a configuration says.

    python scripts/train.py --config configs/quickstart.yaml
    python scripts/train.py --config configs/quickstart.yaml steps=500 optimizer.learning_rate=1e-4
    python scripts/train.py --config configs/quickstart.yaml --resume

Ctrl-C and SIGTERM end the run after the current step, with a checkpoint; a second Ctrl-C at once.
"""

import argparse
from pathlib import Path

from ranet.cli import run_script
from ranet.config import TrainConfig, load_config
from ranet.training.run import train


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, required=True, help="a YAML file, see configs/")
    parser.add_argument(
        "--resume", action="store_true", help="go on from the newest checkpoint of the output"
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="key=value",
        help="fields to set, e.g. optimizer.clip_norm=1",
    )
    arguments = parser.parse_intermixed_args()
    train(load_config(TrainConfig, arguments.config, arguments.overrides), arguments.resume)


if __name__ == "__main__":
    run_script(main)
