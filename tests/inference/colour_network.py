"""A stand-in for the network whose answers can be told by hand: it segments by colour.

An object is wherever the frame has the mean colour that the object had in the template. The
template keeps the input's own resolution, so nothing is blurred.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ranet.methods.base import VOSMethod
from ranet.methods.ranet.encoder import EncodedFrame, Template
from ranet.methods.ranet.network import RANet


class ColourNetwork(RANet):
    """RANet's state and crops around another network; ``seen`` is what it was last given.

    What it notes is that of all shallow copies, too, which are what computes.
    """

    def __init__(self, confidence: float = 50.0) -> None:
        VOSMethod.__init__(self, {"objects": "multi", "ranking_gradient": "none"})
        self.confidence = confidence
        self.seen: dict[str, Tensor] = {}
        self.templates: list[Template] = []

    def encode_frame(self, image: Tensor) -> EncodedFrame:
        self.seen["image"] = image
        return EncodedFrame(embedding=image, skips=None)

    def encode_template(self, image: Tensor, masks: Tensor) -> Template:
        self.seen["template_image"], self.seen["template_masks"] = image, masks
        self.templates.append(Template(embedding=image, masks=masks))
        return self.templates[-1]

    def segment(
        self,
        template: Template | Sequence[Template],
        frame: EncodedFrame,
        previous_masks: Tensor,
        objects_at_once: int | None = None,
    ) -> Tensor:
        self.seen["previous"] = previous_masks
        templates = [template] if isinstance(template, Template) else template
        colours = torch.cat([_mean_colours(one) for one in templates], dim=1)  # B×K×3
        distance = (frame.embedding[:, None] - colours[..., None, None]).abs().amax(dim=2)
        return self.confidence * (0.2 - distance)


def _mean_colours(template: Template) -> Tensor:
    area = template.masks.sum(dim=(2, 3)).clamp(min=1)
    return torch.einsum("bchw,bkhw->bkc", template.embedding, template.masks) / area[..., None]
