"""RANet: the paper's Figure 2, from top to bottom.

Going from frame to frame, everything is a function of tensors, with shapes that follow from sizes
alone and without a look at any value: no synchronisation with the host, nothing a CUDA graph or
compiler stumbles on.

B videos, K objects, H×W the frames, h×w what the network sees of them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ranet.methods.backbones import create_backbone
from ranet.methods.base import Prediction, VOSMethod, Watched, stack_frames
from ranet.methods.crops import (
    box_around,
    box_of_sides,
    crop_resize,
    crop_resize_nearest,
    extents,
    jitter_boxes,
    paste_back,
    sides_around,
    smooth_sides,
    whole_frame,
)
from ranet.methods.decoder import DecoderSkips, PyramidDecoder
from ranet.methods.layers import average_pool
from ranet.methods.objects import FUSIONS, PREVIOUS_MASKS, Fusion, to_labels
from ranet.methods.ranet.config import MATCHINGS, RANetConfig
from ranet.methods.ranet.correlation import correlate
from ranet.methods.ranet.encoder import EncodedFrame, SiameseEncoder, Template
from ranet.methods.ranet.matching import MatchingSizes
from ranet.methods.ranet.merge import MergeModule
from ranet.methods.ranet.ranking_attention import RankingAttentionModule
from ranet.structures import Clip, add_background, one_hot_masks

SMALLEST_SIDE = VOSMethod.smallest_side
"""Pixels, of a frame: the backbone's coarsest stride is 32, and one position is too few."""


class RANetState(NamedTuple):
    """What RANet remembers of B videos."""

    templates: tuple[Template, ...]
    """One for each frame in which objects were marked; together they hold the K, in order."""
    probabilities: Tensor
    """B×K×H×W: of the last frame; zero outside the crop."""
    sides: tuple[Tensor, ...] = ()
    """Where crops are smoothed, one B×2: height and width of the last, before it was clipped."""


