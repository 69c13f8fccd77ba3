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
from typing import Any, BinaryIO, ClassVar, Self

import numpy as np

from ranet.datasets.image_io import encoded_labels
from ranet.errors import OutputError, RANetError
from ranet.files import abandon, atomic_write, output_errors

_CATEGORIES = [{"id": 1, "name": "object"}]


class MaskExport(ABC):
    """Writes such a file, frame by frame.

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
        self._stack = contextlib.ExitStack()

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

    def __enter__(self) -> Self:
        self._file: BinaryIO = self._stack.enter_context(atomic_write(self.path))
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error_type is not None:
            abandon(self._stack)
            return
        with self._stack, output_errors(self.path):
            self._finish()

    @abstractmethod
    def _finish(self) -> None:
        """Write what comes after the last frame."""

    def _image(self, name: str) -> str:
        return self._images.get(name, f"{name}.jpg")

    def _put(self, *parts: str) -> None:
        with output_errors(self.path):
            for part in parts:
                self._file.write(part.encode())


class CocoWriter(MaskExport):
    """Run lengths in the layout of COCO; of earlier frames only the names stay in memory."""

    def __init__(self, path: str | Path, images: Mapping[str, str] | None = None) -> None:
        super().__init__(path, images)
        self._tool = _import_mask()
        self._frames: list[dict[str, Any]] = []
        self._annotations = 0

    def __enter__(self) -> Self:
        super().__enter__()
        self._put('{"annotations": [')
        return self

    def write(self, name: str, number: int, labels: np.ndarray) -> None:
        """See :meth:`MaskExport.write`."""
        height, width = labels.shape
        frame = {"id": len(self._frames) + 1, "file_name": self._image(name)}
        self._frames.append({**frame, "frame_index": number, "height": height, "width": width})
        for label in np.unique(labels[labels > 0]).tolist():
            self._annotations += 1
            run_lengths, box, area = _described(self._tool, labels == label)
            annotation = {
                "id": self._annotations,
                "image_id": frame["id"],
                "track_id": label,
                "category_id": _CATEGORIES[0]["id"],
                "iscrowd": 0,
                "area": area,
                "bbox": box,
                "segmentation": run_lengths,
            }
            self._put(",\n" if self._annotations > 1 else "\n", json.dumps(annotation))

    def _finish(self) -> None:
        images = ",\n".join(json.dumps(frame) for frame in self._frames)
        categories = json.dumps(_CATEGORIES)
        self._put('\n],\n"images": [\n', images, '\n],\n"categories": ', categories, "}\n")


class YouTubeVisWriter(MaskExport):
    """Run lengths in the layout of YouTube-VIS; to the end they stay in memory, about 1 kB each."""

    def __init__(self, path: str | Path, images: Mapping[str, str] | None = None) -> None:
        super().__init__(path, images)
        self._tool = _import_mask()
        self._names: list[str] = []
        self._objects: dict[int, dict[int, tuple[dict[str, Any], list[int], int]]] = {}
        self._size = (0, 0)

    def write(self, name: str, number: int, labels: np.ndarray) -> None:
        """See :meth:`MaskExport.write`."""
        self._size = labels.shape
        for label in np.unique(labels[labels > 0]).tolist():
            frames = self._objects.setdefault(label, {})
            frames[len(self._names)] = _described(self._tool, labels == label)
        self._names.append(self._image(name))

    def _finish(self) -> None:
        height, width = self._size
        shape = {"width": width, "height": height, "length": len(self._names)}
        video = {"id": 1, **shape, "file_names": self._names}
        self._put('{"videos": [', json.dumps(video), '],\n"annotations": [')
        for index, (label, frames) in enumerate(sorted(self._objects.items())):
            entries = [frames.get(frame, (None, None, None)) for frame in range(len(self._names))]
            lists = zip(*entries, strict=True)
            annotation = {
                "id": label,
                "video_id": 1,
                "category_id": _CATEGORIES[0]["id"],
                "iscrowd": 0,
                **shape,
                **dict(zip(("segmentations", "bboxes", "areas"), lists, strict=True)),
            }
            self._put(",\n" if index else "\n", json.dumps(annotation))
        self._put('\n],\n"categories": ', json.dumps(_CATEGORIES), "}\n")


class ZipWriter(MaskExport):
    """Indexed PNGs with the DAVIS palette, ``<name of the frame>.png``, in a zip file."""

    suffix = ".zip"

    def __enter__(self) -> Self:
        super().__enter__()
        # PNGs are compressed already.
        self._zip = self._stack.enter_context(zipfile.ZipFile(self._file, "w"))
        return self

    def write(self, name: str, number: int, labels: np.ndarray) -> None:
        """See :meth:`MaskExport.write`."""
        with output_errors(self.path):  # the same bytes whenever it is written
            self._zip.writestr(zipfile.ZipInfo(f"{name}.png"), encoded_labels(labels))

    def _finish(self) -> None:
        """Its list is written as it is closed."""


def _described(tool: ModuleType, mask: np.ndarray) -> tuple[dict[str, Any], list[int], int]:
    """Run lengths, box and area of a mask H×W bool."""
    encoded = tool.encode(np.asfortranarray(mask.view(np.uint8)))
    run_lengths = {
        "size": [int(side) for side in encoded["size"]],
        "counts": encoded["counts"].decode("ascii"),
    }
    return run_lengths, [int(side) for side in tool.toBbox(encoded)], int(tool.area(encoded))


def _import_mask() -> ModuleType:
    try:
        from pycocotools import mask
    except ImportError as error:
        raise RANetError(
            f"COCO annotations need pycocotools, which cannot be imported ({error}). Install it "
            "with `pip install pycocotools`, or do without them."
        ) from error
    return mask
