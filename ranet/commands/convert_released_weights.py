"""Convert one of the authors' checkpoints into one of this project's.

The result names its architecture itself, so that no --released-objects (of segment.py) and no
released_objects (in the configuration of an evaluation) are needed from then on.

    ranet convert-released-weights RANet_video_single.pth \\
        --objects single --out checkpoints/ranet_video_single.pt
"""

import argparse
from pathlib import Path

from ranet.cli import check_new, check_not_read
from ranet.commands.parser import add_overwrite, add_path


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("checkpoint", type=Path, help="the authors' .pth file")
    parser.add_argument(
        "--objects",
        choices=("single", "multi"),
        required=True,
        help="which of the two networks it is for, as in the file's name",
    )
    add_path(parser, "--out", "FILE", "where to write the .pt file", required=True)
    add_overwrite(parser, "a file that is there already")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    check_not_read([options.out], [options.checkpoint])
    check_new(options.out, overwrite=options.overwrite)
    from ranet.methods.checkpoints import fingerprint, save_checkpoint
    from ranet.methods.ranet.released import load_released_checkpoint

    model = load_released_checkpoint(options.checkpoint, options.objects)
    save_checkpoint(options.out, model, converted_from={"sha256": fingerprint(options.checkpoint)})
    print(f"wrote {options.out}")
