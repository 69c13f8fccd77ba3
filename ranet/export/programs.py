"""A method as two graphs of fixed size, through ``torch.export``.

=============  =====================================================  ===========================
graph          inputs                                                 outputs
=============  =====================================================  ===========================
``template``   ``image`` 1×3×H×W, ``masks`` 1×K×H×W                   the state
``step``       the state, with ``previous`` for its                   what the step changes of the
               ``probabilities``; ``image`` 1×3×H×W                   state; ``labels`` 1×H×W uint8
=============  =====================================================  ===========================

The state is the method's: RANet's is ``template_embedding``, ``template_masks``, and the
``probabilities`` 1×K×h×w, which every method has. Images are RGB in [0, 1]; masks are 0 and 1;
labels are 0 for the background and 1…K.

H×W is the size of the frames, h×w that of their canvas (the configuration's ``frame_size``), K the
number of objects; all are of one export. The way to the canvas and back, and the crop around the
objects, are inside the graphs: where the crop lies is computed, what size it has is fixed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree

from ranet.config import PLAIN_STEP, InferenceConfig
from ranet.errors import ConfigError, RANetError
from ranet.inference.canvas import Canvas
from ranet.inference.network import Network, resolved
from ranet.methods.base import VOSMethod
from ranet.methods.objects import FUSIONS, to_labels


@dataclass(frozen=True)
class Graph:
    """An exported graph, and the names of its inputs and outputs, in order."""

    program: ExportedProgram
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class TemplateGraph(nn.Module):
    """The annotated frame to the state: once a video."""

    def __init__(self, method: VOSMethod, canvas: Canvas) -> None:
        super().__init__()
        self.method, self.canvas = method, canvas

    def forward(self, image: Tensor, masks: Tensor) -> list[Tensor]:
        """The first row of the table above."""
        on_canvas = self.canvas.place_labels(masks[0]).to(masks.dtype)[None]
        placed = self.canvas.place(image)
        state = self.method.add_objects(self.method.new_state(placed), placed, on_canvas)
        return list(pytree.tree_leaves(state))


class StepGraph(nn.Module):
    """A frame to what becomes of the state and to labels, given the state of the frame before.

    Args:
        method: prepared for inference.
        canvas: of the frames.
        structure: of the state as a pytree.
        changes: of each of its tensors, whether a step changes it.
        fusion: by its name in :data:`.FUSIONS`.
    """

    def __init__(
        self,
        method: VOSMethod,
        canvas: Canvas,
        structure: Any,
        changes: Sequence[bool],
        fusion: str,
    ) -> None:
        super().__init__()
        self.method, self.canvas, self.structure = method, canvas, structure
        self.changes, self.fusion = changes, FUSIONS[fusion]

    def forward(self, *inputs: Tensor) -> list[Tensor]:
        """The second row of the table above: what stays, the image, what changes."""
        count = self.changes.count(False)
        kept, image, changed = iter(inputs[:count]), inputs[count], iter(inputs[count + 1 :])
        leaves = [next(changed if changes else kept) for changes in self.changes]
        before = pytree.tree_unflatten(leaves, self.structure)
        _, after = self.method.step(before, self.canvas.place(image))
        labels = to_labels(self.fusion, [self.canvas.restore(after.probabilities)])
        return [*compress(pytree.tree_leaves(after), self.changes), labels.to(torch.uint8)]


def export_programs(
    model: VOSMethod,
    *,
    frame_size: tuple[int, int],
    objects: int = 1,
    config: InferenceConfig | None = None,
) -> dict[str, Graph]:
    """The graphs of a network.

    Args:
        model: the network; an ablation does, too.
        frame_size: (H, W) of the frames.
        objects: K.
        config: canvas, crop, input size of the network, previous mask and fusion; None: the
            defaults. Graphs are float32.

    Returns:
        ``template`` and ``step``, of the table above.

    Raises:
        ConfigError: the configuration asks for online learning, which a graph cannot do.
        RANetError: the state of the method grows from step to step, or something else that no graph
            can hold.
    """
    config = (config or InferenceConfig()).model_copy(update=dict(PLAIN_STEP))
    config = resolved(config, model).model_copy(update={"device": "cpu"})
    if config.online is not None:
        raise ConfigError(
            "A graph has fixed weights and cannot learn from a first frame: leave online at null. "
            "What was learned can be saved as a checkpoint and then be exported."
        )
    method = Network(model.cpu(), config).method
    method.check_exports()
    canvas = Canvas.for_frames(frame_size, config.frame_size)
    image = torch.zeros(1, 3, *frame_size)
    masks = torch.zeros(1, objects, *frame_size)
    with torch.no_grad():
        placed = canvas.place(image)
        on_canvas = torch.zeros(1, objects, *canvas.size)
        state = method.add_objects(method.new_state(placed), placed, on_canvas)
        _, after = method.step(state, placed)
        paths, structure = pytree.tree_flatten_with_path(state)
        names, leaves = tuple(_name(path) for path, _ in paths), [leaf for _, leaf in paths]
        later = pytree.tree_leaves(after)
        if [leaf.shape for leaf in later] != [leaf.shape for leaf in leaves]:
            raise RANetError(
                f"The state of the method {method.label} grows from frame to frame, so that it "
                "cannot be exported as a graph, whose sizes are fixed, unless memory_limit is set."
            )
        changes = [new is not old for old, new in zip(leaves, later, strict=True)]
        keeps = [not changed for changed in changes]
        template = TemplateGraph(method, canvas).eval()
        step = StepGraph(method, canvas, structure, changes, config.fusion).eval()
        inputs = (*compress(leaves, keeps), image, *compress(leaves, changes))
        changed = tuple(compress(names, changes))
        return {
            "template": Graph(
                torch.export.export(template, (image, masks)), ("image", "masks"), names
            ),
            "step": Graph(
                torch.export.export(step, inputs),
                (*compress(names, keeps), "image", *map(_before, changed)),
                (*changed, "labels"),
            ),
        }


def _before(name: str) -> str:
    return "previous" if name == "probabilities" else f"previous_{name}"


def _name(path: Sequence[Any]) -> str:
    """Of a tensor of the state: ``template_embedding`` for that of the first of ``templates``."""
    parts: list[str] = []
    for key in path:
        if isinstance(key, pytree.SequenceKey):
            parts[-1] = parts[-1].removesuffix("s") + (str(key.idx + 1) if key.idx else "")
        else:
            parts.append(str(getattr(key, "name", getattr(key, "key", key))))
    return "_".join(parts)
