"""What is on disk: folders of images, and the sequences of a DAVIS tree.

Only names are looked at here; the files are opened when they are needed. Other layouts have files
of their own: :mod:`ranet.datasets.youtube_vos` and, for still images,
:mod:`ranet.datasets.image_sets`.
"""

import functools
import itertools
import re
import warnings
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ranet.datasets.numbering import are_decimals, masks_among, natural_key, odd_ones
from ranet.errors import DataError
from ranet.wording import bullets, count, some_of

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
"""Endings, in lower case, of the files that are taken as images."""

DEFAULT_RESOLUTION = "480p"
"""The folder below ``JPEGImages`` that is taken when there are several: DAVIS is scored on it."""

_LIST_LINE = re.compile(r"^/?JPEGImages/[^/]+/([^/]+)/")
"""A line of the lists that came with DAVIS 2016: the paths of a frame and of its annotation."""

_NUMBER = re.compile(r"[0-9]+$")

Indexed = TypeVar("Indexed")


@dataclass(frozen=True)
class VideoSequence:
    """A video as single files, with the annotations of its frames as far as there are any."""

    name: str
    frames: tuple[Path, ...]  # in order, at least one
    annotations: tuple[Path | None, ...]  # one per frame; None where it is not annotated

    @functools.cached_property
    def numbers(self) -> tuple[int, ...]:
        """When the frames are, in frames of the video that they were taken from.

        These are the numbers at the end of their names, where these ascend; otherwise 0, 1, ….
        """
        names = [path.stem for path in self.frames]
        numbers = tuple(int(match[0]) for name in names if (match := _NUMBER.search(name)))
        ascending = all(before < after for before, after in itertools.pairwise(numbers))
        if ascending and len(numbers) == len(names) and not are_decimals(names):
            return numbers
        return tuple(range(len(self.frames)))


def index_davis(
    root: str | Path,
    *,
    year: int,
    split: str = "val",
    set_file: str | Path | None = None,
    resolution: str | None = None,
) -> list[VideoSequence]:
    """Find the sequences of a split in a DAVIS tree.

    Args:
        root: the folder that holds ``JPEGImages``, ``Annotations`` and ``ImageSets``.
        year: 2016 or 2017; picks the list ``ImageSets/<year>/<split>.txt``, or
            ``ImageSets/<split>.txt`` in a tree without years. A tree without lists and without
            resolutions, as of MOSE and LVOS, is a split itself: all sequences are taken.
        split: name of the list.
        set_file: another list, in place of the one that ``year`` and ``split`` name; or a folder
            of sequences.
        resolution: folder below ``JPEGImages`` and ``Annotations``. None takes the only one, and
            480p where there are several.

    Returns:
        The sequences in the order of the list. Annotations may be sparse, but the first frame of
        each sequence has one.

    Raises:
        DataError: folders, frames or first annotations are missing; all such sequences are named.
    """
    root = Path(root)
    resolution = choose_resolution(root, resolution)
    set_file = Path(set_file or find_set_file(root, year=year, split=split))
    if set_file.is_dir():
        names = [path.name for path in entries(set_file) if path.is_dir()]
    else:
        names = read_set_file(set_file)
    return index_each(
        names,
        lambda name: index_sequence(
            root / "JPEGImages" / resolution / name, root / "Annotations" / resolution / name
        ),
        set_file,
        root,
    )


def index_each(
    names: Collection[str], index: Callable[[str], Indexed], source: Path, root: Path
) -> list[Indexed]:
    """What ``index`` finds for each name.

    Args:
        names: of videos.
        index: raises DataError for a video that cannot be used.
        source: where the names are from, for the message.
        root: of the data.

    Raises:
        DataError: videos cannot be used; all of these are named.
    """
    found, problems = [], []
    for name in names:
        try:
            found.append(index(name))
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise DataError(
            f"{len(problems)} of the {count(names, 'sequence')} in {source} cannot be used:\n"
            f"{bullets(problems)}\nAll that is wrong with this folder: ranet check-data {root}"
        )
    return found


