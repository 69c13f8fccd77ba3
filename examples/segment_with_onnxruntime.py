"""Segment a folder of frames with onnxruntime alone: no torch, and nothing of this project.

python scripts/export_onnx.py --frame-size 480 854 --objects 1 --out outputs/onnx
python examples/segment_with_onnxruntime.py outputs/onnx frames first_mask.png outputs/masks
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

graphs, frames, first_mask, out = map(Path, sys.argv[1:5])
template_graph = onnxruntime.InferenceSession(graphs / "template.onnx")
step_graph = onnxruntime.InferenceSession(graphs / "step.onnx")
_, objects, *size = step_graph.get_inputs()[3].shape


def read(path):  # → 1×3×H×W, RGB in [0, 1]
    image = np.array(Image.open(path).convert("RGB"), np.float32).transpose(2, 0, 1)[None] / 255
    return image if image.shape[2:] == tuple(size) else sys.exit(f"{path}: expected size {size}")


mask = Image.open(first_mask)
ids = np.setdiff1d(mask, [0, 255])
if len(ids) != objects:
    sys.exit(f"{first_mask} has the ids {ids}, but the graphs are for {objects} object(s)")
probabilities = np.stack([np.array(mask) == i for i in ids]).astype(np.float32)[None]
first, *others = sorted(path for path in frames.iterdir() if path.suffix in (".jpg", ".png"))
template = template_graph.run(None, {"image": read(first), "masks": probabilities})
given = dict(zip(["template_embedding", "template_masks"], template, strict=True))
out.mkdir(parents=True, exist_ok=True)
mask.save(out / f"{first.stem}.png")
for path in others:
    given |= {"image": read(path), "previous": probabilities}
    probabilities, labels = step_graph.run(None, given)
    mask.putdata(np.array([0, *ids])[labels].ravel().tolist())  # keeps its palette
    mask.save(out / f"{path.stem}.png")
