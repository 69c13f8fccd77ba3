"""What is in a data folder, and everything that is wrong with it, in one go.

Known are a DAVIS tree (``JPEGImages``, ``Annotations``, ``ImageSets``) and those laid out like it
(MOSE, LVOS, VOST: without a folder for the resolution; the first two without lists, and with a tree
for each split), YouTube-VOS (``train`` with a ``meta.json``), the image sets of
:mod:`ranet.datasets.image_sets`, and a folder of frames, whose masks may lie in another. A video
file is decoded to its end.
"""

import itertools
import multiprocessing
import re
import signal
import statistics
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from ranet.datasets.image_io import VOID, MaskReader, image_size, read_image, read_labels
from ranet.datasets.image_sets import IMAGE_SETS, ImageSet, recognise_image_set
from ranet.datasets.index import (
    choose_resolution,
    contents_of,
    entries,
    holds_sequences,
    images_in,
    is_image,
    read_set_file,
    unmatched,
)
from ranet.datasets.numbering import holes, masks_among, natural_key, skipped_numbers
from ranet.datasets.video_io import VideoFrames
from ranet.datasets.youtube_vos import find_split, read_meta
from ranet.errors import DataError
from ranet.wording import aligned_table, count, size_text, some_of

_SPLITS = ("train", "valid", "val", "test")
"""What archives unpack to; of YouTube-VOS, all but the first have no masks to check."""


_Seen = TypeVar("_Seen")


@dataclass(frozen=True)
class DataReport:
    """What is in a data folder and what is wrong with it; ``str()`` makes it readable."""

    root: Path
    kind: str  # what the folder was taken for
    contents: tuple[str, ...]  # lines that tell what is there
    problems: tuple[str, ...]  # a message for each mistake; empty if all is well

    def __str__(self) -> str:
        lines = [f"{self.root}: {self.kind}", *(f"  {line}" for line in self.contents)]
        if not self.problems:
            return "\n".join([*lines, "  nothing is wrong"])
        lines.append(f"  {count(self.problems, 'problem')}:")
        return "\n".join([*lines, *(f"  - {problem}" for problem in self.problems)])


def check_data(
    root: str | Path,
    *,
    kind: str | None = None,
    masks: str | Path | None = None,
    resolution: str | None = None,
    quick: bool = False,
    workers: int = 1,
    progress: bool = False,
) -> DataReport:
    """Check a data folder or a video file.

    Args:
        root: a DAVIS tree, an image set, a folder of frames, …, or a video.
        kind: which image set it is, by its name in the configuration; None: see by its folders.
        masks: the masks of a folder of frames.
        resolution: of a DAVIS tree, the only folder below ``JPEGImages`` to check; None: all.
        quick: decode only the first mask of each video and read no more than the header of all
            other files; damage behind the headers and wrong ids in later masks go unnoticed.
        workers: processes that read files.
        progress: show a progress bar if standard error is a terminal.

    Returns:
        The report. A root that cannot be checked at all is one more problem in it.
    """
    root, check = Path(root), _Check(quick, workers, progress)
    splits = [root / name for name in _SPLITS if (root / name / "JPEGImages").is_dir()]
    image_set = IMAGE_SETS[kind] if kind is not None else recognise_image_set(root)
    try:
        if masks is not None:
            found = check.frames(root, Path(masks))
        elif kind is None and (root / "JPEGImages").is_dir():
            found = check.davis(root, resolution)
        elif kind is None and (root / _SPLITS[0] / "meta.json").exists():
            found = check.youtube_vos(root, _SPLITS[0])
        elif kind is None and splits:
            found = check.splits(splits)
        elif image_set is not None:
            found = check.image_set(root, image_set)
        elif root.is_dir() and any(is_image(path) for path in entries(root)):
            found = check.frames(root, None)
        elif root.is_file() and not is_image(root):
            found = check.video(root)
        else:
            raise DataError(
                f"No data in {root}: expected a DAVIS tree (JPEGImages, Annotations, ImageSets) or "
                "one like it (MOSE, LVOS, VOST), YouTube-VOS (train/meta.json), an image set "
                f"({', '.join(sorted(IMAGE_SETS))}), a folder of frames, or a video file, but "
                f"{contents_of(root)}."
            )
    except DataError as error:
        return DataReport(root, "cannot be checked", (), (str(error),))
    return DataReport(root, found[0], tuple(found[1]), tuple(dict.fromkeys(check.problems)))


