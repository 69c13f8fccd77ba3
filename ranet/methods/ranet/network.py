"""RANet: the paper's Figure 2, from top to bottom."""

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ranet.methods.backbones import create_backbone
from ranet.methods.layers import average_pool
from ranet.methods.ranet.decoder import DecoderSkips, PyramidDecoder
from ranet.methods.ranet.encoder import SiameseEncoder
from ranet.methods.ranet.matching import build_matching
from ranet.methods.ranet.merge import MergeModule
from ranet.methods.ranet.regions import REGIONS
from ranet.structures import EncodedFrame, Template

SMALLEST_SIDE = 33
"""Pixels, of a frame: the backbone's coarsest stride is 32, and one position is too few."""


class RANet(nn.Module):
    """Ranking Attention Network for video object segmentation.

    A video is segmented in three steps, the same in training and in inference::

        template = model.encode_template(first_image, first_masks)  # once
        frame = model.encode_frame(image)                           # every frame
        logits = model.segment(template, frame, previous_masks)

    Every object of a frame shares its encoding and its similarity maps; from the ranking on, the
    objects are the batch. All sizes may vary from call to call.

    Args:
        backbone: a ResNet of torchvision's, ``"timm:NAME"``, or ``"tiny"`` to try things, as
            :func:`ranet.methods.backbones.create_backbone` takes it; random weights.
        norm: of the backbone, likewise.
        frozen_stages: of the backbone, likewise.
        objects: ``"single"`` or ``"multi"``: the paper's two networks, which weigh and rank the
            similarity maps differently (:mod:`.regions`). Either takes any number of
            objects; the single-object network treats each on its own.
        template_grid: (gh, gw), the rows and columns the template's embedding is pooled to.
        ranked: R, similarity maps kept for the foreground and for the background.
        ranking_gradient: ``"straight_through"`` or ``"none"``.
        reduction_kernel: side of the encoder's reducing convolutions, 3 (released) or 1 (supp.).
        reduced_channels: of the encoder's features at strides 8, 16, 32; None: a fourth of the
            backbone's, as in the paper.
        embedding_channels: C; None: as many as the last of the reduced.
        dilations: of the Multi-scale blocks.
        width: factor on the channels of merge module and decoder.
        merge_stride: of the merge module, 8 (paper) or 16.
        finest_stride: of the decoder, 2 (paper) or 4.
        matching: ``"ranking"``, or an ablation, as :mod:`ranet.methods.ranet.matching` lists them.
            ``ranked`` and ``ranking_gradient`` matter to the first only.
        previous_mask: False makes all previous masks zero, in training and inference (-PM).

    Raises:
        ValueError: an argument has a value that is not among those above.
    """

    def __init__(
        self,
        *,
        backbone: str = "resnet101",
        norm: str | None = None,
        frozen_stages: int = 0,
        objects: str = "single",
        template_grid: Sequence[int] = (15, 27),
        ranked: int = 256,
        ranking_gradient: str = "straight_through",
        reduction_kernel: int = 3,
        reduced_channels: Sequence[int] | None = None,
        embedding_channels: int | None = None,
        dilations: Sequence[int] = (1, 3, 6),
        width: float = 1.0,
        merge_stride: int = 8,
        finest_stride: int = 2,
        matching: str = "ranking",
        previous_mask: bool = True,
    ) -> None:
        super().__init__()
        _require("objects", objects, REGIONS)
        _require("ranking_gradient", ranking_gradient, ("straight_through", "none"))
        _require("merge_stride", merge_stride, (8, 16))
        _require("finest_stride", finest_stride, (2, 4))
        self.architecture: dict[str, Any] = {
            "backbone": backbone,
            "norm": norm,
            "frozen_stages": frozen_stages,
            "objects": objects,
            "template_grid": tuple(template_grid),
            "ranked": ranked,
            "ranking_gradient": ranking_gradient,
            "reduction_kernel": reduction_kernel,
            "reduced_channels": reduced_channels and tuple(reduced_channels),
            "embedding_channels": embedding_channels,
            "dilations": tuple(dilations),
            "width": width,
            "merge_stride": merge_stride,
            "finest_stride": finest_stride,
            "matching": matching,
            "previous_mask": previous_mask,
        }
        self.stages: list[dict[str, Any]] = []
        """How it was trained, earliest stage first (:func:`.training_stage`), for checkpoints."""
        self.released = False
        """Whether the weights are the authors', who fuse objects in another way than the paper."""
        self.input_size: tuple[int, int] | None = None
        """(height, width) that the weights are used to, None where nobody told; checkpoints keep
        it. Any other size is computed just as well, but scores less."""
        self.template_grid = tuple(template_grid)
        self.previous_mask = previous_mask
        hidden, merged = round(256 * width), round(128 * width)
        self.encoder = SiameseEncoder(
            create_backbone(backbone, norm, frozen_stages),
            reduction_kernel,
            reduced_channels,
            embedding_channels,
        )
        # Named as in every checkpoint, whatever an ablation puts in the place of the ranking.
        self.ranking = build_matching(
            matching,
            objects=objects,
            template_grid=template_grid,
            ranked=ranked,
            straight_through=ranking_gradient == "straight_through",
            embedding_channels=self.encoder.embedding_channels,
        )
        self.merge = MergeModule(self.ranking.channels, hidden, merged, merge_stride)
        self.decoder = PyramidDecoder(
            self.encoder.backbone.channels, merged, width, dilations, finest_stride
        )

    def encode_frame(self, image: Tensor) -> EncodedFrame:
        """Encode current frames.

        Args:
            image: B×3×H×W RGB in [0, 1], H and W above 32.

        Returns:
            Embedding B×C×h×w and the backbone's features.

        Raises:
            ValueError: the image has another shape, or is too small for a stride of 32.
        """
        if image.ndim != 4 or image.shape[1] != 3 or min(image.shape[-2:]) < SMALLEST_SIDE:
            raise ValueError(
                f"image should be B×3×H×W with H and W above 32, found {tuple(image.shape)}"
            )
        return self.encoder(image)

    def encode_template(self, image: Tensor, masks: Tensor) -> Template:
        """Encode the annotated frame and its objects, once a video.

        Args:
            image: B×3×H×W RGB in [0, 1].
            masks: B×K×H×W in [0, 1], one channel an object.

        Returns:
            The template: embedding B×C×gh×gw and masks B×K×gh×gw, both average-pooled to the
            template grid; the pooled embedding is not normalised again.
        """
        embedding = self.encode_frame(image).embedding  # B×C×h×w
        return Template(
            embedding=average_pool(embedding, self.template_grid),
            masks=average_pool(masks, self.template_grid),
        )

    def segment(
        self,
        template: Template | Sequence[Template],
        frame: EncodedFrame,
        previous_masks: Tensor,
        objects_at_once: int | None = None,
    ) -> Tensor:
        """Segment every object of the template in the current frame.

        Args:
            template: of B frames with K objects; or several, which hold the K objects in order,
                each some that were annotated in one frame.
            frame: B encoded frames.
            previous_masks: B×K×H×W in [0, 1]: where the objects were a frame before, in the
                coordinates of this one.
            objects_at_once: objects decoded in one batch; None: all. Fewer need less memory and
                give the same result.

        Returns:
            Logits, B×K×H×W.
        """
        templates = [template] if isinstance(template, Template) else template
        ranked = [self.ranking(one, frame.embedding) for one in templates]
        foreground, background = map(_side_by_side, zip(*ranked, strict=True))  # each B×K×R×h×w
        skips = self.decoder.reduce_skips(frame.skips)
        if not self.previous_mask:
            previous_masks = torch.zeros_like(previous_masks)
        streams = (foreground, background, previous_masks)
        chunk = objects_at_once or max(1, previous_masks.shape[1])
        parts = zip(*(stream.split(chunk, dim=1) for stream in streams), strict=True)
        return torch.cat([self._decode(skips, *part) for part in parts], dim=1)

    def _decode(
        self, skips: DecoderSkips, foreground: Tensor, background: Tensor, previous_masks: Tensor
    ) -> Tensor:
        """Merge and decode k objects of B frames as a batch of B·k; returns logits B×k×H×W."""
        at_stride8 = skips.stride8.shape[-2:]
        streams = torch.cat([foreground.flatten(0, 1), background.flatten(0, 1)])  # 2Bk×R×h×w
        previous = average_pool(previous_masks.flatten(0, 1)[:, None], at_stride8)
        merged = torch.cat([*self.merge(streams, at_stride8).chunk(2), previous], dim=1)
        logits = self.decoder(skips, merged, previous_masks.shape[-2:])  # Bk×1×H×W
        return logits.unflatten(0, previous_masks.shape[:2]).squeeze(2)

    def forward(
        self,
        template_image: Tensor,
        template_masks: Tensor,
        current_image: Tensor,
        previous_masks: Tensor,
    ) -> Tensor:
        """Template and current frame in one call, as training does.

        Args:
            template_image: B×3×H×W RGB in [0, 1].
            template_masks: B×K×H×W in [0, 1].
            current_image: B×3×H×W RGB in [0, 1].
            previous_masks: B×K×H×W in [0, 1].

        Returns:
            Logits of the current frame, B×K×H×W.
        """
        template = self.encode_template(template_image, template_masks)
        return self.segment(template, self.encode_frame(current_image), previous_masks)


def _side_by_side(objects: Sequence[Tensor]) -> Tensor:
    """The objects of several templates, each B×k×…, as those of one: B×K×…."""
    return objects[0] if len(objects) == 1 else torch.cat(objects, dim=1)


def _require(argument: str, value: object, choices: Collection[object]) -> None:
    if value not in choices:
        raise ValueError(f"{argument} should be {' or '.join(map(repr, choices))}, found {value!r}")
