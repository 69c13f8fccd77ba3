"""The check of a DAVIS tree: frames, masks, and lists of sequences.

MOSE, LVOS and VOST are laid out like it, but for the folder of the resolution; MOSE and LVOS have
no lists either, and a tree for each split (:func:`check_splits`).
"""

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from ranet.datasets.check.findings import DataReport, Reading
from ranet.datasets.check.sequence import (
    ListedSequence,
    first_masks,
    list_sequence,
    sequence_problems,
    sequence_table,
)
from ranet.datasets.index import (
    choose_resolution,
    entries,
    holds_sequences,
    is_image,
    read_set_file,
)
from ranet.datasets.numbering import natural_key
from ranet.errors import DataError
from ranet.wording import count, some_of


def check_davis(root: Path, resolution: str | None, reading: Reading) -> DataReport:
    """Check all sequences of a DAVIS tree, and its lists, at one resolution or at all (None).

    Raises:
        DataError: there is no such resolution.
    """
    flat = holds_sequences(root / "JPEGImages")
    if resolution is None and not flat:
        resolutions = [path.name for path in entries(root / "JPEGImages") if path.is_dir()]
    else:
        resolutions = [choose_resolution(root, resolution)]
    problems: list[str] = []
    listed = {name: _list_resolution(root, name, problems) for name in resolutions}
    sequences = list(chain.from_iterable(listed.values()))
    facts = reading.facts(
        chain.from_iterable(sequence.frames.values() for sequence in sequences),
        chain.from_iterable(sequence.masks.values() for sequence in sequences),
        always_whole=first_masks(sequences),
    )
    contents: list[str] = []
    for name, group in listed.items():
        summary, *lines = sequence_table(group, facts)
        contents += [summary if flat else f"{name}: {summary}", *lines]
    if not listed:
        problems.append(f"{root / 'JPEGImages'} is empty: expected 480p/<sequence>/ in it.")
    problems += chain.from_iterable(sequence_problems(sequence, facts) for sequence in sequences)
    contents += _check_lists(root, resolutions, problems, needed=not flat)
    kind = "a tree like DAVIS, without resolutions (MOSE, LVOS, VOST)" if flat else "a DAVIS tree"
    return DataReport(root, kind, tuple(contents), tuple(problems))


def check_splits(root: Path, splits: Sequence[Path], reading: Reading) -> DataReport:
    """Check several such trees below ``root``, as MOSE and LVOS have: train, valid."""
    reports = [check_davis(split, None, reading) for split in splits]
    return DataReport(
        root,
        f"trees like DAVIS (MOSE, LVOS): {', '.join(split.name for split in splits)}; YouTube-VOS "
        "would have train/meta.json",
        tuple(
            f"{split.name}: {line}"
            for split, report in zip(splits, reports, strict=True)
            for line in report.contents
        ),
        tuple(chain.from_iterable(report.problems for report in reports)),
    )


def _list_resolution(root: Path, resolution: str, problems: list[str]) -> list[ListedSequence]:
    """The sequences that have frames or masks; other mistakes are added to ``problems``."""
    frames, masks = root / "JPEGImages" / resolution, root / "Annotations" / resolution
    if any(is_image(path) for path in entries(frames)):
        problems.append(
            f"{frames} holds images: expected JPEGImages/<resolution>/<sequence>/. If {resolution} "
            "is a sequence, put a folder for the resolution in between, here and in Annotations."
        )
        return []
    if not masks.is_dir():
        problems.append(f"No folder {masks}: expected a folder of masks for each sequence.")
    inside = [*entries(frames), *(entries(masks) if masks.is_dir() else ())]
    strays = [str(path) for path in inside if not path.is_dir()]
    if strays:
        problems.append(f"Files where folders of sequences are expected: {some_of(strays)}.")
    names = {path.name for path in inside if path.is_dir()}
    if not names:
        problems.append(f"{frames} is empty: expected a folder of frames for each sequence.")
    return [
        list_sequence(name, frames / name, masks / name if masks.is_dir() else None)
        for name in sorted(names, key=natural_key)
    ]


def _check_lists(
    root: Path, resolutions: Sequence[str], problems: list[str], *, needed: bool
) -> Iterator[str]:
    """A line for each list of sequences; mistakes are added to ``problems``."""
    folder = root / "ImageSets"
    paths = sorted(folder.rglob("*.txt"), key=lambda path: natural_key(str(path)))
    if not paths and needed:
        problems.append(f"No lists in {folder}: expected 2016/val.txt or others, a name a line.")
    for path in paths:
        try:
            names = read_set_file(path)
        except DataError as error:
            problems.append(str(error))
            continue
        yield f"{path.relative_to(root)}: {count(names, 'sequence')}"
        for resolution in resolutions:
            problems += _missing_sequences(path, names, root / "JPEGImages" / resolution)
        problems += _missing_files(path, root)


def _missing_sequences(path: Path, names: list[str], frames: Path) -> Iterator[str]:
    missing = [name for name in names if not (frames / name).is_dir()]
    if missing:
        yield (
            f"{path} lists {len(missing)} of {count(names, 'sequence')} that {frames} does not "
            f"hold: {some_of(missing)}. Copy them, or take them off the list."
        )


def _missing_files(path: Path, root: Path) -> Iterator[str]:
    """Files that a list of DAVIS 2016 names, in sequences that are there, but that are not."""
    named = re.findall(r"\b(?:JPEGImages|Annotations)/\S+", path.read_text(encoding="utf-8-sig"))
    missing = [
        name for name in named if (root / name).parent.is_dir() and not (root / name).is_file()
    ]
    if missing:
        yield f"{path} names {count(missing, 'file')} that do not exist: {some_of(missing)}."
