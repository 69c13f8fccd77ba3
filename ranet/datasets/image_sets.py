"""Sets of still images with masks of their objects, each in the layout that its archive unpacks to.

A new set is a new entry of :data:`IMAGE_SETS`, and its name a new ``kind`` in the configuration.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ranet.datasets.image_io import MaskReader, read_instances, read_labels, read_saliency
from ranet.datasets.index import (
    IMAGE_SUFFIXES,
    contents_of,
    did_you_mean,
    entries,
    images_by_name,
    is_image,
    read_set_file,
    unmatched,
)
from ranet.errors import DataError
from ranet.wording import some_of

_JPEG, _PNG = (".jpg", ".jpeg"), (".png",)


@dataclass(frozen=True)
class ImageMaskPair:
    """A still image and the mask of its objects."""

    name: str
    image: Path
    mask: Path
    read_mask: MaskReader = read_labels


@dataclass(frozen=True)
class ImageSet:
    """Where a set keeps its images and masks, below its root, and how its masks are read."""

    title: str
    images: str  # folder
    masks: tuple[str, ...]  # folder; the first of these that holds images
    read_mask: MaskReader
    image_suffixes: tuple[str, ...] = IMAGE_SUFFIXES
    mask_suffixes: tuple[str, ...] = IMAGE_SUFFIXES
    all_masked: bool = True  # whether every image has a mask
    also: tuple[str, ...] = ()  # other folders, by which the set is told from similar ones

    def find(self, root: Path) -> tuple[dict[str, Path], dict[str, Path]]:
        """The images and the masks by name, in natural order.

        Raises:
            DataError: there is no such folder, or two of its images have one name.
        """
        images = self._files(root, self.images, self.image_suffixes)
        return images, self._files(root, self.mask_folder(root), self.mask_suffixes)

    def mask_folder(self, root: Path) -> str:
        """Which of the folders that masks may be in holds them; the first if none does."""
        there = (folder for folder in self.masks if (root / folder).is_dir())
        holding = (folder for folder in there if any(map(is_image, entries(root / folder))))
        return next(holding, self.masks[0])

    @property
    def folders(self) -> set[str]:
        """The folders below the root by which the set is recognised."""
        return {self.images, self.masks[0], *self.also}

    def _files(self, root: Path, folder: str, suffixes: tuple[str, ...]) -> dict[str, Path]:
        if not (root / folder).is_dir():
            raise DataError(
                f"No folder {root / folder}: expected {self.title} as "
                f"{root / self.images}/<name>{self.image_suffixes[0]} and "
                f"{root / self.masks[0]}/<name>.png, as data/README.md tells, but "
                f"{contents_of(root)}.{did_you_mean(root, self.folders)}"
            )
        paths = entries(root / folder)
        return images_by_name(path for path in paths if path.suffix.lower() in suffixes)


IMAGE_SETS = {
    "pairs": ImageSet("image-mask pairs", "images", ("masks",), read_labels),
    "msra10k": ImageSet(
        "MSRA10K", "Imgs", ("Imgs",), read_saliency, image_suffixes=_JPEG, mask_suffixes=_PNG
    ),
    "ecssd": ImageSet("ECSSD", "images", ("ground_truth_mask",), read_saliency),
    "ilso": ImageSet("ILSO", "imgs", ("gt",), read_instances, also=("ImageSets",)),
    "soc": ImageSet(  # without salient objects, without a mask
        "SOC", "Imgs", ("Instance gt", "Instance gt/gt"), read_instances, all_masked=False
    ),
    "hku_is": ImageSet("HKU-IS", "imgs", ("gt",), read_saliency, image_suffixes=_PNG + _JPEG),
}
"""By ``kind`` in the configuration. Where two fit a folder equally well, the first is meant."""


def index_image_set(root: str | Path, image_set: ImageSet) -> list[ImageMaskPair]:
    """The pairs of images and masks of one name below ``root``, in natural order.

    Raises:
        DataError: a folder is missing or empty, or an image or mask has no partner.
    """
    root = Path(root)
    images, masks = image_set.find(root)
    lonely_images = unmatched(images, masks) if image_set.all_masked else []
    lonely_masks = unmatched(masks, images)
    if lonely_images or lonely_masks:
        raise DataError(
            f"Images and masks in {root} do not pair up by their names: "
            f"{len(lonely_images)} images without a mask ({some_of(lonely_images)}), "
            f"{len(lonely_masks)} masks without an image ({some_of(lonely_masks)})."
        )
    if not masks:
        raise DataError(
            f"No pairs in {root}: expected images in {root / image_set.images} and masks in "
            f"{root / image_set.masks[0]}, but {contents_of(root / image_set.images)}."
        )
    return [
        ImageMaskPair(name, image, masks[name], image_set.read_mask)
        for name, image in images.items()
        if name in masks
    ]


def choose_pairs(
    pairs: list[ImageMaskPair], *, names: str, set_file: Path | None
) -> list[ImageMaskPair]:
    """Those whose names match a shell pattern and, if there is a list, are on it.

    Raises:
        DataError: the list cannot be read or names others, or nothing is left.
    """
    if set_file is not None:
        listed = read_set_file(set_file)
        unknown = unmatched(listed, (pair.name for pair in pairs))
        if unknown:
            raise DataError(
                f"{set_file}: expected names of images without their endings, found "
                f"{len(unknown)} that no pair beside {pairs[0].image} has: {some_of(unknown)}."
            )
        chosen_names = set(listed)
        pairs = [pair for pair in pairs if pair.name in chosen_names]
    chosen = [pair for pair in pairs if fnmatchcase(pair.name, names)]
    if not chosen:
        raise DataError(
            f"No image-mask pair beside {pairs[0].image} is named like {names!r}, the pattern "
            "`names` of this source."
        )
    return chosen


def recognise_image_set(root: Path) -> ImageSet | None:
    """The set whose folders ``root`` has; of several, the one with most of them.

    Images or masks alone are taken for a plain set that lacks the other.
    """
    fitting = [
        image_set
        for image_set in IMAGE_SETS.values()
        if all((root / folder).is_dir() for folder in image_set.folders)
    ]
    if not fitting and ((root / "images").is_dir() or (root / "masks").is_dir()):
        return IMAGE_SETS["pairs"]
    return max(fitting, key=lambda image_set: len(image_set.folders), default=None)
