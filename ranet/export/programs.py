"""A network as two graphs of fixed size, through ``torch.export``.

=============  =====================================================  ===========================
graph          inputs                                                 outputs
=============  =====================================================  ===========================
``template``   ``image`` 1×3×H×W, ``masks`` 1×K×H×W                   ``template_embedding``,
                                                                      ``template_masks``,
                                                                      ``probabilities`` 1×K×h×w
``step``       ``template_embedding``, ``template_masks``,            ``probabilities`` 1×K×h×w,
               ``image`` 1×3×H×W, ``previous`` 1×K×h×w                ``labels`` 1×H×W uint8
=============  =====================================================  ===========================

Images are RGB in [0, 1]; masks are 0 and 1; ``previous`` are the ``probabilities`` of the frame
before; labels are 0 for the background and 1…K. All but the labels are float32.

H×W is the size of the frames, h×w that of their canvas (the configuration's ``frame_size``), K the
number of objects; all are of one export. The way to the canvas and back, and the crop around the
objects, are inside the graphs: where the crop lies is computed, what size it has is fixed.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from ranet.config import PLAIN_STEP, InferenceConfig
from ranet.errors import ConfigError
from ranet.inference.canvas import Canvas
from ranet.inference.frame_step import FrameStep
from ranet.inference.objects import to_labels
from ranet.inference.resolve import resolved
from ranet.methods.ranet.network import RANet
from ranet.structures import Template

INPUTS: Mapping[str, tuple[str, ...]] = {
    "template": ("image", "masks"),
    "step": ("template_embedding", "template_masks", "image", "previous"),
}
"""Names of the inputs of each graph, in order."""

OUTPUTS: Mapping[str, tuple[str, ...]] = {
    "template": ("template_embedding", "template_masks", "probabilities"),
    "step": ("probabilities", "labels"),
}
"""Likewise of the outputs."""


class TemplateGraph(nn.Module):
    """The annotated frame to the template: once a video."""

    def __init__(self, step: FrameStep, canvas: Canvas) -> None:
        super().__init__()
        self.step, self.canvas = step, canvas

    def forward(self, image: Tensor, masks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The first row of the table above."""
        on_canvas = self.canvas.place_labels(masks[0]).to(masks.dtype)[None]
        template = self.step.encode_template(self.canvas.place(image), on_canvas)
        return template.embedding, template.masks, on_canvas


class StepGraph(nn.Module):
    """A frame to its probabilities and labels, given those of the frame before."""

    def __init__(self, step: FrameStep, canvas: Canvas) -> None:
        super().__init__()
        self.step, self.canvas = step, canvas

    def forward(
        self, template_embedding: Tensor, template_masks: Tensor, image: Tensor, previous: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The second row of the table above."""
        template = Template(template_embedding, template_masks)
        probabilities = self.step([template], self.canvas.place(image), previous)
        at_frame_size = self.canvas.restore(probabilities)
        return probabilities, to_labels(self.step.fusion, [at_frame_size]).to(torch.uint8)


def export_programs(
    model: RANet,
    *,
    frame_size: tuple[int, int],
    objects: int = 1,
    config: InferenceConfig | None = None,
) -> dict[str, ExportedProgram]:
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
    """
    config = (config or InferenceConfig()).model_copy(update=dict(PLAIN_STEP))
    config = resolved(config, model)
    if config.online is not None:
        raise ConfigError(
            "A graph has fixed weights and cannot learn from a first frame: leave online at null. "
            "What was learned can be saved as a checkpoint and then be exported."
        )
    step = FrameStep(model, config.model_copy(update={"device": "cpu"})).cpu().eval()
    canvas = Canvas.for_frames(frame_size, config.frame_size)
    image = torch.zeros(1, 3, *frame_size)
    masks = torch.zeros(1, objects, *frame_size)
    template_graph, step_graph = TemplateGraph(step, canvas).eval(), StepGraph(step, canvas).eval()
    with torch.no_grad():
        embedding, template_masks, previous = template_graph(image, masks)
        of_step = (embedding, template_masks, image, previous)
        return {
            "template": torch.export.export(template_graph, (image, masks)),
            "step": torch.export.export(step_graph, of_step),
        }
