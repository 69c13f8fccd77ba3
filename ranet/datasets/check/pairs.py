"""The check of image-mask pairs."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from ranet.datasets.check.file_facts import Facts, FileFacts, Reading
from ranet.datasets.check.report import DataReport, count, pixels
from ranet.datasets.check.sequence import list_images, no_object
from ranet.datasets.index import some_of, unmatched


def check_pairs(root: Path, reading: Reading) -> DataReport:
    """Check the images and masks of one name in ``images`` and ``masks`` below ``root``."""
    problems: list[str] = []
    images = list_images(root / "images", problems)
    masks = list_images(root / "masks", problems)
    if images is None or masks is None:
        return DataReport(root, "image-mask pairs", (), tuple(problems))
    if not images and not masks:
        problems.append(f"{root / 'images'} and {root / 'masks'} are empty; put the data there.")
    problems += _lonely(images, masks, root / "images", "mask")
    problems += _lonely(masks, images, root / "masks", "image")
    facts = reading.facts(images.values(), masks.values())
    pairs = [(facts[images[name]], facts[masks[name]]) for name in images if name in masks]
    problems += _file_problems(facts)
    for image, mask in pairs:
        problems += _pair_problems(image, mask)
    return DataReport(root, "image-mask pairs", tuple(_contents(pairs)), tuple(problems))


def _lonely(
    names: dict[str, Path], partners: dict[str, Path], folder: Path, partner: str
) -> Iterator[str]:
    lonely = unmatched(names, partners)
    if lonely:
        yield (
            f"{folder} holds {count(lonely, 'file')} without {partner}: {some_of(lonely)}. "
            "Give partners one name, or remove these files."
        )


def _file_problems(facts: Facts) -> Iterator[str]:
    for file in facts.values():
        yield from file.problems


def _pair_problems(image: FileFacts, mask: FileFacts) -> Iterator[str]:
    if image.size and mask.size and image.size != mask.size:
        yield (
            f"{mask.path} is {pixels(mask.size)}, but its image is {pixels(image.size)}. "
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
