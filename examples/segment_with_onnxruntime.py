"""Segment a folder of frames with onnxruntime alone: no torch, and nothing of this project.

python scripts/export_onnx.py --frame-size 480 854 --objects 1 --out outputs/onnx
python examples/segment_with_onnxruntime.py outputs/onnx frames first_mask.png outputs/masks
"""

import re
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

if len(sys.argv) != 5:
    sys.exit(__doc__)
graphs, frames, first_mask, out = map(Path, sys.argv[1:])
template_graph = onnxruntime.InferenceSession(graphs / "template.onnx")
step_graph = onnxruntime.InferenceSession(graphs / "step.onnx")
_, objects, *size = template_graph.get_inputs()[1].shape


def read(path):  # → 1×3×H×W, RGB in [0, 1]
    image = np.array(Image.open(path).convert("RGB"), np.float32).transpose(2, 0, 1)[None] / 255
    return image if image.shape[2:] == tuple(size) else sys.exit(f"{path}: expected size {size}")


mask = Image.open(first_mask)
pixels = np.array(mask)
values = {*pixels.ravel().tolist()} - {0}
ids = sorted(values - {255} or values)  # 255 is void, or white in black and white
if mask.mode not in ("P", "L") or pixels.shape != tuple(size) or len(ids) != objects:
    wanted = f"{objects} ids in an indexed or grey image of size {size}"
    sys.exit(f"{first_mask}: expected {wanted}, found {ids} in {mask.mode}, {list(pixels.shape)}")
files = [path for path in frames.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png")]
files.sort(key=lambda path: re.sub("[0-9]+", lambda n: n[0].zfill(20), path.stem))  # 9, 10
first, *others = files or sys.exit(f"{frames}: expected .jpg, .jpeg or .png files, found none")
masks = np.stack([pixels == i for i in ids]).astype(np.float32)[None]
out.mkdir(parents=True, exist_ok=True)


def run(graph, given):  # → the outputs by name
    inputs = {one.name: given[one.name] for one in graph.get_inputs()}
    return dict(zip([o.name for o in graph.get_outputs()], graph.run(None, inputs), strict=True))


def write(path, labels):
    mask.putdata(labels.ravel().tolist())  # keeps its palette
    mask.save(out / f"{path.stem}.png")


write(first, np.where(np.isin(pixels, ids), pixels, 0))
state = run(template_graph, {"image": read(first), "masks": masks})
for path in others:
    before = {f"previous_{name}": value for name, value in state.items()}
    before |= {"previous": state["probabilities"], "image": read(path)}
    state |= run(step_graph, state | before)
    write(path, np.array([0, *ids])[state["labels"]])
