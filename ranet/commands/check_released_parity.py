"""Check that the network computes what the authors' network computes.

Builds the released architecture with weights that follow the fixtures' rule, runs it in float64 on
each fixture's inputs, and prints a line per array. Status 1 if any array differs.

    ranet check-released-parity single_object.npz multi_object.npz
"""

import argparse
import sys
from pathlib import Path


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("fixtures", nargs="+", type=Path, metavar="FIXTURE.npz")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=1e-5,
        help="largest absolute difference that passes, beyond the rounding to the type an array "
        "is stored in (default: %(default)g)",
    )
    parser.add_argument(
        "--objects",
        choices=("single", "multi"),
        help="of which of the authors' networks the fixtures are, where they do not tell",
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from ranet.methods.ranet.released import compare_with_fixture

    failed = False
    for fixture in options.fixtures:
        print(fixture)
        for difference in compare_with_fixture(fixture, options.objects):
            agrees = difference.largest <= options.tolerance
            failed |= not agrees
            shape = "×".join(map(str, difference.shape))
            verdict = "ok" if agrees else "DIFFERS"
            print(f"  {difference.array:32s} {shape:>16s}  {difference.largest:.2e}  {verdict}")
    if failed:
        sys.exit(1)
