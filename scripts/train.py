#!/usr/bin/env python3
"""Train a network as a configuration says.

    python scripts/train.py --config configs/quickstart.yaml
    python scripts/train.py --config configs/quickstart.yaml steps=500 optimizer.learning_rate=1e-4
    python scripts/train.py --config configs/quickstart.yaml --resume
    torchrun --nproc-per-node 4 scripts/train.py --config configs/static_multi.yaml

With torchrun, batch_size stays that of all processes together, data.workers is of each process, and
several machines need an output folder that all of them see.
Ctrl-C and SIGTERM end the run after the current step, with a checkpoint; a second Ctrl-C at once.
"""

from pathlib import Path

from ranet.cli import run_script, usable_cores
from ranet.config import TrainConfig, load_config
from ranet.options import add_overrides, script_parser
from ranet.training.run import train


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--config", type=Path, required=True, help="a YAML file, see configs/")
    parser.add_argument(
        "--resume", action="store_true", help="go on from the newest checkpoint of the output"
    )
    add_overrides(parser, "optimizer.clip_norm=1")
    arguments = parser.parse_intermixed_args()
    config = load_config(TrainConfig, arguments.config, arguments.overrides)
    # Others wait while the first process validates: it may use all cores.
    train(config, arguments.resume, scorers=usable_cores())


if __name__ == "__main__":
    run_script(main)
