"""Where samples come from: videos with annotated frames (§3.5), or what another file reads.

Still images are those of :mod:`ranet.datasets.still_images`; other layouts of videos have files of
their own, too. A layout is loaded for those who train on it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ranet.config import DataConfig, DavisSource, ImageSource, Source, VideoConfig, YouTubeVOSSource
from ranet.datasets.image_io import VOID, MaskReader, label_reader, read_image, read_labels
from ranet.datasets.index import VideoSequence, index_davis
from ranet.datasets.views import Frame, RawSample
from ranet.errors import DataError
from ranet.wording import size_text

if TYPE_CHECKING:
    from ranet.datasets.still_images import StaticSource


def open_source(source: Source, config: DataConfig) -> "StaticSource | VideoSource":
    """Index what a configuration names.

    Raises:
        DataError: it is not there, or holds nothing to train on.
    """
    if isinstance(source, ImageSource):
        from ranet.datasets.still_images import StaticSource

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
            from ranet.datasets.youtube_vos import index_youtube_vos

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
        if self._template_leads:
            template, *clip = self._clip(sequence, annotated, template, length + 1, rng)
            previous = template
        else:
            current = rng.choice([i for i in annotated if i != template] or annotated)
            previous = rng.choice(self._near(sequence, annotated, current) or [current])
            clip = self._clip(sequence, annotated, current, length, rng)
        masks, read_mask = sequence.annotations, self._read_mask
        frames = {i: read_frame(sequence.frames[i], masks[i], read_mask) for i in {template, *clip}}
        previous_labels = _read_labels(masks[previous], read_mask, frames[clip[0]].image)
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


def read_frame(image: Path, mask: Path, read_mask: MaskReader) -> Frame:
    """An image and what is annotated in it; pixels that are not annotated count as background.

    Raises:
        DataError: a file is missing or corrupt, or the two differ in size.
    """
    pixels = read_image(image)
    return Frame(pixels, _read_labels(mask, read_mask, pixels))


def _read_labels(mask: Path, read_mask: MaskReader, image: np.ndarray) -> np.ndarray:
    labels = read_mask(mask)
    if labels.shape != image.shape[:2]:
        raise DataError(
            f"The mask {mask} is {size_text(labels.shape)}, but its image is "
            f"{size_text(image.shape)} (height×width)."
        )
    return np.where(labels == VOID, 0, labels)