def index_sequence(
    frames: str | Path, annotations: str | Path, *, first_annotated: bool = True
) -> VideoSequence:
    """A sequence from a folder of frames and a folder of masks with the same names.

    Raises:
        DataError: a folder is missing or holds no frames, an annotation has no frame, or the first
            frame no annotation, unless ``first_annotated`` is False.
    """
    frames, annotations = Path(frames), Path(annotations)
    paths, masks = index_frames(frames), images_in(annotations)
    if orphans := unmatched(masks, (path.stem for path in paths)):
        raise DataError(
            f"No frame for {count(orphans, 'annotation')}: {some_of(orphans)} in {annotations}, "
            f"but {frames} has no image of that name."
        )
    if first_annotated and paths[0].stem not in masks:
        raise DataError(
            f"{paths[0]}, the first frame, has no annotation: expected "
            f"{annotations / paths[0].stem}.png, but {contents_of(annotations)}."
        )
    return VideoSequence(frames.name, paths, tuple(masks.get(path.stem) for path in paths))


def index_frames(folder: str | Path) -> tuple[Path, ...]:
    """The frames in a folder, in the order of the numbers in their names (2 before 10).

    Images that are named as masks among others that are not are left out, which a warning tells,
    and so does one where few images are named otherwise than the others.

    Raises:
        DataError: there is no such folder, it holds no images, or two of one name.
    """
    frames = {path.stem: path for path in index_images(folder)}
    if masks := masks_among(frames):
        warnings.warn(
            f"{folder} holds frames and masks; these are left out: {some_of(masks)}.",
            UserWarning,
            stacklevel=2,
        )
        frames = {name: path for name, path in frames.items() if name not in masks}
    if odd := odd_ones(frames):
        warnings.warn(
            f"{folder} holds images that are named otherwise than most, and taken as frames all "
            f"the same: {some_of(odd)}.",
            UserWarning,
            stacklevel=2,
        )
    return tuple(frames.values())


def index_images(folder: str | Path) -> tuple[Path, ...]:
    """The images of a folder in the order of the numbers in their names; otherwise likewise."""
    folder = Path(folder)
    images = tuple(images_in(folder).values())
    if not images:
        raise DataError(
            f"No frames in {folder}: expected images ({', '.join(IMAGE_SUFFIXES)}), but "
            f"{contents_of(folder)}; a video file is given by its own name."
        )
    return images


