"""Writing synthetic videos as a DAVIS tree."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field, model_validator

from ranet.config_files import Section, parse_config
from ranet.datasets.image_io import write_image, write_labels
from ranet.datasets.index import DEFAULT_RESOLUTION
from ranet.datasets.synthetic.cases import CASES, FEWEST_FRAMES, draw_case
from ranet.datasets.synthetic.random_scene import draw_scene
from ranet.datasets.synthetic.scene import CameraEffects
from ranet.errors import OutputError
from ranet.files import atomic_folder, output_errors, write_json, write_text
from ranet.lock import only_writer
from ranet.wording import differences

SETTINGS_FILE = "synthetic.json"
"""In the root of a tree: what it was made with."""

_SPLITS = ("train", "val")
_JPEG_QUALITY = 90


class _Settings(Section):
    """All that the files of a tree depend on."""

    train: int = Field(ge=0)
    val: int = Field(ge=0)
    frames: int = Field(ge=2, le=100_000)
    # In a smaller frame the objects are a few pixels wide.
    size: tuple[Annotated[int, Field(ge=48, le=4320)], Annotated[int, Field(ge=48, le=7680)]]
    seed: int = Field(ge=0)
    max_objects: int = Field(ge=1, le=20)  # more leave none of them enough room in the first frame
    clutter: float = Field(ge=0, le=1)
    case: str | None = None
    generator: int = 4
    """Counts changes of what is drawn, so that trees of an older drawing are not reused."""

    @model_validator(mode="after")
    def _some_videos(self) -> Self:
        if self.train + self.val == 0:
            raise ValueError("a synthetic DAVIS needs videos: set train or val above 0")
        return self

    @model_validator(mode="after")
    def _time_for_a_case(self) -> Self:
        if self.case is not None and self.case not in CASES:
            raise ValueError(f"case should be {' or '.join(CASES)}, found {self.case!r}")
        if self.case is not None and self.frames < FEWEST_FRAMES:
            raise ValueError(f"a case needs {FEWEST_FRAMES} frames, found {self.frames}")
        return self

    @property
    def told(self) -> dict[str, Any]:
        """As the tree keeps them; those from before there were cases have none."""
        return self.model_dump(mode="json", exclude_none=True)


def write_synthetic_davis(
    root: str | Path,
    *,
    train: int,
    val: int,
    frames: int,
    size: tuple[int, int],
    seed: int,
    max_objects: int,
    clutter: float = 1.0,
    case: str | None = None,
    workers: int = 1,
    on_video: Callable[[str], None] | None = None,
) -> bool:
    """Write a miniature DAVIS of synthetic videos; the tree appears whole, or not at all.

    The files depend on nothing but the arguments before ``workers``; video i of a split is the
    same however many there are. Both years' sets list the same videos; a split without videos has
    no list. A tree that was written with the same arguments is kept as it is.

    Args:
        root: the folder to make; it may exist if it is empty.
        train: videos of the train split, ``train-0000``, ….
        val: videos of the val split, ``val-0000``, …, unrelated to those of train.
        frames: frames of each video, at least 2.
        size: (height, width) of the frames in pixels, each at least 48.
        seed: of everything random; at least 0.
        max_objects: each video has 1…``max_objects`` objects (at most 20), all visible in its
            first frame.
        clutter: how much else there is, 0 (the objects and their background) to 1 (look-alikes in
            every video, scenery, and obstacles that hide the objects); of a case, scenery alone.
        case: what all videos are made for, one of :data:`ranet.datasets.synthetic.cases.CASES`;
            None: nothing but to be hard. Of the two things in such a video, the second is an
            object if ``max_objects`` is not 1.
        workers: videos drawn at the same time.
        on_video: called in this thread with the name of each finished video.

    Returns:
        True if the tree was written, False if it was there already.

    Raises:
        ConfigError: an argument is out of its range; it is named.
        OutputError: ``root`` holds something else, another run writes to it, or it cannot be
            written.
    """
    settings = parse_config(
        _Settings,
        {
            "train": train,
            "val": val,
            "frames": frames,
            "size": size,
            "seed": seed,
            "max_objects": max_objects,
            "clutter": clutter,
            "case": case,
        },
        "a set of synthetic videos",
    )
    root = Path(root).resolve()
    if _is_there(root, settings):
        return False
    with only_writer(root, root.with_name(f".{root.name}.lock")):
        if _is_there(root, settings):  # since a moment ago
            return False
        with atomic_folder(root) as unfinished:
            _write_videos(unfinished, settings, workers, on_video or (lambda name: None))
            _write_sets(unfinished, settings)
            write_json(unfinished / SETTINGS_FILE, settings.told)
    return True


def _is_there(root: Path, settings: _Settings) -> bool:
    """Whether ``root`` is this very tree; False if it is free, an error if it is taken."""
    with output_errors(root):
        if not root.exists() or (root.is_dir() and not any(root.iterdir())):
            return False
    wanted = settings.told
    try:
        found = dict(json.loads((root / SETTINGS_FILE).read_text()))
    except (OSError, ValueError, TypeError):
        raise OutputError(
            f"Cannot write synthetic videos to {root}: expected a new or an empty folder, but "
            "something else is there."
        ) from None
    if found == wanted:
        return True
    changed = [
        f"{name} {there} instead of {now}" for name, there, now in differences(found, wanted)
    ]
    raise OutputError(
        f"Cannot write synthetic videos to {root}: it holds others, made with {', '.join(changed)}."
    )


def _names(split: str, settings: _Settings) -> list[str]:
    return [f"{split}-{index:04d}" for index in range(getattr(settings, split))]


def _write_videos(
    root: Path, settings: _Settings, workers: int, on_video: Callable[[str], None]
) -> None:
    """Draw all videos, in threads: OpenCV, encoders and the disk work outside Python's lock."""
    with ThreadPoolExecutor(workers) as pool:
        names = {
            pool.submit(_write_video, root, name, [settings.seed, stream, index], settings): name
            for stream, split in enumerate(_SPLITS)
            for index, name in enumerate(_names(split, settings))
        }
        try:
            for finished in as_completed(names):
                finished.result()
                on_video(names[finished])
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _write_video(root: Path, name: str, seed: list[int], settings: _Settings) -> None:
    """Draw one video and write its frames and masks."""
    rng = np.random.default_rng(seed)
    of_case = partial(draw_case, case=settings.case, number=seed[-1])
    draw = draw_scene if settings.case is None else of_case
    scene = draw(
        rng,
        frames=settings.frames,
        size=settings.size,
        max_objects=settings.max_objects,
        clutter=settings.clutter,
    )
    effects = CameraEffects(rng, frames=settings.frames, size=settings.size)
    for frame in range(settings.frames):
        image, labels = scene.render(frame)
        image = effects.apply(image, frame)
        picture = root / "JPEGImages" / DEFAULT_RESOLUTION / name / f"{frame:05d}.jpg"
        write_image(picture, image, jpeg_quality=_JPEG_QUALITY)
        write_labels(root / "Annotations" / DEFAULT_RESOLUTION / name / f"{frame:05d}.png", labels)


def _write_sets(root: Path, settings: _Settings) -> None:
    for year in ("2016", "2017"):
        for split in _SPLITS:
            if names := _names(split, settings):  # to readers, an empty list is a mistake
                lines = "".join(f"{name}\n" for name in names)
                write_text(root / "ImageSets" / year / f"{split}.txt", lines)
