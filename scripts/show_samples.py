#!/usr/bin/env python3
"""Show what a configuration trains on, as one picture.

A row is a sample: the template with its objects, the current frame, the previous mask over it, and
the truth. They are the first samples of the run, exactly.

    python scripts/show_samples.py --config configs/quickstart.yaml --out sheet.png
    python scripts/show_samples.py --config configs/quickstart.yaml --out sheet.png --count 20 \\
        data.augment.rotation=0 data.static.new_background=0.5
"""

import argparse
from pathlib import Path

from ranet.cli import positive_int, run_script
from ranet.config import TrainConfig, load_config
from ranet.datasets.image_io import write_image
from ranet.datasets.sampling import TrainingSamples
from ranet.options import add_overrides, script_parser
from ranet.visual.sample_sheet import sample_sheet


def main() -> None:
    arguments = parse_arguments()
    config = load_config(TrainConfig, arguments.config, arguments.overrides)
    samples = TrainingSamples(config.data, seed=config.seed)
    write_image(arguments.out, sample_sheet([samples[n] for n in range(arguments.count)]))
    print(f"wrote {arguments.out}")


def parse_arguments() -> argparse.Namespace:
    parser = script_parser(__doc__)
    parser.add_argument("--config", type=Path, required=True, help="a training run's YAML file")
    parser.add_argument("--out", type=Path, required=True, help="the picture, .png or .jpg")
    parser.add_argument(
        "--count", type=positive_int, default=8, metavar="N", help="samples (default: %(default)s)"
    )
    add_overrides(parser, "data.sources.0.root=data/DAVIS")
    return parser.parse_intermixed_args()


if __name__ == "__main__":
    run_script(main)
