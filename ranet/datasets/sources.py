"""Where samples come from: videos with annotated frames, and still images with masks (§3.5)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ranet.config import (
    DataConfig,
    DavisSource,
    ImageSource,
    Source,
    StaticConfig,
    VideoConfig,
    YouTubeVOSSource,
)
from ranet.datasets.colour import change_colours, random_colour_map
from ranet.datasets.image_io import VOID, MaskReader, label_reader, read_image, read_labels
from ranet.datasets.image_sets import IMAGE_SETS, ImageMaskPair, choose_pairs, index_image_set
from ranet.datasets.index import VideoSequence, index_davis, index_images
from ranet.datasets.pasting import (
    paste_beside,
    paste_over,
    place_anywhere,
    scaled,
    unused_labels,
)
from ranet.datasets.views import Frame, RawSample
from ranet.datasets.youtube_vos import index_youtube_vos
from ranet.errors import DataError
from ranet.wording import size_text

_ADDED_SIZE = (0.7, 1.1)
"""Root of an added object's area over that of the largest before it: least and most."""

_AS_IT_IS = (1.0, 1.0)


def open_source(source: Source, config: DataConfig) -> "StaticSource | VideoSource":
    """Index what a configuration names.

    Raises:
        DataError: it is not there, or holds nothing to train on.
    """
    if isinstance(source, ImageSource):
        return StaticSource(source, config.static)
    return VideoSource(source, config.video, template_leads=config.crop_clips == "patch")


class VideoSource:
    """Two frames of one video, and the mask of a frame near the second. Annotated frames only.

    With ``template_leads``, the template is the first frame of the clip instead, and its mask the
    previous one.
    """

    def __init__(
        self,
        source: DavisSource | YouTubeVOSSource,
        config: VideoConfig,
        *,
        template_leads: bool = False,
    ) -> None:
        self.config = config
        self._template_leads = template_leads
        self._read_mask: MaskReader = read_labels
        if isinstance(source, YouTubeVOSSource):
            self._sequences = index_youtube_vos(source.root, split=source.split)
        else:
            self._sequences = index_davis(
                source.root,
                year=source.year,
                split=source.split,
                set_file=source.set_file,
                resolution=source.resolution,
            )
            self._read_mask = label_reader(source.year)
        self._annotated = [
            [i for i, path in enumerate(sequence.annotations) if path is not None]
            for sequence in self._sequences
        ]

    def draw(self, length: int, rng: np.random.Generator) -> RawSample:
        """A template, ``length`` frames, and a mask that is previous to the first of them.

        Without objects if chance has it so. With one annotated frame only, it is all of them.

        Raises:
            DataError: a file is missing or corrupt, or an image and its mask differ in size.
        """
        which = rng.integers(len(self._sequences))
        sequence, annotated = self._sequences[which], self._annotated[which]
        template = rng.choice(annotated)
        current = rng.choice([i for i in annotated if i != template] or annotated)
        previous = rng.choice(self._near(sequence, annotated, current) or [current])
        if self._template_leads:
            template, *clip = self._clip(sequence, annotated, current, length + 1, rng)
            current, previous = clip[0], template
        else:
            clip = self._clip(sequence, annotated, current, length, rng)
        frames = {i: self._read(sequence, i) for i in {template, *clip}}
        previous_labels = self._read_labels(sequence, previous)
        _check_size(previous_labels, frames[current].image, sequence.annotations[previous])
        return RawSample(
            template=frames[template],
            current=tuple(frames[i] for i in clip),
            previous_labels=previous_labels,
            name=f"{sequence.name}: template {sequence.frames[template].stem}, "
            f"current {' '.join(sequence.frames[i].stem for i in clip)}, "
            f"previous {sequence.frames[previous].stem}",
        )

    def _near(self, sequence: VideoSequence, annotated: Sequence[int], current: int) -> list[int]:
        """The annotated frames beside the current one that its previous mask may be of."""
        numbers, gap = sequence.numbers, self.config.max_previous_gap
        return [i for i in annotated if 0 < abs(numbers[i] - numbers[current]) <= gap]

    def _clip(
        self,
        sequence: VideoSequence,
        annotated: Sequence[int],
        first: int,
        length: int,
        rng: np.random.Generator,
    ) -> list[int]:
        """The frames of a clip: equally far apart, forwards or backwards, turning at the ends."""
        if length == 1:
            return [first]
        last = len(annotated) - 1
        span = sequence.numbers[annotated[last]] - sequence.numbers[annotated[0]]
        most = self.config.max_clip_stride * last // max(span, 1)  # in annotated frames
        stride = rng.integers(1, max(most, 1), endpoint=True) * rng.choice([-1, 1])
        steps = annotated.index(first) + stride * np.arange(length)
        steps %= max(2 * last, 1)  # there and back again
        return [annotated[i] for i in np.minimum(steps, 2 * last - steps)]

    def _read(self, sequence: VideoSequence, index: int) -> Frame:
        image = read_image(sequence.frames[index])
        labels = self._read_labels(sequence, index)
        _check_size(labels, image, sequence.annotations[index])
        return Frame(image, labels)

    def _read_labels(self, sequence: VideoSequence, index: int) -> np.ndarray:
        return _without_void(self._read_mask(sequence.annotations[index]))


