"""The masks of a video in one file: COCO, YouTube-VIS, or a zip of PNGs.

COCO::

    {
      "annotations": [
        {"id": 1, "image_id": 1, "track_id": 2, "category_id": 1, "iscrowd": 0, "area": 5120,
         "bbox": [x, y, width, height], "segmentation": {"size": [h, w], "counts": "…"}},
        …
      ],
      "images": [{"id": 1, "file_name": "00000.jpg", "frame_index": 0, "height": h, "width": w}, …],
      "categories": [{"id": 1, "name": "object"}]
    }

``pycocotools.coco.COCO`` reads it, and ``pycocotools.mask.decode`` its masks. ``track_id`` (as in
TAO) is the id of the object; an object that is not in a frame has no annotation there.
``file_name`` is the image of the frame; of a video file, which has none, ``<number>.jpg``.

YouTube-VIS::

    {
      "videos": [{"id": 1, "width": w, "height": h, "length": n, "file_names": ["00000.jpg", …]}],
      "annotations": [
        {"id": 2, "video_id": 1, "category_id": 1, "iscrowd": 0, "width": w, "height": h,
         "length": n, "segmentations": [{"size": [h, w], "counts": "…"}, null, …],
         "bboxes": [[x, y, width, height], null, …], "areas": [5120, null, …]},
        …
      ],
      "categories": [{"id": 1, "name": "object"}]
    }

``id`` is the object; there is an entry for each frame, null where the object is not in it. Both
need pycocotools, the optional extra ``ranet[coco]``.
"""

import contextlib
import json
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, ClassVar, Self

import numpy as np

from ranet.datasets.image_io import encoded_labels
from ranet.errors import OutputError, RANetError
from ranet.files import abandon, atomic_write, output_errors, write_text


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

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end(failed=error_type is not None)

    @abstractmethod
    def _end(self, *, failed: bool) -> None:
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

    def _end(self, *, failed: bool) -> None:
        abandon(self._stack) if failed else self._stack.close()

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

    def _end(self, *, failed: bool) -> None:
        if not failed:
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
        fixed = {"category_id": 1, "iscrowd": 0}
        annotations = [
            {"id": number, "image_id": frame + 1, "track_id": label, **fixed, **about}
            for number, (frame, label, about) in enumerate(found, start=1)
        ]
        return {"annotations": annotations, "images": self._frames}


class YouTubeVisWriter(_RunLengths):
    """Run lengths in the layout of YouTube-VIS."""

    def _content(self) -> dict[str, Any]:
        length = len(self._frames)
        first = self._frames[0] if self._frames else {"width": 0, "height": 0}
        shape = {"width": first["width"], "height": first["height"], "length": length}
        lists = {"segmentations": "segmentation", "bboxes": "bbox", "areas": "area"}
        annotations = [
            {
                "id": label,
                "video_id": 1,
                "category_id": 1,
                "iscrowd": 0,
                **shape,
                **{
                    name: [frames.get(frame, {}).get(key) for frame in range(length)]
                    for name, key in lists.items()
                },
            }
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
