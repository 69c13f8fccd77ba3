"""How a network was trained: a list of stages that it carries along in its checkpoints (§3.5).

A stage is a plain dictionary, as it stands in a file: ``name`` of the run, ``data`` it has seen
(:data:`STATIC`, :data:`VIDEO`, or both), and its number of ``steps``.
"""

from collections.abc import Sequence
from typing import Any

STATIC, VIDEO, UNKNOWN = "static", "video", "unknown"

UNTOLD: dict[str, Any] = {"name": "not told", "data": [UNKNOWN], "steps": None}
"""Of a checkpoint that does not say how it was trained."""

# The authors tell it by the file's name: pre-trained on images, then fine-tuned on videos.
_RELEASED = {
    "RANet_image_single.pth": [STATIC],
    "RANet_video_single.pth": [STATIC, VIDEO],
    "RANet_video_multi.pth": [STATIC, VIDEO],
}


def training_stage(name: str, data: Sequence[str], steps: int | None) -> dict[str, Any]:
    """One stage; ``data`` may name a kind more than once."""
    return {"name": name, "data": sorted(set(data)), "steps": steps}


def released_stages(file_name: str) -> list[dict[str, Any]]:
    """The stages behind one of the authors' checkpoints, by its file name."""
    if file_name not in _RELEASED:
        return [UNTOLD]
    return [training_stage(f"released, {data}", [data], None) for data in _RELEASED[file_name]]
