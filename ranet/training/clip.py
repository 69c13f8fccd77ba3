"""The network over the frames of a clip, each told what it predicted for the one before."""

import torch
from torch import Tensor, nn

from ranet.model.ranet import RANet
from ranet.structures import one_hot_masks
from ranet.training.losses import with_background


class ClipNetwork(nn.Module):
    """The forward pass of training; for one frame it is that of the network itself.

    It is a module so that what wraps modules, as ``DistributedDataParallel`` does, sees one call
    a step however long the clip is.
    """

    def __init__(self, model: RANet) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        template_image: Tensor,
        template_masks: Tensor,
        current_image: Tensor,
        previous_masks: Tensor,
        objects: Tensor,
    ) -> Tensor:
        """Segment all frames of a clip in order.

        Args:
            template_image: B×3×H×W RGB in [0, 1].
            template_masks: B×K×H×W in [0, 1].
            current_image: B×T×3×H×W RGB in [0, 1].
            previous_masks: B×K×H×W in [0, 1], previous to the first frame.
            objects: B, how many of the K objects each sample has.

        Returns:
            Logits, B×T×K×H×W.
        """
        template = self.model.encode_template(template_image, template_masks)
        logits: list[Tensor] = []
        for frame in current_image.unbind(dim=1):
            if logits:
                previous_masks = predicted_masks(logits[-1], objects)
            logits.append(
                self.model.segment(template, self.model.encode_frame(frame), previous_masks)
            )
        return torch.stack(logits, dim=1)


def predicted_masks(logits: Tensor, objects: Tensor) -> Tensor:
    """What inference tells the network of a frame: the likeliest label of each pixel (§3.3).

    Args:
        logits: B×K×H×W.
        objects: B, how many of the K objects each sample has.

    Returns:
        B×K×H×W of 0 and 1, without gradient.
    """
    labels = with_background(logits.detach(), objects).argmax(dim=1)
    return one_hot_masks(labels, logits.shape[1])