def read_set_file(path: str | Path) -> list[str]:
    """The names of sequences or images in a list such as ``ImageSets/2016/val.txt``, in order.

    A line is a name or, in the lists that came with DAVIS 2016, the paths of a frame and of its
    annotation (``/JPEGImages/480p/bear/00000.jpg /Annotations/480p/bear/00000.png``).

    Raises:
        DataError: the file cannot be read, is empty, or holds something else.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"Cannot read the list {path}: expected text with a name a line ({error})."
        ) from error
    names: list[str] = []
    for number, line in enumerate(map(str.strip, text.splitlines()), start=1):
        match = _LIST_LINE.match(line)
        name = match[1] if match else line
        if not name or (match and name in names):
            continue
        if name in names or "/" in name or "\\" in name or name in (".", ".."):
            raise DataError(
                f"{path}, line {number}: expected a name alone, without a path, that is not listed "
                f"yet, found {line!r}."
            )
        names.append(name)
    if not names:
        raise DataError(f"{path} names nothing: expected a name a line.")
    return names


def find_set_file(root: str | Path, *, year: int, split: str) -> Path:
    """The list of a split in a DAVIS tree; the folder of all videos where there are no lists.

    Raises:
        DataError: there is none; those that exist are named.
    """
    folder = Path(root) / "ImageSets"
    for candidate in (folder / str(year) / f"{split}.txt", folder / f"{split}.txt"):
        if candidate.is_file():
            return candidate
    if not folder.exists() and holds_sequences(folder.with_name("JPEGImages")):
        return folder.with_name("JPEGImages")
    lists = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.txt"))
    found = f"found {some_of(lists)}" if lists else f"found no lists in {folder}"
    raise DataError(
        f"No list {folder / str(year) / split}.txt of the sequences of split {split!r}: {found}."
    )


def choose_resolution(root: str | Path, resolution: str | None) -> str:
    """The folder below ``JPEGImages`` to use: the given one, the only one, or 480p.

    It is ``.``, ``JPEGImages`` itself, where there are no resolutions, as in MOSE, LVOS and VOST.

    Raises:
        DataError: ``root`` is no DAVIS tree, or there is no such folder or no way to choose.
    """
    root = Path(root)
    frames = root / "JPEGImages"
    if not frames.is_dir():
        raise DataError(
            f"No DAVIS data in {root}: expected JPEGImages/480p/<sequence>/00000.jpg, …, "
            "Annotations/480p/<sequence>/00000.png, … and ImageSets/<year>/<split>.txt, as "
            f"data/README.md tells, but {contents_of(root)}.{did_you_mean(root, ['JPEGImages'])}"
        )
    folders = [path.name for path in entries(frames) if path.is_dir()]
    if resolution is None and holds_sequences(frames):
        return "."
    if resolution is not None and resolution in folders:
        return resolution
    if resolution is None and len(folders) == 1:
        return folders[0]
    if resolution is None and DEFAULT_RESOLUTION in folders:
        return DEFAULT_RESOLUTION
    wanted = f"the folder {resolution!r}" if resolution else f"one folder or {DEFAULT_RESOLUTION!r}"
    raise DataError(
        f"Which resolution of {root}? Expected {wanted} in {frames}, but {contents_of(frames)}."
    )


def holds_sequences(frames: Path) -> bool:
    """Whether the folders in ``JPEGImages`` are sequences, without one for the resolution."""
    folders = [path for path in entries(frames) if path.is_dir()]
    named = any(re.fullmatch(r"[0-9]+p", path.name) for path in folders)
    return bool(folders) and not named and all(any(map(is_image, entries(f))) for f in folders)


def images_in(folder: str | Path) -> dict[str, Path]:
    """The images of a folder by their names without ending, in natural order.

    Raises:
        DataError: there is no such folder, or two images differ only in their ending.
    """
    folder = Path(folder)
    if not folder.is_dir():
        found = contents_of(folder)
        raise DataError(f"No folder {folder}: expected a folder of images, but {found}.")
    return images_by_name(filter(is_image, entries(folder)))


def images_by_name(paths: Iterable[Path]) -> dict[str, Path]:
    """Paths of images by their names without ending, in natural order.

    Raises:
        DataError: two have one name, for instance ``1.jpg`` and ``1.png``.
    """
    images: dict[str, Path] = {}
    paths = list(paths)
    decimals = are_decimals(path.stem for path in paths)
    for path in sorted(paths, key=lambda path: natural_key(path.name, decimals=decimals)):
        if path.stem in images:
            raise DataError(
                f"Two images of one name, {images[path.stem]} and {path}: expected one a frame."
            )
        images[path.stem] = path
    return images


def entries(folder: Path) -> list[Path]:
    """What is in a folder, in natural order; hidden files, such as ``._*`` of macOS, are not.

    Raises:
        DataError: the folder cannot be read.
    """
    try:
        paths = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise DataError(f"Cannot look into {folder}: {error.strerror}.") from error
    return sorted(paths, key=lambda path: natural_key(path.name))


def is_image(path: Path) -> bool:
    """Whether a path is named like an image."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def unmatched(names: Iterable[str], partners: Iterable[str]) -> list[str]:
    """Those of ``names`` that are not among ``partners``, in order."""
    partners = set(partners)
    return [name for name in names if name not in partners]


def contents_of(folder: Path) -> str:
    """What is in a folder, for a message."""
    if not folder.exists():
        parent = next(parent for parent in folder.absolute().parents if parent.exists())
        return f"there is no {folder} (in {parent}, {contents_of(parent)})"
    if not folder.is_dir():
        return f"{folder} is a file"
    names = [path.name for path in entries(folder)]
    return f"it holds {some_of(names)}" if names else "it is empty"


def did_you_mean(root: Path, parts: Iterable[str]) -> str:
    """A hint where the parts of a data set lie one folder deeper, or higher, than ``root``."""
    places = [*(entries(root) if root.is_dir() else ()), root.absolute().parent]
    found = [place for place in places if all((place / part).exists() for part in parts)]
    return f" Did you mean {found[0]}?" if found else ""
