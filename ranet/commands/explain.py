"""Show how the network came to its result in one frame of a video.

Follows the objects from their mask in the first frame, and draws what the paper's Figures 4 and 7
and the supplement's Figure 3 show:

    ranet explain --video surf.mp4 --mask surf_first.png --frame 40 --out outputs/surf_explained
    ranet explain --video frames --mask first.png --frame 12 --object 2 \\
        --point 180,342 --point 60,400 --out outputs/two_points input_size=[240,432]
    ranet explain --video frames --mask first.png --frame 12 --out outputs/variants \\
        --compare outputs/unranked_video/model.pt --compare outputs/maximum_video/model.pt

OUT gets a PNG each of the frames and crops, similarity maps of chosen template pixels, ranking
scores, all kept maps in order, merged features, the result, and the way there; and summary.png.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ranet.cli import each, number_within
from ranet.commands.parser import add_checkpoint, add_how_to_segment, add_marked_video, add_path
from ranet.errors import ConfigError
from ranet.files import check_writable
from ranet.wording import distinct_ends


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add_marked_video(parser)
    parser.add_argument(
        "--frame",
        type=number_within(int, 1),
        required=True,
        metavar="N",
        help="the frame to explain, from 1; 0 is that of the mask",
    )
    parser.add_argument(
        "--object",
        type=number_within(int, 1, 254),
        metavar="ID",
        help="the object to explain (default: that with the smallest id)",
    )
    parser.add_argument(
        "--point",
        type=each(number_within(int, 0), count=2),
        action="append",
        default=[],
        metavar="ROW,COLUMN",
        help="a pixel of the first frame whose similarity map to show; repeat it for further ones "
        "(default: well ranked ones, on the object and beside it)",
    )
    add_checkpoint(parser)
    told = "another network, an ablation perhaps, whose results are shown below; repeatable"
    add_path(parser, "--compare", "FILE_OR_NAME", told, action="append", default=[])
    add_path(parser, "--out", "DIR", "folder for the figures", required=True)
    add_how_to_segment(parser, "input_size=[240,432]")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from ranet.config import InferenceConfig, load_config

    config = load_config(InferenceConfig, options.config, options.overrides)
    check_writable(options.out)
    from ranet.inference.explain import explain
    from ranet.methods.checkpoints import checkpoint_file, load_checkpoint

    network, *compared = map(checkpoint_file, (options.checkpoint, *options.compare))
    name, *others = _names([network, *compared])
    explain(
        options.video,
        options.mask,
        options.frame,
        options.out,
        model=load_checkpoint(network),
        name=name,
        object_id=options.object,
        points=options.point,
        config=config,
        compare=dict(zip(others, map(load_checkpoint, compared), strict=True)),
    )
    print(f"figures: {options.out}, all of them in short: {options.out / 'summary.png'}")


def _names(networks: Sequence[Path]) -> list[str]:
    """What to call them in the figures: like their files, without the ending where it can be.

    Raises:
        ConfigError: one is given twice.
    """
    files = [path.resolve() for path in networks]
    twice = [str(p) for p, file in zip(networks, files, strict=True) if files.count(file) > 1]
    if twice:
        raise ConfigError(
            f"Expected different networks to explain and compare, but {twice[-1]} is given twice."
        )
    stems = [file.with_suffix("") for file in files]
    return distinct_ends(stems if len(set(stems)) == len(stems) else files)
