"""The rules that the files of one video must follow: frames with masks, or a video file."""

import itertools
import statistics
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ranet.datasets.check.findings import DataReport, Facts, FileFacts, Reading
from ranet.datasets.index import entries, images_in, is_image, unmatched
from ranet.datasets.numbering import holes, masks_among, skipped_numbers
from ranet.datasets.video_io import VideoFrames
from ranet.errors import DataError
from ranet.wording import aligned_table, count, size_text, some_of


@dataclass(frozen=True)
class ListedSequence:
    """The names of a video's files, and what is wrong with these alone."""

    name: str
    frames: dict[str, Path]  # in order, by their names without ending
    masks: dict[str, Path]
    problems: tuple[str, ...]

    @property
    def paths(self) -> list[Path]:
        """All files: frames, then masks."""
        return [*self.frames.values(), *self.masks.values()]


def check_frames(root: Path, masks: Path | None, reading: Reading) -> DataReport:
    """Check a folder of frames and, if there is one, the folder of their masks."""
    sequence = list_sequence(root.name, root, masks)
    facts = reading.facts(
        sequence.frames.values(), sequence.masks.values(), always_whole=first_masks([sequence])
    )
    return DataReport(
        root,
        "a folder of frames" + ("" if masks is None else f", with masks in {masks}"),
        tuple(sequence_table([sequence], facts)),
        tuple(sequence_problems(sequence, facts)),
    )


def check_video(path: Path) -> DataReport:
    """Decode a video file to its end.

    Raises:
        DataError: it is no video.
    """
    number, problems = 0, []
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        video = VideoFrames(path)
        try:
            for _ in video:
                number += 1
        except DataError as error:
            problems.append(str(error))
    problems += [str(warning.message) for warning in told]
    rate = "" if video.frame_rate is None else f", {float(video.frame_rate):g} frames a second"
    contents = f"{count(number, 'frame')} of {size_text(video.size)}{rate}"
    return DataReport(path, "a video file", (contents,), tuple(problems))


def list_sequence(name: str, frames: Path, masks: Path | None) -> ListedSequence:
    """Look for a video's frames and, unless it has no masks at all, for its masks."""
    problems: list[str] = []
    listed_frames = list_images(frames, problems)
    listed_masks = None if masks is None else list_images(masks, problems)
    if listed_frames == {}:
        problems.append(f"{frames} holds no images; put the frames there.")
    if listed_frames:
        problems += _names(listed_frames, frames)
    if listed_frames and masks is not None and listed_masks is not None:
        problems += _mismatches(listed_frames, listed_masks, masks)
    return ListedSequence(name, listed_frames or {}, listed_masks or {}, tuple(problems))


def first_masks(sequences: list[ListedSequence]) -> list[Path]:
    """The first mask of each video that has any."""
    return [next(iter(sequence.masks.values())) for sequence in sequences if sequence.masks]


def list_images(folder: Path, problems: list[str]) -> dict[str, Path] | None:
    """The images of a folder by name, or None if it cannot be listed; adds to ``problems``."""
    try:
        images = images_in(folder)
        problems += stray_files(folder)
    except DataError as error:
        problems.append(str(error))
        return None
    return images


def stray_files(folder: Path) -> Iterator[str]:
    """What a folder of images holds besides."""
    strays = [path.name for path in entries(folder) if not is_image(path)]
    if strays:
        yield f"{folder} holds other things than images: {some_of(strays)}; remove them."


def sequence_problems(sequence: ListedSequence, facts: Facts) -> list[str]:
    """Everything that is wrong with a video, a line each, or one for all files with one mistake."""
    return [*file_problems(sequence, facts), *_objects(sequence, facts)]


def file_problems(sequence: ListedSequence, facts: Facts) -> list[str]:
    """What is wrong with a video's files, whatever objects are in its masks."""
    reading = [problem for path in sequence.paths for problem in facts[path].problems]
    return [*sequence.problems, *reading, *_sizes(sequence, facts)]


def sequence_table(sequences: list[ListedSequence], facts: Facts) -> list[str]:
    """A table of videos: their frames, annotated frames, objects in the first mask, and size."""
    rows = []
    for sequence in sequences:
        first = next((facts[path].objects for path in sequence.masks.values()), None)
        sizes = dict.fromkeys(facts[path].size for path in sequence.frames.values())
        shown = ("unreadable" if size is None else size_text(size) for size in sizes)
        cells = (len(sequence.frames), len(sequence.masks), "–" if first is None else len(first))
        rows.append((sequence.name, *map(str, cells), ", ".join(shown)))
    frames, masks = (sum(int(row[column]) for row in rows) for column in (1, 2))
    header = ("sequence", "frames", "masks", "objects", "height×width")
    summary = f"{count(rows, 'sequence')}, {count(frames, 'frame')}, {count(masks, 'mask')}"
    return [summary, *aligned_table([header, *rows])]