@dataclass(frozen=True)
class _FileFacts:
    """What was found out about a file."""

    path: Path
    size: tuple[int, int] | None  # (height, width) in pixels; None if it cannot be read
    objects: tuple[int, ...] | None  # ids 1…254 of a mask, ascending; None if it was not decoded
    problems: tuple[str, ...]  # messages that name the file


@dataclass(frozen=True)
class _Video:
    """The files of a video, by their names without ending."""

    name: str
    frames: dict[str, Path]  # in order
    masks: dict[str, Path]


_Found = tuple[str, list[str]]
"""What a root was taken for, and lines that tell what is there."""


@dataclass
class _Check:
    """The problems and the facts of files that were found so far."""

    quick: bool
    workers: int
    progress: bool
    problems: list[str] = field(default_factory=list)
    facts: dict[Path, _FileFacts] = field(default_factory=dict)

    def _tell(self, what: str, things: Iterable[object], *, then: str = "") -> None:
        """A problem that some things have, if there are any; they are named behind ``what``."""
        if names := [str(thing) for thing in things]:
            self.problems.append(f"{what}: {some_of(names)}.{then}")

    def _try(self, look: Callable[[Path], _Seen], path: Path) -> _Seen | None:
        """What a function finds in ``path``; None where it raises DataError, which is a problem."""
        try:
            return look(path)
        except DataError as error:
            self.problems.append(str(error))
            return None

    # --- what a root may be

    def frames(self, root: Path, masks: Path | None) -> _Found:
        """A folder of frames and, if there is one, the folder of their masks."""
        table = self._videos([self._list_video(root.name, root, masks)])
        return "a folder of frames" + ("" if masks is None else f", with masks in {masks}"), table

    def video(self, path: Path) -> _Found:
        """A video file; DataError if it is none."""
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            video, number = VideoFrames(path), 0
            try:
                for _ in video:
                    number += 1
            except DataError as error:
                self.problems.append(str(error))
        self.problems += [str(warning.message) for warning in told]
        rate = "" if video.frame_rate is None else f", {float(video.frame_rate):g} frames a second"
        return "a video file", [f"{count(number, 'frame')} of {size_text(video.size)}{rate}"]

    def davis(self, root: Path, resolution: str | None) -> _Found:
        """All sequences of a DAVIS tree, and its lists, at one resolution or at all (None)."""
        flat = holds_sequences(root / "JPEGImages")
        if resolution is None and not flat:
            resolutions = [path.name for path in entries(root / "JPEGImages") if path.is_dir()]
        else:
            resolutions = [choose_resolution(root, resolution)]
        if not resolutions:
            self.problems.append(f"{root / 'JPEGImages'} is empty: expected 480p/<sequence>/.")
        contents: list[str] = []
        for name in resolutions:
            summary, *lines = self._videos(self._list_resolution(root, name))
            contents += [summary if flat else f"{name}: {summary}", *lines]
        contents += self._lists(root, resolutions, needed=not flat)
        kind = "a tree like DAVIS, without resolutions (MOSE, LVOS, VOST)"
        return kind if flat else "a DAVIS tree", contents

    def splits(self, splits: Sequence[Path]) -> _Found:
        """Several such trees, as MOSE and LVOS have: train, valid."""
        names = ", ".join(split.name for split in splits)
        kind = f"trees like DAVIS (MOSE, LVOS): {names}; YouTube-VOS would have train/meta.json"
        lines = [(split.name, line) for split in splits for line in self.davis(split, None)[1]]
        return kind, [f"{name}: {line}" for name, line in lines]

    def youtube_vos(self, root: Path, split: str) -> _Found:
        """The videos of a split, and that they are those of its ``meta.json``."""
        folder = find_split(root, split)
        listed = read_meta(folder / "meta.json")
        places = (folder / "JPEGImages", folder / "Annotations")
        there = {path.name for place in places for path in entries(place) if path.is_dir()}
        strangers = sorted(there - listed.keys(), key=natural_key)
        self._tell(
            f"{folder / 'meta.json'} does not list {count(strangers, 'video')} that are there, "
            "and not trained on",
            strangers,
        )
        videos = [
            self._list_video(name, *(place / name for place in places), from_first=False)
            for name in sorted(there | listed.keys(), key=natural_key)
        ]
        summary, *_ = self._videos(videos, from_first=False)
        for video in videos:
            if video.masks and video.name in listed:
                self._check_listed_objects(video, listed[video.name])
        masks = itertools.chain.from_iterable(video.masks.values() for video in videos)
        empty = sum(self.facts[path].objects == () for path in masks)
        return "YouTube-VOS", [
            f"{split}: {summary}",
            f"meta.json: {count(listed, 'video')}, "
            f"{count(sum(map(len, listed.values())), 'object')}",
            *([f"{count(empty, 'mask')} without any object"] if empty else ()),
        ]

    def image_set(self, root: Path, image_set: ImageSet) -> _Found:
        """The images and masks of a set, and that they pair up."""
        found = self._try(image_set.find, root)
        if found is None:
            return image_set.title, []
        images, masks = found
        image_folder, mask_folder = root / image_set.images, root / image_set.mask_folder(root)
        for folder in {image_folder, mask_folder}:
            self._check_strays(folder)
        if not images and not masks:
            self.problems.append(f"{image_folder} and {mask_folder} are empty.")
        lonely = unmatched(images, masks) if image_set.all_masked else []
        self._tell(f"{image_folder} holds {count(lonely, 'file')} without mask", lonely)
        lonely = unmatched(masks, images)
        self._tell(f"{mask_folder} holds {count(lonely, 'file')} without image", lonely)
        self._read(images.values(), masks.values(), read_mask=image_set.read_mask)
        pairs = [
            (self.facts[images[name]], self.facts[masks[name]]) for name in images if name in masks
        ]
        for image, mask in pairs:
            if image.size and mask.size and image.size != mask.size:
                self.problems.append(
                    f"{mask.path} is {size_text(mask.size)}, but its image is "
                    f"{size_text(image.size)}."
                )
            self._check_any_object(mask)
        return image_set.title, list(_pair_contents(pairs))

    # --- what lies where

    def _list_images(self, folder: Path | None, kind: str) -> dict[str, Path]:
        """The images of a folder by name; a problem if it holds none."""
        images = None if folder is None else self._try(images_in, folder)
        if folder is None or images is None:
            return {}
        self._check_strays(folder)
        if not images:
            self.problems.append(f"{folder} holds no {kind}.")
        return images

    def _check_strays(self, folder: Path) -> None:
        strays = [path.name for path in entries(folder) if not is_image(path)]
        self._tell(f"{folder} holds other things than images", strays)

    def _list_video(
        self, name: str, frames: Path, masks: Path | None, *, from_first: bool = True
    ) -> _Video:
        """A video's frames and masks; ``from_first``: whether the first has to have one."""
        video = _Video(name, self._list_images(frames, "images"), self._list_images(masks, "masks"))
        self._tell(f"{frames} holds frames and masks", masks_among(video.frames))
        if skipped := skipped_numbers(video.frames):
            self.problems.append(f"{frames} skips frame numbers: {skipped}.")
        if video.frames and video.masks:
            orphans = unmatched(video.masks, video.frames)
            self._tell(f"{masks} has {count(orphans, 'mask')} without a frame", orphans)
            if from_first:
                self._check_masked(list(video.frames), video.masks, masks)
        return video

    def _check_masked(self, frames: list[str], masks: dict[str, Path], folder: Path) -> None:
        """Frames without a mask: the first, and those that are among annotated ones."""
        if frames[0] not in masks:
            self.problems.append(
                f"{folder} has no mask of the first frame, {frames[0]}, from which objects are "
                "followed."
            )
        annotated = [number for number, name in enumerate(frames) if name in masks]
        missing = list(itertools.chain.from_iterable(holes(annotated)))
        if len(annotated) > len(frames) / 2:  # not merely the first, or every fifth
            missing += range(annotated[-1] + 1, len(frames))
        self._tell(
            f"{folder} has no mask of {count(missing, 'frame')} among annotated ones",
            [frames[number] for number in missing],
        )

    def _list_resolution(self, root: Path, resolution: str) -> list[_Video]:
        """The sequences of a DAVIS tree that have frames or masks."""
        frames, masks = root / "JPEGImages" / resolution, root / "Annotations" / resolution
        if any(is_image(path) for path in entries(frames)):
            self.problems.append(
                f"{frames} holds images: expected JPEGImages/<resolution>/<sequence>/."
            )
            return []
        if not masks.is_dir():
            self.problems.append(f"No folder {masks}: expected masks, a folder a sequence.")
        inside = [*entries(frames), *(entries(masks) if masks.is_dir() else ())]
        strays = [path for path in inside if not path.is_dir()]
        self._tell("Files where folders are expected", strays)
        names = {path.name for path in inside if path.is_dir()}
        if not names:
            self.problems.append(f"{frames} is empty: expected frames, a folder a sequence.")
        return [
            self._list_video(name, frames / name, masks / name if masks.is_dir() else None)
            for name in sorted(names, key=natural_key)
        ]

    def _lists(self, root: Path, resolutions: Sequence[str], *, needed: bool) -> Iterator[str]:
        """A line for each list of sequences."""
        folder = root / "ImageSets"
        paths = sorted(folder.rglob("*.txt"), key=lambda path: natural_key(str(path)))
        if not paths and needed:
            self.problems.append(f"No lists in {folder}: expected 2016/val.txt or others.")
        for path in paths:
            names = self._try(read_set_file, path)
            if names is None:
                continue
            sequences = count(names, "sequence")
            yield f"{path.relative_to(root)}: {sequences}"
            for frames in (root / "JPEGImages" / resolution for resolution in resolutions):
                missing = [name for name in names if not (frames / name).is_dir()]
                self._tell(
                    f"{path} lists {len(missing)} of {sequences} that {frames} does not hold",
                    missing,
                )
            # Those of DAVIS 2016 name files.
            text = path.read_text(encoding="utf-8-sig")
            files = [root / name for name in re.findall(r"\b(?:JPEGImages|Annotations)/\S+", text)]
            gone = [
                file.relative_to(root)
                for file in files
                if file.parent.is_dir() and not file.is_file()
            ]
            self._tell(f"{path} names {count(gone, 'file')} that do not exist", gone)

    # --- what is in files

    def _read(
        self,
        images: Iterable[Path],
        masks: Iterable[Path],
        always_whole: Iterable[Path] = (),
        read_mask: MaskReader = read_labels,
    ) -> None:
        """Find the facts of images and masks; decode those in ``always_whole`` even if quick."""
        thorough = set(always_whole)
        wanted = [(path, None) for path in images] + [(path, read_mask) for path in masks]
        files = [(path, reader, path in thorough or not self.quick) for path, reader in wanted]
        silent = None if self.progress else True  # None: silent if not a terminal
        found = _inspected(files, self.workers)
        for facts in tqdm(found, total=len(files), unit="file", leave=False, disable=silent):
            self.facts[facts.path] = facts
            self.problems += facts.problems

    def _videos(self, videos: list[_Video], *, from_first: bool = True) -> list[str]:
        """Check the files of videos; a summary, and a table of them.

        Its columns: frames, annotated frames, objects in the first mask, size.
        """
        self._read(
            [path for video in videos for path in video.frames.values()],
            [path for video in videos for path in video.masks.values()],
            [next(iter(video.masks.values())) for video in videos if video.masks],
        )
        rows = []
        for video in videos:
            self._check_sizes(video)
            if from_first:
                self._check_objects(video)
            first = next((self.facts[path].objects for path in video.masks.values()), None)
            sizes = dict.fromkeys(self.facts[path].size for path in video.frames.values())
            shown = ("unreadable" if size is None else size_text(size) for size in sizes)
            cells = (len(video.frames), len(video.masks), "–" if first is None else len(first))
            rows.append((video.name, *map(str, cells), ", ".join(shown)))
        frames, masks = (sum(int(row[column]) for row in rows) for column in (1, 2))
        header = ("sequence", "frames", "masks", "objects", "height×width")
        videos_or_sequences = count(rows, "sequence" if from_first else "video")
        summary = f"{videos_or_sequences}, {count(frames, 'frame')}, {count(masks, 'mask')}"
        return [summary, *aligned_table([header, *rows])]

    def _check_sizes(self, video: _Video) -> None:
        """Frames of another size than most, and masks of another size than their frames."""
        sizes = {name: self.facts[path].size for name, path in video.frames.items()}
        known = [size for size in sizes.values() if size is not None]
        if not known:
            return
        usual = statistics.mode(known)
        odd = [f"{n} ({size_text(size)})" for n, size in sizes.items() if size and size != usual]
        self._tell(
            f"{_folder(video.frames)}: {count(odd, 'frame')} of another size than the others' "
            f"{size_text(usual)}",
            odd,
        )
        differing = [
            f"{name} ({size_text(size)})"
            for name, path in video.masks.items()
            if (size := self.facts[path].size) and sizes.get(name) not in (size, None)
        ]
        if differing:
            self._tell(
                f"{_folder(video.masks)}: {count(differing, 'mask')} of another size than "
                f"the frame ({size_text(usual)})",
                differing,
            )

    def _check_any_object(self, mask: _FileFacts) -> None:
        if mask.objects == ():
            self.problems.append(
                f"{mask.path}: there is no object, all of the mask is background or void (255)."
            )

    def _check_objects(self, video: _Video) -> None:
        """A first mask without objects or with gaps in its ids; ids that come later."""
        masks = (self.facts[video.masks[name]] for name in video.frames if name in video.masks)
        first = next(masks, None)
        if first is None or not first.objects:
            if first is not None:
                self._check_any_object(first)
            return
        gaps = sorted(set(range(1, first.objects[-1])) - set(first.objects))
        if gaps:
            self.problems.append(
                f"{first.path}: the ids have gaps, {some_of(list(map(str, gaps)))} of "
                f"1…{first.objects[-1]} are missing, which the DAVIS measures count as objects."
            )
        later: dict[int, str] = {}
        for name, path in video.masks.items():
            for label in set(self.facts[path].objects or ()) - set(first.objects):
                later.setdefault(label, name)
        self._tell(
            f"{first.path.parent}: {count(later, 'id')} that the first mask lacks",
            [f"{label} (from {name} on)" for label, name in sorted(later.items())],
            then=" Only objects of the first mask are followed and scored.",
        )

    def _check_listed_objects(
        self, video: _Video, objects: dict[int, frozenset[str] | None]
    ) -> None:
        """Where the masks of a video and ``meta.json`` tell of different objects."""
        folder = _folder(video.masks)
        found = {name: self.facts[path].objects for name, path in video.masks.items()}
        seen = set(itertools.chain.from_iterable(ids for ids in found.values() if ids))
        foreign, unseen = (sorted(ids) for ids in (seen - objects.keys(), objects.keys() - seen))
        self._tell(f"{folder} has objects that meta.json does not list", foreign)
        if None not in found.values():  # all were decoded
            what = f"{count(unseen, 'object')} that meta.json lists"
            self._tell(f"{folder} has no mask of {what}", unseen)
        empty = [
            name
            for name, ids in found.items()
            if ids == () and any(frames is None or name in frames for frames in objects.values())
        ]
        what = f"{count(empty, 'mask')} without any object, where meta.json has some"
        self._tell(f"{folder} has {what}", empty)


