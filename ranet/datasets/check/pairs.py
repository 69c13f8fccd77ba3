"""The check of still images with masks."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from ranet.datasets.check.findings import DataReport, FileFacts, Reading
from ranet.datasets.check.sequence import no_object, stray_files
from ranet.datasets.image_sets import ImageSet
from ranet.datasets.index import unmatched
from ranet.errors import DataError
from ranet.wording import count, size_text, some_of


def check_image_set(root: Path, image_set: ImageSet, reading: Reading) -> DataReport:
    """Check the images and masks of a set, and that they pair up."""
    problems: list[str] = []
    found = []
    for find in (image_set.find_images, image_set.find_masks):
        try:
            found.append(find(root))
        except DataError as error:
            problems.append(str(error))
    if problems:
        return DataReport(root, image_set.title, (), tuple(dict.fromkeys(problems)))
    images, masks = found
    image_folder, mask_folder = root / image_set.images, root / image_set.mask_folder(root)
    for folder in dict.fromkeys((image_folder, mask_folder)):
        problems += stray_files(folder)
    if not images and not masks:
        problems.append(f"{image_folder} and {mask_folder} are empty; put the data there.")
    if image_set.all_masked:
        problems += _lonely(images, masks, image_folder, "mask")
    problems += _lonely(masks, images, mask_folder, "image")
    facts = reading.facts(images.values(), masks.values(), read_mask=image_set.read_mask)
    pairs = [(facts[images[name]], facts[masks[name]]) for name in images if name in masks]
    for file in facts.values():
        problems += file.problems
    for image, mask in pairs:
        problems += _pair_problems(image, mask)
    return DataReport(root, image_set.title, tuple(_contents(pairs)), tuple(problems))


def _lonely(
    names: dict[str, Path], partners: dict[str, Path], folder: Path, partner: str
) -> Iterator[str]:
    lonely = unmatched(names, partners)
    if lonely:
        yield (
            f"{folder} holds {count(lonely, 'file')} without {partner}: {some_of(lonely)}. "
            "Give partners one name, or remove these files."
        )


def _pair_problems(image: FileFacts, mask: FileFacts) -> Iterator[str]:
    if image.size and mask.size and image.size != mask.size:
        yield (
            f"{mask.path} is {size_text(mask.size)}, but its image is {size_text(image.size)}. "
            "Save the mask at the size of the image, without smoothing."
        )
    if mask.objects == ():
        yield f"{mask.path}: {no_object(mask)}"


def _contents(pairs: list[tuple[FileFacts, FileFacts]]) -> Iterator[str]:
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
