"""Train a network as a configuration says.

    ranet train --config configs/quickstart.yaml
    ranet train --config configs/quickstart.yaml steps=500 optimizer.learning_rate=1e-4
    ranet train --config configs/quickstart.yaml --resume
    ranet train --config configs/quickstart.yaml --print-config
    torchrun --nproc-per-node 4 -m ranet train --config configs/static_multi.yaml

With torchrun, batch_size stays that of all processes together, data.workers is of each process, and
several machines need an output folder that all of them see.
Ctrl-C and SIGTERM end the run after the current step, with a checkpoint; a second Ctrl-C at once.
"""

import argparse

from ranet.cli import usable_cores
from ranet.commands.parser import add_overrides, add_path, add_print_config


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add_path(parser, "--config", "FILE", "a YAML file, see configs/", required=True)
    parser.add_argument(
        "--resume", action="store_true", help="go on from the newest checkpoint of the output"
    )
    add_print_config(parser)
    add_overrides(parser, "optimizer.clip_norm=1")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from ranet.config import TrainConfig, load_config

    config = load_config(TrainConfig, options.config, options.overrides)
    from ranet.training.run import train

    # Others wait while the first process validates: it may use all cores.
    train(config, options.resume, scorers=usable_cores())