class RANet(VOSMethod):
    """Ranking Attention Network for video object segmentation.

    What the network sees is segmented in three steps, the same in training and in inference::

        template = model.encode_template(first_image, first_masks)  # once
        frame = model.encode_frame(image)                           # every frame
        logits = model.segment(template, frame, previous_masks)

    Around them, :meth:`step` crops and pastes back as the released code does.

    Every object of a frame shares its encoding and its similarity maps; from the ranking on, the
    objects are the batch. All sizes may vary from call to call.

    Args:
        architecture: any of these; the defaults are the paper's network, with random weights:

            - ``backbone``: a ResNet of torchvision's, ``"timm:NAME"``, or ``"tiny"`` to try things.
            - ``norm`` of the backbone: ``"instance"`` or ``"frozen_batch"``; None: as it is usual.
            - ``frozen_stages`` of the backbone, from the first on, which do not learn.
            - ``objects``: ``"single"`` or ``"multi"``, the paper's two networks, which weigh and
              rank the similarity maps differently (:mod:`.regions`); either takes any number of
              objects.
            - ``template_grid``: (gh, gw), rows and columns of the template's pooled embedding.
            - ``ranked``: R, similarity maps kept for the foreground and for the background.
            - ``ranking_gradient``: ``"straight_through"`` or ``"none"``.
            - ``reduction_kernel``: side of the encoder's reducing convolutions, 3 (released) or 1.
            - ``reduced_channels`` at strides 8, 16 and 32; None: a fourth of the backbone's.
            - ``embedding_channels``: C; None: as many as the last of the reduced.
            - ``dilations``: three, of the Multi-scale blocks.
            - ``width``: factor on the channels of merge module and decoder.
            - ``merge_stride``: of the merge module, 8 (paper) or 16.
            - ``finest_stride``: of the decoder, 2 (paper) or 4.
            - ``matching``: ``"ranking"``, or an ablation (:mod:`ranet.methods.ranet.matching`).
            - ``previous_mask``: False makes all previous masks zero (-PM).

    Raises:
        ValueError: there is no such argument, or it has no such value.
    """

    Config = RANetConfig
    state_types = (RANetState, Template)
    exact_parts = ("ranking",)  # half precision would make ties of what differs

    def __init__(self, **architecture: Any) -> None:
        config = RANetConfig(**architecture)
        super().__init__(config.model_dump(exclude={"name"}))
        self.template_grid = config.template_grid
        self.previous_mask = config.previous_mask
        hidden, merged = round(256 * config.width), round(128 * config.width)
        self.encoder = SiameseEncoder(
            create_backbone(config.backbone, config.norm, config.frozen_stages),
            config.reduction_kernel,
            config.reduced_channels,
            config.embedding_channels,
        )
        # Named as in every checkpoint, whatever an ablation puts in the place of the ranking.
        sizes = MatchingSizes(
            config.objects,
            self.template_grid,
            config.ranked,
            straight_through=config.ranking_gradient == "straight_through",
            embedding_channels=self.encoder.embedding_channels,
        )
        self.ranking = MATCHINGS[config.matching](sizes)
        self.merge = MergeModule(self.ranking.channels, hidden, merged, config.merge_stride)
        self.decoder = PyramidDecoder(
            self.encoder.backbone.channels,
            merged,
            config.width,
            config.dilations,
            config.finest_stride,
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

    label = "RANet"

    @classmethod
    def reads(cls, content: Mapping[str, Any]) -> bool:
        """See :class:`.VOSMethod`."""
        return "base_model.conv1.weight" in content

    @classmethod
    def from_authors(
        cls, content: Mapping[str, Any], path: str | Path, variant: str | None
    ) -> "RANet":
        """See :class:`.VOSMethod`; the variant is the value of ``objects``."""
        from ranet.methods.ranet.released import released_network  # which makes networks of this

        return released_network(content, path, variant)

    @property
    def fusion(self) -> str:
        """See :class:`.VOSMethod`; the authors fuse in another way than the paper."""
        return "sigmoid" if self.released else "softmax"

    @property
    def objects_compete(self) -> bool:
        """See :class:`.VOSMethod`."""
        return bool(self.architecture["objects"] == "multi")

    @property
    def has_idle_parameters(self) -> bool:
        """See :class:`.VOSMethod`: without a gradient, no loss reaches the ranking network."""
        return bool(self.architecture["ranking_gradient"] == "none")

    def new_state(self, image: Tensor) -> RANetState:
        """See :class:`.VOSMethod`."""
        return RANetState((), image.new_zeros(len(image), 0, *image.shape[-2:]))

    def add_objects(self, state: RANetState, image: Tensor, masks: Tensor) -> RANetState:
        """See :class:`.VOSMethod`; the frame is cropped around these objects and encoded."""
        crop, crop_masks = image, masks
        if self.options.crop is not None:
            size = self.size_seen(image.shape[-2:])
            box = self.box_around(masks.amax(dim=1) > 0, size)
            crop, crop_masks = crop_resize(image, box, size), crop_resize_nearest(masks, box, size)
        with self.in_half(image.device):
            template = self.encode_template(self.laid_out(crop), crop_masks)
        known = state.probabilities * (1 - masks.amax(dim=1, keepdim=True))
        probabilities = torch.cat([known, masks], dim=1)
        sides = self._sides_around(self.foreground(probabilities))
        return RANetState((*state.templates, template), probabilities, sides)

    def keep_objects(self, state: RANetState, index: Sequence[int]) -> RANetState:
        """See :class:`.VOSMethod`."""
        templates, begin = [], 0
        for template in state.templates:
            end = begin + template.masks.shape[1]
            inside = [k - begin for k in index if begin <= k < end]
            if inside:
                templates.append(template._replace(masks=template.masks[:, inside]))
            begin = end
        probabilities = state.probabilities[:, list(index)]
        sides = self._sides_around(self.foreground(probabilities)) if index else ()
        return RANetState(tuple(templates), probabilities, sides)

    def step(self, state: RANetState, image: Tensor) -> tuple[Prediction, RANetState]:
        """See :class:`.VOSMethod`."""
        if self.options.crop is None:
            previous = self._previous_masks(state.probabilities)
            logits = self.logits(state.templates, image, previous)
            return Prediction(logits), state._replace(
                probabilities=self._fusion.to_probabilities(logits)
            )
        foreground = self.foreground(state.probabilities)
        sides = self._smoothed(foreground, state.sides)
        box = self.box_around_objects(foreground, sides)
        crop, previous = self.view(state.probabilities, image, box)
        logits = self.logits(state.templates, crop, previous)
        probabilities = paste_back(
            self._fusion.to_probabilities(logits), box, (image.shape[-2], image.shape[-1])
        )
        after = state._replace(probabilities=probabilities, sides=sides)
        return Prediction(logits, {"boxes": box}), after

    def view(self, probabilities: Tensor, image: Tensor, box: Tensor) -> tuple[Tensor, Tensor]:
        """What the network sees of a frame.

        Args:
            probabilities: B×K×H×W, of the frame before.
            image: B×3×H×W.
            box: B×4.

        Returns:
            The crop, B×3×h×w, and the masks of the frame before in it, B×K×h×w.
        """
        size = self.size_seen(image.shape[-2:])
        previous = crop_resize(probabilities, box, size)
        return crop_resize(image, box, size), self._previous_masks(previous)

    def _previous_masks(self, probabilities: Tensor) -> Tensor:
        return PREVIOUS_MASKS[self.options.previous_mask](self._fusion, probabilities)

    def logits(self, templates: Sequence[Template], crop: Tensor, previous: Tensor) -> Tensor:
        """What the network says of a crop.

        Args:
            templates: as in the state; their objects are one batch.
            crop: B×3×h×w RGB in [0, 1].
            previous: B×K×h×w in [0, 1], the masks of the frame before in the crop.

        Returns:
            B×K×h×w float32.
        """
        with self.in_half(crop.device):
            frame = self.encode_frame(self.laid_out(crop))
            logits = self.segment(templates, frame, previous, self.options.objects_at_once)
        return logits.float()

    def foreground(self, probabilities: Tensor) -> Tensor:
        """Where any object is: B×H×W bool, from B×K×H×W."""
        return to_labels(self._fusion, [probabilities]) > 0

    def box_around_objects(self, foreground: Tensor, sides: tuple[Tensor, ...] = ()) -> Tensor:
        """What the network sees of a frame: B×4 int64.

        Args:
            foreground: B×H×W bool, of the frame before.
            sides: where crops are smoothed, those of this one, as the state after it has them.
        """
        size = (foreground.shape[-2], foreground.shape[-1])
        if not sides:
            return self.box_around(foreground, self.size_seen(size))
        first, last = extents(foreground)
        smallest = self.options.smallest_crop
        box = box_of_sides((first + last) // 2, sides[0], size=size, smallest=smallest)
        lost = (last < 0).any(dim=1, keepdim=True)
        return torch.where(lost, whole_frame(len(box), size, box.device), box)

    def _smoothed(self, foreground: Tensor, before: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Sides of the next crop, from those of the one before; none where nothing is smoothed."""
        wanted = self._sides_around(foreground)
        if not wanted:
            return ()
        found = foreground.flatten(1).any(dim=1)
        size = (foreground.shape[-2], foreground.shape[-1])
        return (smooth_sides(before[0], *wanted, found, self.options.crop_smoothing, size),)

    def _sides_around(self, foreground: Tensor) -> tuple[Tensor, ...]:
        """What the crop rule asks for; none where nothing is smoothed."""
        options = self.options
        if options.crop != "around_objects" or not options.crop_smoothing:
            return ()
        seen = self.size_seen(foreground.shape[-2:])
        return (sides_around(foreground, aspect=seen, scale=options.crop_scale),)

    def box_around(self, foreground: Tensor, seen: tuple[int, int]) -> Tensor:
        """A box around objects.

        Args:
            foreground: B×H×W bool, true on any of them.
            seen: (h, w) of what becomes of the crop.

        Returns:
            B×4 int64: top, left, bottom, right, half-open.
        """
        options = self.options
        if options.crop == "whole_frame":
            size = (foreground.shape[-2], foreground.shape[-1])
            return whole_frame(len(foreground), size, foreground.device)
        return box_around(
            foreground, aspect=seen, scale=options.crop_scale, smallest=options.smallest_crop
        )

    @property
    def _fusion(self) -> Fusion:
        return FUSIONS[self.options.fusion]

    def sees(self, state: RANetState) -> Tensor:
        """See :class:`.VOSMethod`: whether anything of the object is in its template."""
        return torch.cat([t.masks.amax(dim=(0, 2, 3)) for t in state.templates]) > 0

    def forward(self, clip: Clip) -> Prediction:
        """Segment all frames of a clip in order, each told what was predicted for the one before.

        Where :attr:`options` crop, each frame is cropped around the prediction of the one before,
        as in inference, so that the network learns to come back from where its own mistakes lead;
        templates are crops already.
        """
        template = self.encode_template(clip.template_image, clip.template_masks)
        previous, predictions = clip.previous_masks, []
        crops, size = self.options.crop is not None, self.options.input_size
        frame_size = (clip.images.shape[-2], clip.images.shape[-1])
        for frame, off in zip(clip.images.unbind(1), clip.crop_jitter.unbind(1), strict=True):
            aux = {}
            if crops:
                box = jitter_boxes(self.box_around(previous.amax(dim=1) > 0, size), off, frame_size)
                frame, aux = crop_resize(frame, box, size), {"boxes": box}
                previous = crop_resize(previous, box, size).round()
            logits = self.segment(template, self.encode_frame(frame), previous)
            predictions.append(Prediction(logits, aux))
            scores = add_background(logits.detach().float(), clip.objects)
            if crops:
                pasted = paste_back(scores.softmax(dim=1)[:, 1:], box, frame_size)
                scores = torch.cat([1 - pasted.sum(dim=1, keepdim=True), pasted], dim=1)
            previous = one_hot_masks(scores.argmax(dim=1), logits.shape[1])
        return stack_frames(predictions)

    def parameters_of(self, part: str) -> list[nn.Parameter]:
        """See :class:`.VOSMethod`; the merge module is part of the paper's decoder (§3.1)."""
        if part != "decoder":
            return super().parameters_of(part)
        parts = (self.ranking, self.merge, self.decoder)
        return [parameter for part in parts for parameter in part.parameters()]

    @property
    def forgetful_parts(self) -> Sequence[nn.Module]:
        """See :class:`.VOSMethod`: the merge module and the decoder's levels."""
        decoder = self.decoder
        levels = [getattr(decoder, name, None) for name in ("level1", "level2", "level3")]
        return [self.merge, *(level for level in levels if level is not None)]

    def figures(self, clip: Clip) -> dict[str, Tensor]:
        """See :class:`.VOSMethod`: scores r_j of all maps that have a weight in some region."""
        if not isinstance(self.ranking, RankingAttentionModule):
            return {}
        template = self.encode_template(clip.template_image, clip.template_masks)
        frame = self.encode_frame(clip.images[:, 0])
        regions = self.ranking.make_regions(template.masks.flatten(2))
        scores = self.ranking.score(correlate(template.embedding, frame.embedding), regions)
        return {"ranking scores": scores[regions.weights > 0]}

    def check_explains(self) -> None:
        """See :class:`.VOSMethod`; CheckpointError where there is no ranking to explain."""
        from ranet.methods.ranet.explain import ranking_of  # draws, which nothing else here does

        ranking_of(self)

    def explain(self, watched: Watched, object_id: int, points: Sequence[tuple[int, int]]) -> Any:
        """See :class:`.VOSMethod`."""
        from ranet.methods.ranet.explain import explained

        return explained(self, watched, object_id, points)


def _side_by_side(objects: Sequence[Tensor]) -> Tensor:
    """The objects of several templates, each B×k×…, as those of one: B×K×…."""
    return objects[0] if len(objects) == 1 else torch.cat(objects, dim=1)
