"""The check of the training videos of YouTube-VOS."""

from collections.abc import Iterator, Set
from itertools import chain
from pathlib import Path

from ranet.datasets.check.file_facts import Facts, Reading
from ranet.datasets.check.report import DataReport
from ranet.datasets.check.sequence import (
    ListedSequence,
    file_problems,
    first_masks,
    list_images,
    orphan_masks,
)
from ranet.datasets.index import entries
from ranet.datasets.numbering import natural_key
from ranet.datasets.youtube_vos import find_split, read_meta
from ranet.wording import count, some_of

Objects = dict[str, frozenset[int]]
"""The ids of each video's objects, as ``meta.json`` lists them."""


def check_youtube_vos(root: Path, split: str, reading: Reading) -> DataReport:
    """Check the videos of a split, and that they are those of its ``meta.json``.

    Raises:
        DataError: the tree is another, or ``meta.json`` cannot be read.
    """
    folder = find_split(root, split)
    objects = read_meta(folder / "meta.json")
    videos = [_list_video(folder, name) for name in _names(folder, objects)]
    facts = reading.facts(
        chain.from_iterable(video.frames.values() for video in videos),
        chain.from_iterable(video.masks.values() for video in videos),
        always_whole=first_masks(videos),
    )
    problems = list(_unlisted(folder, objects, [video.name for video in videos]))
    for video in videos:
        problems += file_problems(video, facts)
        problems += _foreign_ids(video, facts, objects.get(video.name))
    frames, masks = (
        sum(len(files) for files in group)
        for group in zip(*((video.frames, video.masks) for video in videos), strict=True)
    )
    contents = (
        f"{split}: {count(videos, 'video')}, {count(frames, 'frame')}, {count(masks, 'mask')}",
        f"meta.json: {count(objects, 'video')}, {count(sum(map(len, objects.values())), 'object')}",
    )
    return DataReport(root, "YouTube-VOS", contents, tuple(problems))


def _names(folder: Path, objects: Objects) -> list[str]:
    """All videos that are listed, or have frames or masks."""
    found = {
        path.name
        for part in ("JPEGImages", "Annotations")
        for path in entries(folder / part)
        if path.is_dir()
    }
    return sorted(found | objects.keys(), key=natural_key)


def _list_video(folder: Path, name: str) -> ListedSequence:
    problems: list[str] = []
    frames = list_images(folder / "JPEGImages" / name, problems)
    masks = list_images(folder / "Annotations" / name, problems)
    if frames is not None and masks is not None:
        problems += orphan_masks(frames, masks, folder / "Annotations" / name)
    if masks == {}:
        problems.append(f"{folder / 'Annotations' / name} holds no masks; unpack them again.")
    return ListedSequence(name, frames or {}, masks or {}, tuple(problems))


def _unlisted(folder: Path, objects: Objects, names: list[str]) -> Iterator[str]:
    strangers = [name for name in names if name not in objects]
    if strangers:
        yield (
            f"{folder / 'meta.json'} does not list {count(strangers, 'video')} that are there: "
            f"{some_of(strangers)}. They are not trained on."
        )


def _foreign_ids(video: ListedSequence, facts: Facts, objects: Set[int] | None) -> Iterator[str]:
    """Ids in the masks of a video that ``meta.json`` does not list."""
    if objects is None:
        return
    seen = chain.from_iterable(facts[path].objects or () for path in video.masks.values())
    foreign = sorted(set(seen) - objects)
    if foreign:
        yield (
            f"{next(iter(video.masks.values())).parent} has objects that meta.json does not list: "
            f"{some_of(list(map(str, foreign)))}. Unpack masks and meta.json of one version."
        )