_File = tuple[Path, MaskReader | None, bool]
"""A file, how it is read (None: it is an image), and whether more than its header is."""


def _inspected(files: list[_File], workers: int) -> Iterator[_FileFacts]:
    if workers == 1:
        yield from map(_inspect, files)
        return
    # Ctrl-C reaches the whole process group; only this process should react to it.
    silent = {"initializer": signal.signal, "initargs": (signal.SIGINT, signal.SIG_IGN)}
    # Not forked: locks that other threads hold would stay locked in a copy of this process.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawn, **silent) as pool:
        yield from pool.map(_inspect, files, chunksize=16)


def _inspect(file: _File) -> _FileFacts:
    """The facts of one file; what goes wrong in reading it, and warnings, are among them."""
    path, read_mask, whole = file
    objects = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            if not whole:
                size = image_size(path)
            elif read_mask is None:
                size = read_image(path).shape[:2]
            else:
                labels = read_mask(path)
                size = labels.shape
                present = np.bincount(labels.ravel(), minlength=256) > 0
                objects = tuple((np.flatnonzero(present[1:VOID]) + 1).tolist())
        except DataError as error:
            return _FileFacts(path, None, None, (str(error),))
    return _FileFacts(path, size, objects, tuple(str(w.message) for w in caught))


def _pair_contents(pairs: list[tuple[_FileFacts, _FileFacts]]) -> Iterator[str]:
    """How many pairs there are, of which sizes, with how many objects."""
    yield count(pairs, "pair")
    sizes = [image.size for image, _ in pairs if image.size]
    if sizes:
        heights, widths = zip(*sizes, strict=True)
        yield f"{_span(heights)} pixels high, {_span(widths)} wide"
    objects = Counter(len(mask.objects) for _, mask in pairs if mask.objects is not None)
    if objects:
        shares = [f"{number} in {files}" for number, files in sorted(objects.items())]
        yield f"objects: {', '.join(shares)}"


def _span(values: Sequence[int]) -> str:
    least, most = min(values), max(values)
    return str(least) if least == most else f"{least}–{most}"


def _folder(paths: dict[str, Path]) -> Path:
    return next(iter(paths.values())).parent
