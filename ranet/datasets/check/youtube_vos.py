"""The check of the training videos of YouTube-VOS."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from ranet.datasets.check.findings import DataReport, Facts, Reading
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

Objects = dict[int, frozenset[str] | None]
"""The objects of a video as ``meta.json`` lists them: in which frames each is, if it tells."""


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
        if video.masks and video.name in objects:
            problems += _objects(video, facts, objects[video.name])
    frames, masks = (
        sum(len(files) for files in group)
        for group in zip(*((video.frames, video.masks) for video in videos), strict=True)
    )
    empty = sum(facts[path].objects == () for video in videos for path in video.masks.values())
    contents = (
        f"{split}: {count(videos, 'video')}, {count(frames, 'frame')}, {count(masks, 'mask')}",
        f"meta.json: {count(objects, 'video')}, {count(sum(map(len, objects.values())), 'object')}",
        *([f"{count(empty, 'mask')} without any object"] if empty else ()),
    )
    return DataReport(root, "YouTube-VOS", contents, tuple(problems))


def _names(folder: Path, objects: dict[str, Objects]) -> list[str]:
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


def _unlisted(folder: Path, objects: dict[str, Objects], names: list[str]) -> Iterator[str]:
    strangers = [name for name in names if name not in objects]
    if strangers:
        yield (
            f"{folder / 'meta.json'} does not list {count(strangers, 'video')} that are there: "
            f"{some_of(strangers)}. They are not trained on."
        )


def _objects(video: ListedSequence, facts: Facts, objects: Objects) -> Iterator[str]:
    """Where the masks of a video and ``meta.json`` tell of different objects."""
    folder = next(iter(video.masks.values())).parent
    found = {name: facts[path].objects for name, path in video.masks.items()}
    seen = set(chain.from_iterable(ids for ids in found.values() if ids))
    foreign, unseen = (sorted(ids) for ids in (seen - objects.keys(), objects.keys() - seen))
    if foreign:
        yield (
            f"{folder} has objects that meta.json does not list: {some_of(list(map(str, foreign)))}"
            ". Unpack masks and meta.json of one version."
        )
    if unseen and None not in found.values():  # all were decoded
        yield (
            f"{folder} has no mask of {count(unseen, 'object')} that meta.json lists: "
            f"{some_of(list(map(str, unseen)))}. Unpack masks and meta.json of one version."
        )
    empty = [
        name
        for name, ids in found.items()
        if ids == () and any(frames is None or name in frames for frames in objects.values())
    ]
    if empty:
        yield (
            f"{folder} has {count(empty, 'mask')} without any object, where meta.json has some: "
            f"{some_of(empty)}. Unpack the masks again."
        )
