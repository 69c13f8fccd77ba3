"""``result.json`` files as ``ranet.inference.davis`` writes them."""

import json

from ranet.tables.published import published

ARCHITECTURE = {
    "backbone": "resnet18",
    "objects": "single",
    "template_grid": [15, 27],
    "ranked": 256,
    "ranking_gradient": "straight_through",
    "reduction_kernel": 3,
    "dilations": [1, 3, 6],
    "width": 1.0,
    "matching": "ranking",
    "previous_mask": True,
}
MEASURES = ("J&F-Mean", "J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay")
STATIC = {"name": "static_small", "data": ["static"], "steps": 10}
VIDEO = {"name": "video_small", "data": ["video"], "steps": 5}


def write_result(
    folder,
    *,
    benchmark="2016 val",
    score=0.5,
    sequences=None,
    stages=(STATIC, VIDEO),
    online=None,
    checkpoint="a",
    times=None,
    inference=None,
    **architecture,
):
    """The n-th measure is ``score`` plus n thousandths."""
    year, split = benchmark.split(" ")
    names = published().splits.get(benchmark, ["other"]) if sequences is None else sequences
    content = {
        "set": split,
        "global": {name: score + n / 1000 for n, name in enumerate(MEASURES)},
        "published": None,
        "sequences": {name: {} for name in names},
        "times": times or {"step_ms": 40.0, "online_ms": 0.0, "frame_ms": 40.0},
        "device": "Some GPU",
        "checkpoint": f"checkpoints/{checkpoint}.pt",
        "stages": list(stages),
        "settings": {
            "method": "RANet",
            "architecture": ARCHITECTURE | architecture,
            "checkpoint_sha256": checkpoint,
            "config": {
                "year": int(year),
                "split": split,
                "inference": {
                    "input_size": [480, 864],
                    "previous_mask": "thresholded",
                    "dtype": "float32",
                    "online": online,
                }
                | (inference or {}),
            },
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps(content))
    return content
