#!/usr/bin/env python3
"""Make a file to hand on of a trained network: .safetensors, half the size, no training state.

    python scripts/export_checkpoint.py outputs/small_clips/model.pt --out ranet_small.safetensors

Whatever reads a checkpoint reads the result too.
"""

import argparse
from pathlib import Path

import torch

from ranet.cli import number_within, run_script
from ranet.model.exchange import SUFFIX, write_exchange_file
from ranet.model.ranet import SMALLEST_SIDE
from ranet.model.weights import description_of, load_checkpoint
from ranet.options import script_parser


def main() -> None:
    arguments = parse_arguments()
    model = load_checkpoint(arguments.checkpoint)
    if arguments.input_size:
        model.input_size = tuple(arguments.input_size)
    dtype = getattr(torch, arguments.dtype)
    write_exchange_file(arguments.out, description_of(model), model.state_dict(), dtype)
    print(f"wrote {arguments.out}, {arguments.out.stat().st_size / 1e6:.1f} MB")


def parse_arguments() -> argparse.Namespace:
    parser = script_parser(__doc__)
    parser.add_argument("checkpoint", type=Path, help="a network of ours, or one of the authors'")
    parser.add_argument(
        "--out", type=exchange_file, required=True, metavar="FILE", help=f"the {SUFFIX} file"
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
    return parser.parse_args()


def exchange_file(text: str) -> Path:
    if Path(text).suffix != SUFFIX:
        raise argparse.ArgumentTypeError(f"expected a file that ends in {SUFFIX}, found {text!r}")
    return Path(text)


if __name__ == "__main__":
    run_script(main)