def _names(frames: dict[str, Path], folder: Path) -> Iterator[str]:
    """What the names of frames tell: masks among them, and numbers that are left out."""
    if masks := masks_among(frames):
        yield f"{folder} holds frames and masks: {some_of(masks)}. Move the masks away."
    if skipped := skipped_numbers(frames):
        yield (
            f"{folder} skips frame numbers: {skipped}. Copy the missing frames, or number them "
            "through."
        )


def _mismatches(frames: dict[str, Path], masks: dict[str, Path], folder: Path) -> Iterator[str]:
    """Masks without a frame, and frames without the mask that those around them have."""
    yield from orphan_masks(frames, masks, folder)
    names = list(frames)
    if names[0] not in masks:
        yield (
            f"{folder} has no mask of the first frame, {names[0]}: objects are followed from "
            "there. Put the mask there."
        )
    annotated = [number for number, name in enumerate(names) if name in masks]
    missing = list(itertools.chain.from_iterable(holes(annotated)))
    if len(annotated) > len(names) / 2:  # not merely the first, or every fifth
        missing += range(annotated[-1] + 1, len(names))
    if missing:
        left_out = [names[number] for number in missing]
        yield (
            f"{folder} has no mask of {count(left_out, 'frame')} among annotated ones: "
            f"{some_of(left_out)}. Copy the missing masks."
        )


def orphan_masks(frames: dict[str, Path], masks: dict[str, Path], folder: Path) -> Iterator[str]:
    """Masks without a frame."""
    orphans = unmatched(masks, frames)
    if orphans:
        yield (
            f"{folder} has {count(orphans, 'mask')} without a frame: {some_of(orphans)}. "
            "Copy the missing frames or remove the masks."
        )


def _sizes(sequence: ListedSequence, facts: Facts) -> Iterator[str]:
    """Frames of another size than most, and masks of another size than their frames."""
    sizes = {name: facts[path].size for name, path in sequence.frames.items()}
    known = [size for size in sizes.values() if size is not None]
    if not known:
        return
    usual = statistics.mode(known)
    odd = [name for name, size in sizes.items() if size not in (usual, None)]
    if odd:
        shown = [f"{name} ({size_text(sizes[name])})" for name in odd]
        yield (
            f"{_folder(sequence.frames)}: {count(odd, 'frame')} of another size than the others' "
            f"{size_text(usual)}: {some_of(shown)}. The frames of a video have one size."
        )
    differing = [
        f"{name} ({size_text(size)})"
        for name, path in sequence.masks.items()
        if (size := facts[path].size) and sizes.get(name) not in (size, None)
    ]
    if differing:
        yield (
            f"{_folder(sequence.masks)}: {count(differing, 'mask')} of another size than "
            f"the frame ({size_text(usual)}): {some_of(differing)}. Save the masks at the "
            "size of the frames, without smoothing."
        )


def _objects(sequence: ListedSequence, facts: Facts) -> Iterator[str]:
    """A first mask without objects or with gaps in its ids; ids that come later."""
    first = next((facts[sequence.masks[n]] for n in sequence.frames if n in sequence.masks), None)
    if first is None or first.objects is None:
        return
    if not first.objects:
        yield f"{first.path}: {no_object(first)}"
        return
    gaps = sorted(set(range(1, first.objects[-1])) - set(first.objects))
    if gaps:
        yield (
            f"{first.path}: the ids have gaps, {some_of(list(map(str, gaps)))} of "
            f"1…{first.objects[-1]} are missing. The DAVIS measures count a missing id as an "
            "object; number them through."
        )
    later: dict[int, str] = {}
    for name, path in sequence.masks.items():
        for label in set(facts[path].objects or ()) - set(first.objects):
            later.setdefault(label, name)
    if later:
        shown = [f"{label} (from {name} on)" for label, name in sorted(later.items())]
        yield (
            f"{first.path.parent}: {count(later, 'id')} that the first mask lacks: "
            f"{some_of(shown)}. Only objects of the first mask are followed and scored."
        )


def no_object(mask: FileFacts) -> str:
    """What to say of a mask without objects."""
    if mask.void:
        return (
            "there is no object, only void (255). An indexed or many-valued mask is taken as ids, "
            "in which 255 is void; save the object with id 1."
        )
    return "there is no object, all of the mask is background. Mark the objects with ids 1, 2, …"


def _folder(paths: dict[str, Path]) -> Path:
    return next(iter(paths.values())).parent
