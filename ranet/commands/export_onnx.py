"""Export the step from frame to frame as ONNX, to run it without torch.

The graphs are of one size of frame and one number of objects:

    ranet export-onnx --frame-size 480 854 --out outputs/onnx
    ranet export-onnx --checkpoint outputs/small_clips/model.pt --frame-size 720 1280 \\
        --objects 3 --out outputs/onnx_hd input_size=[480,864]

OUT gets template.onnx (the first frame and its masks: once a video) and step.onnx (every other
frame); with --pt2 also template.pt2 and step.pt2, for torch.export.load. docs/export.md lists their
inputs and outputs, and examples/segment_with_onnxruntime.py segments a folder of frames with them.
"""

import argparse

from ranet.cli import number_within, positive_int
from ranet.commands.parser import SMALLEST_SIDE, add_checkpoint, add_how_to_segment, add_path
from ranet.files import check_writable


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add_checkpoint(parser)
    parser.add_argument(
        "--frame-size",
        type=number_within(int, SMALLEST_SIDE),
        nargs=2,
        required=True,
        metavar=("H", "W"),
        help="height and width of the frames, which have to be of this size then",
    )
    parser.add_argument(
        "--objects", type=positive_int, default=1, metavar="K", help="(default: %(default)s)"
    )
    add_path(parser, "--out", "DIR", "folder for the graphs", required=True)
    parser.add_argument(
        "--pt2", action="store_true", help="write what torch.export makes of them, too"
    )
    add_how_to_segment(parser, "input_size=[240,432]; device and precision do not concern graphs")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from ranet.config import InferenceConfig, load_config

    config = load_config(InferenceConfig, options.config, options.overrides)
    check_writable(options.out)
    from ranet.export.files import write_onnx, write_pt2
    from ranet.export.programs import export_programs
    from ranet.methods.checkpoints import checkpoint_file, fingerprint, load_checkpoint

    checkpoint = checkpoint_file(options.checkpoint)
    programs = export_programs(
        load_checkpoint(checkpoint),
        frame_size=tuple(options.frame_size),
        objects=options.objects,
        config=config,
    )
    written = write_pt2(programs, options.out) if options.pt2 else []
    facts = {"checkpoint": checkpoint.name, "sha256": fingerprint(checkpoint)}
    for path in [*written, *write_onnx(programs, options.out, facts)]:
        print(f"wrote {path}, {path.stat().st_size / 1e6:.1f} MB")
