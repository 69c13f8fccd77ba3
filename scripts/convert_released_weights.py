#!/usr/bin/env python3
"""Convert one of the authors' checkpoints into one of this project's.

The result names its architecture itself, so that no --released-objects (of segment.py) and no
released_objects (in the configuration of an evaluation) are needed from then on.

    python scripts/convert_released_weights.py RANet_video_single.pth \\
        --objects single --out checkpoints/ranet_video_single.pt
"""

from pathlib import Path

from ranet.cli import run_script
from ranet.model.weights import fingerprint, load_released_checkpoint, save_checkpoint
from ranet.options import script_parser


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("checkpoint", type=Path, help="the authors' .pth file")
    parser.add_argument(
        "--objects",
        choices=("single", "multi"),
        required=True,
        help="which of the two networks it is for, as in the file's name",
    )
    parser.add_argument("--out", type=Path, required=True, help="where to write the .pt file")
    arguments = parser.parse_args()

    model = load_released_checkpoint(arguments.checkpoint, arguments.objects)
    save_checkpoint(
        arguments.out, model, converted_from={"sha256": fingerprint(arguments.checkpoint)}
    )
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    run_script(main)
