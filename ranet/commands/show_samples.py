"""Show what a configuration trains on, as one picture.

A row is a sample: the template with its objects, the current frame, the previous mask over it, and
the truth. They are the first samples of the run, exactly.

    ranet show-samples --config configs/quickstart.yaml --out sheet.png
    ranet show-samples --config configs/quickstart.yaml --out sheet.png --count 20 \\
        data.augment.rotation=0 data.static.new_background=0.5
"""

import argparse

from ranet.cli import positive_int
from ranet.commands.parser import add_overrides, add_path


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add_path(parser, "--config", "FILE", "a training run's YAML file", required=True)
    add_path(parser, "--out", "FILE", "the picture, .png or .jpg", required=True)
    parser.add_argument(
        "--count", type=positive_int, default=8, metavar="N", help="samples (default: %(default)s)"
    )
    add_overrides(parser, "data.sources.0.root=data/DAVIS")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from ranet.config import TrainConfig, load_config

    config = load_config(TrainConfig, options.config, options.overrides)
    from ranet.datasets.image_io import write_image
    from ranet.datasets.sampling import TrainingSamples
    from ranet.visual.contact_sheet import sample_sheet

    samples = TrainingSamples(config.data, seed=config.seed)
    write_image(options.out, sample_sheet([samples[n] for n in range(options.count)]))
    print(f"wrote {options.out}")
