"""Show what a configuration trains on, or what a network makes of it.

A row is a sample: the template with its objects, the current frame, the previous mask over it, and
the truth. They are the first samples of the run, exactly. The figures are those of the network's
method, such as how well proposals cover each annotated object.

    ranet show-samples --config configs/quickstart.yaml --out sheet.png
    ranet show-samples --config configs/quickstart.yaml --out sheet.png --count 20 \\
        data.augment.rotation=0 data.static.new_background=0.5
    ranet show-samples --config configs/dmn_aoa_held_out.yaml --count 400 \\
        --checkpoint outputs/dmn_aoa_small_detector/model.pt
"""

import argparse
from typing import TYPE_CHECKING

from ranet.cli import UsageError, positive_int
from ranet.commands.parser import NETWORK, add_overrides, add_path

if TYPE_CHECKING:
    from ranet.datasets.sampling import TrainingSamples
    from ranet.methods.base import VOSMethod


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add_path(parser, "--config", "FILE", "a training run's YAML file", required=True)
    add_path(parser, "--out", "FILE", "the picture, .png or .jpg")
    add_path(parser, "--checkpoint", "FILE_OR_NAME", f"{NETWORK}; its figures are printed")
    parser.add_argument(
        "--count", type=positive_int, default=8, metavar="N", help="samples (default: %(default)s)"
    )
    add_overrides(parser, "data.sources.0.root=data/DAVIS")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    if options.out is None and options.checkpoint is None:
        raise UsageError("name --out, --checkpoint, or both")
    from ranet.config import TrainConfig, load_config

    config = load_config(TrainConfig, options.config, options.overrides)
    from ranet.datasets.sampling import TrainingSamples

    samples = TrainingSamples(config.data, seed=config.seed, instances=True)
    if options.out is not None:
        from ranet.datasets.image_io import write_image
        from ranet.visual.contact_sheet import sample_sheet

        write_image(options.out, sample_sheet([samples[n] for n in range(options.count)]))
        print(f"wrote {options.out}")
    if options.checkpoint is not None:
        from ranet.methods.checkpoints import load_checkpoint

        _print_figures(load_checkpoint(options.checkpoint), samples, options.count)


def _print_figures(method: "VOSMethod", samples: "TrainingSamples", count: int) -> None:
    import torch

    from ranet.structures import TrainingBatch

    found: dict[str, list[torch.Tensor]] = {}
    with torch.inference_mode():
        for number in range(count):
            batch = TrainingBatch.collate([samples[number]])
            for name, values in method.figures(batch.clip(batch.object_count)).items():
                found.setdefault(name, []).append(values.flatten().float())
    for name, parts in found.items():
        values = torch.cat(parts)
        half = (values >= 0.5).float().mean()
        print(f"{name}: mean {values.mean():.3f}, at least 0.5 in {half:.1%} of {len(values)}")
