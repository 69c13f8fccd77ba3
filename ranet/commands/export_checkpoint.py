"""Make a file to hand on of a trained network.

A .safetensors file: half the size, without the state of the training.

    ranet export-checkpoint outputs/small_clips/model.pt --out ranet_small.safetensors

Whatever reads a checkpoint reads the result too.
"""

import argparse
from pathlib import Path

from ranet.cli import check_new, check_not_read, number_within
from ranet.commands.parser import NETWORK, SMALLEST_SIDE, add_overwrite

_SUFFIX = ".safetensors"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("checkpoint", type=Path, help=NETWORK)
    parser.add_argument(
        "--out", type=_exchange_file, required=True, metavar="FILE", help=f"the {_SUFFIX} file"
    )
    parser.add_argument(
        "--dtype",
        choices=("float16", "float32"),
        default="float16",
        help="in which to store the weights (default: %(default)s)",
    )
    parser.add_argument(
        "--input-size",
        type=number_within(int, SMALLEST_SIDE),
        nargs=2,
        metavar=("H", "W"),
        help="what the network is to see of a frame where a configuration's input_size is null "
        "(default: the size it was trained at)",
    )
    add_overwrite(parser, "a file that is there already")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    import torch

    from ranet.methods.checkpoint_files import write_exchange_file
    from ranet.methods.checkpoints import checkpoint_file, description_of, load_checkpoint

    checkpoint = checkpoint_file(options.checkpoint)
    check_not_read([options.out], [checkpoint])
    check_new(options.out, overwrite=options.overwrite)
    model = load_checkpoint(checkpoint)
    if options.input_size:
        model.input_size = tuple(options.input_size)
    dtype = getattr(torch, options.dtype)
    write_exchange_file(options.out, description_of(model), model.state_dict(), dtype)
    print(f"wrote {options.out}, {options.out.stat().st_size / 1e6:.1f} MB")


def _exchange_file(text: str) -> Path:
    if Path(text).suffix != _SUFFIX:
        raise argparse.ArgumentTypeError(f"expected a file that ends in {_SUFFIX}, found {text!r}")
    return Path(text)
