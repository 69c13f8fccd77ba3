"""Masks of a video as run lengths in one JSON file, in the layout of COCO.

::

    {
      "annotations": [
        {"id": 1, "image_id": 1, "track_id": 2, "category_id": 1, "iscrowd": 0, "area": 5120,
         "bbox": [x, y, width, height], "segmentation": {"size": [h, w], "counts": "…"}},
        …
      ],
      "images": [{"id": 1, "file_name": "00000.png", "frame_index": 0, "height": h, "width": w}, …],
      "categories": [{"id": 1, "name": "object"}]
    }

``pycocotools.coco.COCO`` reads it, and ``pycocotools.mask.decode`` its masks. ``track_id`` (as in
TAO) is the id of the object; an object that is not in a frame has no annotation there. Needs
pycocotools, the optional extra ``ranet[coco]``.
"""

import contextlib
import json
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, BinaryIO, Self

import numpy as np

from ranet.errors import OutputError, RANetError
from ranet.files import abandon, atomic_write, output_errors

_CATEGORIES = [{"id": 1, "name": "object"}]


class CocoWriter:
    """Writes such a file, frame by frame; of earlier frames only the names stay in memory.

    Use it in a ``with`` statement: the file appears, whole, when the block ends without an error,
    and not at all otherwise.

    Args:
        path: ends in .json; missing folders are created.

    Raises:
        OutputError: the ending is another, or the file cannot be written.
        RANetError: pycocotools is not installed.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() != ".json":
            raise OutputError(
                f"Cannot write {self.path}: COCO annotations are written as .json, but its ending "
                f"is {self.path.suffix!r}."
            )
        self._mask = _import_mask()
        self._stack = contextlib.ExitStack()
        self._images: list[dict[str, Any]] = []
        self._annotations = 0

    def __enter__(self) -> Self:
        self._file: BinaryIO = self._stack.enter_context(atomic_write(self.path))
        self._put('{"annotations": [')
        return self

    def write(self, name: str, number: int, labels: np.ndarray) -> None:
        """Append the objects of a frame.

        Args:
            name: of the frame, and so of its mask.
            number: of the frame in its video, from 0.
            labels: H×W uint8.

        Raises:
            OutputError: the file cannot be written.
        """
        height, width = labels.shape
        image = {"id": len(self._images) + 1, "file_name": f"{name}.png", "frame_index": number}
        self._images.append({**image, "height": height, "width": width})
        for label in np.unique(labels[labels > 0]).tolist():
            self._annotations += 1
            annotation = {
                "id": self._annotations,
                "image_id": image["id"],
                "track_id": label,
                "category_id": _CATEGORIES[0]["id"],
                "iscrowd": 0,
                **self._described(labels == label),
            }
            self._put(",\n" if self._annotations > 1 else "\n", json.dumps(annotation))

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error_type is not None:
            abandon(self._stack)
            return
        with self._stack:
            images = ",\n".join(json.dumps(image) for image in self._images)
            categories = json.dumps(_CATEGORIES)
            self._put('\n],\n"images": [\n', images, '\n],\n"categories": ', categories, "}\n")

    def _described(self, mask: np.ndarray) -> dict[str, Any]:
        """Run lengths, area and box of a mask H×W bool."""
        encoded = self._mask.encode(np.asfortranarray(mask.view(np.uint8)))
        return {
            "area": int(self._mask.area(encoded)),
            "bbox": [int(side) for side in self._mask.toBbox(encoded)],
            "segmentation": {
                "size": [int(side) for side in encoded["size"]],
                "counts": encoded["counts"].decode("ascii"),
            },
        }

    def _put(self, *parts: str) -> None:
        with output_errors(self.path):
            for part in parts:
                self._file.write(part.encode())


def _import_mask() -> ModuleType:
    try:
        from pycocotools import mask
    except ImportError as error:
        raise RANetError(
            f"COCO annotations need pycocotools, which cannot be imported ({error}). Install it "
            "with `pip install pycocotools`, or do without them."
        ) from error
    return mask
