"""The videos of YouTube-VOS 2018 and 2019, in the layout of their archives.

Every fifth frame is there; in ``train`` all of these are annotated, in ``valid`` and ``test`` those
in which objects begin, which may be later than in the first frame.
"""

import json
from pathlib import Path
from typing import NamedTuple

from ranet.datasets.index import (
    VideoSequence,
    contents_of,
    did_you_mean,
    index_each,
    index_sequence,
    unmatched,
)
from ranet.errors import DataError
from ranet.wording import some_of


def index_youtube_vos(root: str | Path, *, split: str = "train") -> list[VideoSequence]:
    """Find the videos that ``meta.json`` lists.

    Args:
        root: the folder that holds the unpacked archive, ``train``.
        split: name of the folder below ``root``.

    Returns:
        The sequences in the order of the list, each with at least one annotation.

    Raises:
        DataError: the tree is another, or videos cannot be used; all of these are named.
    """
    return [video.sequence for video in _index(Path(root), split, all_frames=False)]


class SubmittedVideo(NamedTuple):
    """A video whose masks a benchmark's server scores."""

    sequence: VideoSequence  # annotated where objects begin
    submitted: tuple[str, ...]  # names of the frames whose masks are to be sent
    objects: frozenset[int]  # ids that the list of videos tells


def index_youtube_vos_test(root: str | Path, *, split: str = "valid") -> list[SubmittedVideo]:
    """Find the videos of a split whose masks are not public.

    Args:
        root: the folder that holds the unpacked archives: ``valid``, in which are the frames to be
            submitted, and perhaps ``valid_all_frames``, whose frames are taken then.
        split: name of the folder below ``root``.

    Returns:
        The videos in the order of the list, each with at least one annotation.

    Raises:
        DataError: the tree is another, or videos cannot be used; all of these are named.
    """
    return _index(Path(root), split, all_frames=(Path(root) / f"{split}_all_frames").is_dir())


def _index(root: Path, split: str, *, all_frames: bool) -> list[SubmittedVideo]:
    folder = find_split(root, split)
    videos = read_meta(folder / "meta.json")

    def index(name: str) -> SubmittedVideo:
        masks = folder / "Annotations" / name
        sequence = index_sequence(folder / "JPEGImages" / name, masks, first_annotated=False)
        if not any(sequence.annotations):
            raise DataError(f"No frame of {name} is annotated: {contents_of(masks)}.")
        submitted = tuple(frame.stem for frame in sequence.frames)
        if all_frames:
            every = root / f"{split}_all_frames" / "JPEGImages" / name
            sequence = index_sequence(every, masks, first_annotated=False)
            if missing := unmatched(submitted, (frame.stem for frame in sequence.frames)):
                raise DataError(f"{every} lacks frames that are in {folder}: {some_of(missing)}.")
        return SubmittedVideo(sequence, submitted, frozenset(videos[name]))

    return index_each(videos, index, folder / "meta.json", root)


def find_split(root: Path, split: str) -> Path:
    """The folder of a split.

    Raises:
        DataError: something of it is missing.
    """
    folder = root / split
    wanted = (folder / "meta.json", folder / "JPEGImages", folder / "Annotations")
    missing = [str(path.relative_to(root)) for path in wanted if not path.exists()]
    if missing:
        there = contents_of(folder if folder.is_dir() else root)
        raise DataError(
            f"No YouTube-VOS data in {root}: expected {split}/meta.json, "
            f"{split}/JPEGImages/<video>/00000.jpg, … and {split}/Annotations/<video>/00000.png, "
            f"…, as data/README.md tells, but {some_of(missing)} is missing: {there}."
            f"{did_you_mean(root, [f'{split}/meta.json'])}"
        )
    return folder


def read_meta(path: Path) -> dict[str, dict[int, frozenset[str] | None]]:
    """The objects of each video in a ``meta.json``: in which frames each of them is, by its id.

    The frames are by name, and None where the file does not tell.

    Raises:
        DataError: the file cannot be read, or holds something else.
    """
    try:
        videos = json.loads(path.read_text(encoding="utf-8"))["videos"]
        objects = {
            str(name): {int(label): _frames(about) for label, about in video["objects"].items()}
            for name, video in videos.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"Cannot read {path}: expected JSON of the form "
            f'{{"videos": {{"<video>": {{"objects": {{"1": …}}}}}}}} '
            f"({type(error).__name__}: {error})."
        ) from error
    if not objects:
        raise DataError(f"{path} lists no videos.")
    return objects


def _frames(about: object) -> frozenset[str] | None:
    frames = about.get("frames") if isinstance(about, dict) else None
    return frozenset(map(str, frames)) if isinstance(frames, list) else None
