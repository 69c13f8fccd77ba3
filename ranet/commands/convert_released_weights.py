"""Convert one of the authors' checkpoints into one of this project's.

The result names its architecture itself, so that no --released-objects (of segment.py) and no
released_objects (in the configuration of an evaluation) are needed from then on.

    ranet convert-released-weights RANet_video_single.pth \\
        --objects single --out checkpoints/ranet_video_single.pt
"""

from collections.abc import Sequence
from pathlib import Path

from ranet.commands.parser import command_parser, parse


def main(program: str, arguments: Sequence[str]) -> None:
    """Run the command."""
    parser = command_parser(program, __doc__)
    parser.add_argument("checkpoint", type=Path, help="the authors' .pth file")
    parser.add_argument(
        "--objects",
        choices=("single", "multi"),
        required=True,
        help="which of the two networks it is for, as in the file's name",
    )
    parser.add_argument("--out", type=Path, required=True, help="where to write the .pt file")
    options = parse(parser, arguments)
    from ranet.methods.checkpoints import fingerprint, save_checkpoint
    from ranet.methods.ranet.released import load_released_checkpoint

    model = load_released_checkpoint(options.checkpoint, options.objects)
    save_checkpoint(options.out, model, converted_from={"sha256": fingerprint(options.checkpoint)})
    print(f"wrote {options.out}")
