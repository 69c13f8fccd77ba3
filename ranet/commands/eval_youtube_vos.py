"""Segment YouTube-VOS valid or test, and pack the masks for its server.

    ranet eval-youtube-vos --youtube-vos data/YouTubeVOS --out outputs/youtube_vos
    ranet eval-youtube-vos --youtube-vos data/YouTubeVOS --split test \\
        --checkpoint outputs/small_clips/model.pt --out outputs/youtube_vos_test dtype=bfloat16

ROOT holds the unpacked archives, of 2018 or of 2019: valid and, if all frames of the videos are
to be followed, valid_all_frames. Objects begin where they are first marked; masks are written of
the frames in valid, every fifth.

Masks go to OUT/masks, OUT/submission-valid.zip is for the server, times are in OUT/result.json. An
interrupted run is started again with the same command: finished videos are kept.
"""

import argparse

from ranet.commands.parser import (
    add_checkpoint,
    add_how_to_segment,
    add_path,
    add_released_objects,
    add_results,
)
from ranet.files import check_writable


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    told = "the folder with valid, and perhaps valid_all_frames"
    add_path(parser, "--youtube-vos", "ROOT", told, required=True)
    parser.add_argument(
        "--split", default="valid", help="name of the folder in ROOT (default: %(default)s)"
    )
    add_results(parser)
    add_checkpoint(parser)
    add_released_objects(parser)
    add_how_to_segment(parser, "dtype=bfloat16")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from ranet.config import EvalConfig, InferenceConfig, load_config

    config = load_config(InferenceConfig, options.config, options.overrides)
    check_writable(options.out)
    from ranet.inference.davis import network
    from ranet.inference.youtube_vos import segment_youtube_vos

    asked = EvalConfig(inference=config, released_objects=options.released_objects)
    method = network(asked, options.checkpoint)
    report = segment_youtube_vos(
        config,
        method,
        options.youtube_vos,
        options.out,
        split=options.split,
        overwrite=options.overwrite,
    )
    print(report)
