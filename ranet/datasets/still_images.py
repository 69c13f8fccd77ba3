"""Samples from still images with masks: pasted over others, and beside others (§3.5)."""

from collections.abc import Sequence

import numpy as np

from ranet.config import ImageSource, StaticConfig
from ranet.datasets.colour import change_colours, random_colour_map
from ranet.datasets.image_io import read_image
from ranet.datasets.image_sets import IMAGE_SETS, choose_pairs, index_image_set
from ranet.datasets.index import index_images
from ranet.datasets.pasting import (
    paste_beside,
    paste_over,
    place_anywhere,
    scaled,
    unused_labels,
)
from ranet.datasets.sources import read_frame
from ranet.datasets.views import Frame, RawSample

_ADDED_SIZE = (0.7, 1.1)
"""Root of an added object's area over that of the largest before it: least and most."""

_AS_IT_IS = (1.0, 1.0)


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
        """As :meth:`.VideoSource.draw`; all ``length`` frames are the same one."""
        name, frame = self._any(rng)
        added = self._objects_to_add(frame, rng)
        template, current = (self._altered(frame, added, rng) for _ in range(2))
        return RawSample(template, (current,) * length, previous_labels=current.labels, name=name)

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
        return self._any(rng)[1]

    def _any(self, rng: np.random.Generator) -> tuple[str, Frame]:
        """The name of an image, and the image with its objects."""
        pair = self._pairs[rng.integers(len(self._pairs))]
        return pair.name, read_frame(pair.image, pair.mask, pair.read_mask)
