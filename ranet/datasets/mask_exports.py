"""The masks of a video in one file: COCO, YouTube-VIS, or a zip of PNGs.

Both layouts of run lengths have one category, ``object``, and need pycocotools, the optional extra
``ranet[coco]``, which reads COCO's (``pycocotools.coco.COCO``) and all masks
(``pycocotools.mask.decode``).

COCO
    ``images`` has an entry for each frame: ``id``, ``file_name`` (the image of the frame; of a
    video file, which has none, ``<number>.jpg``), ``frame_index``, ``height``, ``width``.
    ``annotations`` has one for each object of each frame where it is: ``image_id``, ``track_id``
    (as in TAO: the id of the object), ``segmentation`` (``{"size": [h, w], "counts": "…"}``),
    ``bbox`` (``[x, y, width, height]``), ``area``.

YouTube-VIS
    ``videos`` has the only one: ``width``, ``height``, ``length``, ``file_names``. ``annotations``
    has one for each object, whose ``id`` is the object's: ``segmentations``, ``bboxes`` and
    ``areas``, as above, have an entry for each frame, null where the object is not in it.
"""

import contextlib
import json
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Self

import numpy as np

from ranet.datasets.image_io import encoded_labels
from ranet.errors import OutputError, RANetError
from ranet.files import abandon, atomic_write, output_errors, write_text

_FIXED = {"category_id": 1, "iscrowd": 0}  # of all annotations


class MaskExport(ABC):
    """Writes such a file of frames that come one by one.

    Use it in a ``with`` statement: the file appears, whole, when the block ends without an error,
    and not at all otherwise.

    Args:
        path: of the file; missing folders are created.
        images: the name of each frame's image file by the name of the frame, where there are any.

    Raises:
        OutputError: the ending is another, or the file cannot be written.
        RANetError: pycocotools is needed, and not installed.
    """

    suffix: ClassVar[str] = ".json"

    def __init__(self, path: str | Path, images: Mapping[str, str] | None = None) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() != self.suffix:
            raise OutputError(
                f"Cannot write {self.path}: expected a file that is written as {self.suffix}, but "
                f"its ending is {self.path.suffix!r}."
            )
        self._images = images or {}

    def __enter__(self) -> Self:
        return self

    @abstractmethod
    def write(self, name: str, number: int, labels: np.ndarray) -> None:
        """Append the objects of a frame.

        Args:
            name: of the frame.
            number: of the frame in its video, from 0.
            labels: H×W uint8.

        Raises:
            OutputError: the file cannot be written.
        """

    @abstractmethod
    def __exit__(self, *error: object) -> None:
        """Let the file appear, unless something has failed."""


class ZipWriter(MaskExport):
    """Indexed PNGs with the DAVIS palette, ``<name of the frame>.png``, in a zip file."""

    suffix = ".zip"

    def __enter__(self) -> Self:
        self._stack = contextlib.ExitStack()
        file = self._stack.enter_context(atomic_write(self.path))
        # PNGs are compressed already.
        self._zip = self._stack.enter_context(zipfile.ZipFile(file, "w"))
        return self

    def __exit__(self, *error: object) -> None:
        abandon(self._stack) if error[0] else self._stack.close()

    def write(self, name: str, number: int, labels: np.ndarray) -> None:
        """See :meth:`MaskExport.write`."""
        with output_errors(self.path):  # the same bytes whenever it is written
            self._zip.writestr(zipfile.ZipInfo(f"{name}.png"), encoded_labels(labels))


class _RunLengths(MaskExport):
    """Run lengths, which stay in memory to the end: some 300 bytes an object and frame."""

    def __init__(self, path: str | Path, images: Mapping[str, str] | None = None) -> None:
        super().__init__(path, images)
        self._tool = _import_mask()
        self._frames: list[dict[str, Any]] = []
        self._objects: dict[int, dict[int, dict[str, Any]]] = {}  # by id and position of the frame

    def write(self, name: str, number: int, labels: np.ndarray) -> None:
        """See :meth:`MaskExport.write`."""
        file = self._images.get(name, f"{name}.jpg")
        (height, width), frame = labels.shape, len(self._frames)
        about = {"frame_index": number, "height": height, "width": width}
        self._frames.append({"id": frame + 1, "file_name": file, **about})
        for label in np.unique(labels[labels > 0]).tolist():
            encoded = self._tool.encode(np.asfortranarray(labels == label, np.uint8))
            self._objects.setdefault(label, {})[frame] = {
                "segmentation": {"size": [height, width], "counts": encoded["counts"].decode()},
                "bbox": [int(side) for side in self._tool.toBbox(encoded)],
                "area": int(self._tool.area(encoded)),
            }

    def __exit__(self, *error: object) -> None:
        if not error[0]:
            content = {**self._content(), "categories": [{"id": 1, "name": "object"}]}
            write_text(self.path, json.dumps(content))

    @abstractmethod
    def _content(self) -> dict[str, Any]:
        """The file without its categories."""


class CocoWriter(_RunLengths):
    """Run lengths in the layout of COCO."""

    def _content(self) -> dict[str, Any]:
        found = sorted(
            (frame, label, about)
            for label, frames in self._objects.items()
            for frame, about in frames.items()
        )
        annotations = [
            {"id": number, "image_id": frame + 1, "track_id": label, **_FIXED, **about}
            for number, (frame, label, about) in enumerate(found, start=1)
        ]
        return {"annotations": annotations, "images": self._frames}


class YouTubeVisWriter(_RunLengths):
    """Run lengths in the layout of YouTube-VIS."""

    def _content(self) -> dict[str, Any]:
        length = len(self._frames)
        first = self._frames[0] if self._frames else {"width": 0, "height": 0}
        shape = {"width": first["width"], "height": first["height"], "length": length}
        lists = (("segmentations", "segmentation"), ("bboxes", "bbox"), ("areas", "area"))
        annotations = [
            {"id": label, "video_id": 1, **_FIXED, **shape}
            | {name: [frames.get(n, {}).get(key) for n in range(length)] for name, key in lists}
            for label, frames in sorted(self._objects.items())
        ]
        names = [frame["file_name"] for frame in self._frames]
        return {"videos": [{"id": 1, **shape, "file_names": names}], "annotations": annotations}


def _import_mask() -> ModuleType:
    try:
        from pycocotools import mask
    except ImportError as error:
        raise RANetError(
            f"COCO annotations need pycocotools, which cannot be imported ({error}): "
            "`pip install pycocotools`."
        ) from error
    return mask