class StaticSource:
    """Two views of one still image; its own mask, to be deformed, as the previous one."""

    def __init__(self, source: ImageSource, config: StaticConfig) -> None:
        self.config = config
        self._pairs = choose_pairs(
            index_image_set(source.root, IMAGE_SETS[source.kind]),
            names=source.names,
            set_file=source.set_file,
        )
        # Images to paste objects over.
        if config.backgrounds is not None:
            self._backgrounds = index_images(config.backgrounds)
        else:
            self._backgrounds = tuple(pair.image for pair in self._pairs)

    def draw(self, length: int, rng: np.random.Generator) -> RawSample:
        """As :meth:`VideoSource.draw`; all ``length`` frames are the same one."""
        pair = self._pairs[rng.integers(len(self._pairs))]
        frame = _read_pair(pair)
        added = self._objects_to_add(frame, rng)
        template, current = (self._altered(frame, added, rng) for _ in range(2))
        return RawSample(
            template, (current,) * length, previous_labels=current.labels, name=pair.name
        )

    def _objects_to_add(self, frame: Frame, rng: np.random.Generator) -> list[Frame]:
        """What becomes further objects of a sample, the same in both its views."""
        most = self.config.added_objects
        if most == 0 or not frame.labels.any():
            return []
        others = (self._other(frame, rng) for _ in range(rng.integers(most, endpoint=True)))
        return [other for other in others if other.labels.any()]

    def _altered(self, frame: Frame, added: Sequence[Frame], rng: np.random.Generator) -> Frame:
        """The frame as it is, or with other surroundings, by the configured probabilities."""
        new_background, distractor = rng.random(2)
        if not frame.labels.any():
            return frame
        feather = self.config.feather
        unused = unused_labels(frame.labels)
        if new_background < self.config.new_background:
            path = self._backgrounds[rng.integers(len(self._backgrounds))]
            if self.config.own_size != _AS_IT_IS:
                factor, size = rng.uniform(*self.config.own_size), frame.labels.shape
                smaller = scaled(frame, factor)
                if smaller.labels.any():
                    frame = place_anywhere(smaller, size, rng)
                added = [scaled(other, factor) for other in added]
            frame = paste_over(frame, read_image(path), feather)
        for label, other in zip(unused, added, strict=False):
            if other.labels.any():  # the others keep their labels, as in the other view
                size = rng.uniform(*_ADDED_SIZE)
                frame = paste_beside(frame, other, rng, feather=feather, label=label, size=size)
        if distractor < self.config.distractor:
            other = self._other(frame, rng)
            if other.labels.any():
                frame = paste_beside(frame, other, rng, feather=feather)
        return frame

    def _other(self, frame: Frame, rng: np.random.Generator) -> Frame:
        """Another frame of the source, or this one in other colours."""
        if rng.random() < self.config.look_alike:
            colours = random_colour_map(rng, self.config.look_alike_colour)
            return Frame(change_colours(frame.image, colours), frame.labels)
        return _read_pair(self._pairs[rng.integers(len(self._pairs))])


def _read_pair(pair: ImageMaskPair) -> Frame:
    image, labels = read_image(pair.image), _without_void(pair.read_mask(pair.mask))
    _check_size(labels, image, pair.mask)
    return Frame(image, labels)


def _without_void(labels: np.ndarray) -> np.ndarray:
    """Pixels that are not annotated count as background."""
    return np.where(labels == VOID, 0, labels)


def _check_size(labels: np.ndarray, image: np.ndarray, mask: Path) -> None:
    if labels.shape != image.shape[:2]:
        raise DataError(
            f"The mask {mask} is {size_text(labels.shape)}, but its image is "
            f"{size_text(image.shape)} (height×width)."
        )
