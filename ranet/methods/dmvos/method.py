"""The DMVOS-style method: every object in a crop of its own (supplement, §2).

Going from frame to frame, everything is a function of tensors, with shapes that follow from sizes
alone and without a look at any value.

B videos, K objects, H×W the frames, h×w what the network sees of them, gh×gw template cells.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ranet.methods.backbones import create_backbone
from ranet.methods.base import Prediction, VOSMethod, Watched, stack_frames
from ranet.methods.crops import (
    box_of_sides,
    crop_resize,
    crop_resize_nearest,
    extents,
    paste_back,
    smooth_sides,
    whole_frame,
)
from ranet.methods.dmvos.config import DMVOSConfig
from ranet.methods.dmvos.correlation import BestSimilarities, TemplateVector
from ranet.methods.dmvos.network import EncodedCrop, Fusion, PyramidDecoder, SiameseEncoder
from ranet.methods.dmvos.offset import OffsetHead, centre_map
from ranet.methods.layers import average_pool
from ranet.methods.objects import FUSIONS, to_labels
from ranet.structures import Clip, add_background, one_hot_masks

_OUTSIDE = -10.0
"""Logit beyond the crop."""


class DMVOSState(NamedTuple):
    """What is remembered of B videos."""

    template: Tensor
    """B×K×C×gh×gw."""
    template_masks: Tensor
    """B×K×gh×gw in [0, 1]."""
    probabilities: Tensor
    """B×K×H×W: of the last frame."""
    sides: Tensor
    """B×K×2: height and width of each object's last crop, before it was clipped."""
    centre: Tensor
    """B×K×2: row and column of the centre of its box, as that crop was made."""
    last_masks: Tensor
    """B×K×H×W: what was told of each then, its probabilities in the frame that last had it."""


class Look(NamedTuple):
    """Where each object is looked for in a frame."""

    boxes: Tensor
    """B×K×4 int64."""
    sides: Tensor
    """B×K×2."""
    centre: Tensor
    """B×K×2."""
    found: Tensor
    """B×K bool: whether the frame before had any of it."""

    @property
    def centre_in_crop(self) -> Tensor:
        """B×K×2, in units of the crop's sides."""
        first, last = self.boxes[..., :2], self.boxes[..., 2:]
        return (self.centre - first) / (last - first)


class Seen(NamedTuple):
    """What the network says of B crops of one object each."""

    logits: Tensor
    """B×1×h×w float32."""
    maps: Tensor
    """B×M×h/16×w/16: of the correlation."""
    margin_logit: Tensor | None
    """B×h/16×w/16."""
    offset: Tensor | None
    """B×2×h/16×w/16."""
    centre: Tensor
    """B×h/16×w/16: D."""


class DMVOS(VOSMethod):
    """A DMVOS-style network.

    Every object is cropped by itself, from a template and from each frame. What is like it and
    like the rest of its template, how near each pixel's vote is to its last centre, and its last
    mask are fused and decoded; logits of all objects meet in the frame.

    It always sees the probabilities of the frame before, not their thresholded masks, unless
    ``options.previous_mask`` is ``"none"``: our choice. Of an object that was not found there, it
    sees those of the last frame in which it was.

    Args:
        architecture: the fields of :class:`.DMVOSConfig`; all have defaults.

    Raises:
        ValueError: there is no such argument, or it has no such value.
    """

    Config = DMVOSConfig
    state_types = (DMVOSState,)
    crop_smoothing = 0.5
    label = "DMVOS-style"

    def __init__(self, **architecture: Any) -> None:
        config = DMVOSConfig(**architecture)
        super().__init__(config.model_dump(exclude={"name"}))
        self.previous_mask, self.template_pooling = config.previous_mask, config.template_pooling
        self.offset_detach, self.sigma = config.offset_detach, config.sigma
        self.centre_noise, self.centre_dropout = config.centre_noise, config.centre_dropout
        embedding = config.embedding_channels
        self.encoder = SiameseEncoder(
            create_backbone(config.backbone, config.norm, config.frozen_stages, output_stride=16),
            embedding,
        )
        self.matching: BestSimilarities | TemplateVector
        if config.correlation == "none":
            self.matching = TemplateVector(embedding)
        else:
            self.matching = BestSimilarities(config.k, isometric=config.correlation == "isometric")
        self.offset = OffsetHead(embedding) if config.centre_offset else None
        fused = max(1, round(256 * config.width))
        channels = self.encoder.backbone.channels
        self.fuse = Fusion(self.matching.channels, fused)
        self.decoder = PyramidDecoder(
            (channels.f16, channels.f8, channels.f4), fused, config.width, config.dilations
        )

    @property
    def has_idle_parameters(self) -> bool:
        """See :class:`.VOSMethod`: cut off and without a loss of their own, votes learn nothing."""
        return self.offset_detach

    # --- the network

    def encode_template(self, image: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Encode crops around annotated objects, once a video.

        Args:
            image: B×3×h×w RGB in [0, 1].
            masks: B×1×h×w of 0 and 1.

        Returns:
            B×C×gh×gw float32, and the masks B×gh×gw, both averaged over cells.
        """
        embedding = self.matching.embed(self.encoder(image).features)
        cells = [-(-side // self.template_pooling) for side in embedding.shape[-2:]]
        template = self.matching.embed(average_pool(embedding, cells))  # of length one again
        return template, average_pool(masks, cells)[:, 0]

    def see(
        self,
        frame: EncodedCrop,
        template: Tensor,
        masks: Tensor,
        centre: Tensor,
        found: Tensor,
        previous: Tensor,
    ) -> Seen:
        """Find objects in crops.

        Args:
            frame: B encoded crops of h×w.
            template: B×C×gh×gw.
            masks: B×gh×gw.
            centre: B×2, of the object in the frame before, in units of the crop's sides.
            found: B bool; where it was not, that centre says nothing.
            previous: B×1×h×w in [0, 1].
        """
        features, skips = frame
        size = features.shape[-2:]
        maps, margin_logit = self.matching(template, masks, self.matching.embed(features))
        near = maps.new_ones(len(maps), *size)
        offset = None
        if self.offset is not None:
            offset = self.offset(features).float()
            votes = offset.detach() if self.offset_detach else offset
            voted = centre_map(votes, centre, self.sigma)
            near = torch.where(found[:, None, None], voted, 1.0)
        margin = torch.full_like(near, 0.5) if margin_logit is None else margin_logit.sigmoid()
        fused = self.fuse(maps, margin, near, average_pool(previous, size)[:, 0])
        logits = self.decoder(fused, skips, previous.shape[-2:])
        return Seen(logits.float(), maps, margin_logit, offset, near)

    # --- the state

    def new_state(self, image: Tensor) -> DMVOSState:
        """See :class:`.VOSMethod`."""
        frames = len(image)
        channels = self.architecture["embedding_channels"]
        return DMVOSState(
            image.new_zeros(frames, 0, channels, 1, 1),
            image.new_zeros(frames, 0, 1, 1),
            image.new_zeros(frames, 0, *image.shape[-2:]),
            image.new_zeros(frames, 0, 2),
            image.new_zeros(frames, 0, 2),
            image.new_zeros(frames, 0, *image.shape[-2:]),
        )

    def add_objects(self, state: DMVOSState, image: Tensor, masks: Tensor) -> DMVOSState:
        """See :class:`.VOSMethod`; the frame is cropped around each object (supplement, §2)."""
        look, size = self.around(masks), self.size_seen(image.shape[-2:])
        parts = []
        for chosen in self._chunks(masks.shape[1]):
            boxes = look.boxes[:, chosen].flatten(0, 1)
            crops = self._crops(image, boxes, size)
            cut = crop_resize_nearest(masks[:, chosen].flatten(0, 1)[:, None], boxes, size)
            with self.in_half(image.device):
                encoded = self.encode_template(self.laid_out(crops), cut)
            parts.append([part.unflatten(0, (len(image), -1)) for part in encoded])
        template, template_masks = (torch.cat(of, dim=1) for of in zip(*parts, strict=True))
        last = masks.clone()  # an exported step takes one tensor twice for one input
        new = DMVOSState(template, template_masks, masks, look.sides, look.centre, last)
        if state.probabilities.shape[1] == 0:
            return new
        free = 1 - masks.amax(dim=1, keepdim=True)
        before = state._replace(
            probabilities=state.probabilities * free, last_masks=state.last_masks * free
        )
        return pytree.tree_map(lambda *both: torch.cat(both, dim=1), before, new)

    def keep_objects(self, state: DMVOSState, index: Sequence[int]) -> DMVOSState:
        """See :class:`.VOSMethod`."""
        return pytree.tree_map(lambda tensor: tensor[:, list(index)], state)

    def step(self, state: DMVOSState, image: Tensor) -> tuple[Prediction, DMVOSState]:
        """See :class:`.VOSMethod`."""
        look = self.look(state)
        state = self._told(state, look)
        prediction = self._predict(state, image, look)
        probabilities = FUSIONS[self.options.fusion].to_probabilities(prediction.logits)
        return prediction, state._replace(probabilities=probabilities)

    def _told(self, state: DMVOSState, look: Look) -> DMVOSState:
        """With what is told of the objects in the next frame: where each was when last found."""
        found = look.found[..., None, None]
        return state._replace(
            sides=look.sides,
            centre=look.centre,
            last_masks=torch.where(found, state.probabilities, state.last_masks),
        )

    def look(self, state: DMVOSState) -> Look:
        """Where the objects are looked for in the frame that follows.

        The sides follow Equation 1 of the supplement: as it needs the mask of a frame, it serves
        the frame after it.

        Args:
            state: of a frame.
        """
        probabilities = state.probabilities
        labels = to_labels(FUSIONS[self.options.fusion], [probabilities])
        masks = one_hot_masks(labels, probabilities.shape[1]) > 0
        smoothing = self.options.crop_smoothing or 0
        return self._look(masks, state.sides, state.centre, smoothing=smoothing)

    def around(self, masks: Tensor) -> Look:
        """Where objects are cropped as they are marked, by masks B×K×H×W of 0 and 1."""
        nowhere = masks.new_zeros(*masks.shape[:2], 2)
        return self._look(masks > 0, nowhere, nowhere, smoothing=0)

    def _look(self, masks: Tensor, sides: Tensor, centre: Tensor, *, smoothing: float) -> Look:
        """Boxes around masks B×K×H×W bool; what is not found stays, in a growing box (our choice).

        Args:
            masks: of the objects in the frame before.
            sides: of the crops before.
            centre: of the objects before.
            smoothing: of the sides.
        """
        size = (masks.shape[-2], masks.shape[-1])
        first, last = extents(masks.flatten(0, 1))  # B·K×2
        found = last[:, 0] >= 0
        wanted = self.options.crop_scale * (last - first + 1)
        sides = smooth_sides(sides.flatten(0, 1), wanted, found, smoothing, size)
        centre = torch.where(found[:, None], (first + last + 1) / 2, centre.flatten(0, 1))
        sides, centre, found = (x.unflatten(0, masks.shape[:2]) for x in (sides, centre, found))
        return self.look_at(sides, centre, found, size)

    def look_at(self, sides: Tensor, centre: Tensor, found: Tensor, size: tuple[int, int]) -> Look:
        """The boxes of these sides, in frames of a size (H, W).

        Where an object is searched for, its box stays inside the frame, so that it comes to hold
        all of it.
        """
        limits = whole_frame(1, size, centre.device)[:, None, 2:]
        inside = centre.maximum(sides / 2).minimum(limits - sides / 2)
        middle = torch.where(found[..., None], centre, inside)
        boxes = self._boxes(middle.flatten(0, 1), sides.flatten(0, 1), size)
        return Look(boxes.unflatten(0, found.shape), sides, centre, found)

    def _boxes(self, centre: Tensor, sides: Tensor, size: tuple[int, int]) -> Tensor:
        if self.options.crop != "around_objects":
            return whole_frame(len(centre), size, centre.device)
        return box_of_sides(centre, sides, size=size, smallest=self.options.smallest_crop)

    def _chunks(self, objects: int) -> list[slice]:
        at_once = self.options.objects_at_once or objects
        return [slice(k, min(k + at_once, objects)) for k in range(0, objects, at_once)]

    def _crops(self, image: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
        """The boxes B·k×4 of frames B×3×H×W: B·k×3×h×w."""
        repeated = image.repeat_interleave(len(boxes) // len(image), dim=0)
        return repeated if self.options.crop is None else crop_resize(repeated, boxes, size)

    def see_objects(self, state: DMVOSState, image: Tensor, look: Look, chosen: slice) -> Seen:
        """What the network says of some of the objects, those of all videos in one batch.

        Args:
            state: with the sides, centres and last masks that they are looked for with.
            image: B×3×H×W.
            look: where.
            chosen: of K.
        """
        size, boxes = self.size_seen(image.shape[-2:]), look.boxes[:, chosen].flatten(0, 1)
        crops = self._crops(image, boxes, size)
        previous = state.last_masks[:, chosen].flatten(0, 1)[:, None]
        if not self.previous_mask or self.options.previous_mask == "none":
            previous = torch.zeros_like(previous)
        if self.options.crop is not None:
            previous = crop_resize(previous, boxes, size)
        with self.in_half(image.device):
            return self.see(
                self.encoder(self.laid_out(crops)),
                state.template[:, chosen].flatten(0, 1),
                state.template_masks[:, chosen].flatten(0, 1),
                look.centre_in_crop[:, chosen].flatten(0, 1),
                look.found[:, chosen].flatten(0, 1),
                previous,
            )

    def _predict(self, state: DMVOSState, image: Tensor, look: Look) -> Prediction:
        """Logits B×K×H×W of a frame, pasted back, and what losses and pictures read."""
        frame = (image.shape[-2], image.shape[-1])
        logits, offsets, margins = [], [], []
        for chosen in self._chunks(state.probabilities.shape[1]):
            seen = self.see_objects(state, image, look, chosen)
            boxes = look.boxes[:, chosen].flatten(0, 1)
            pasted = paste_back(seen.logits, boxes, frame, outside=_OUTSIDE)
            logits.append(pasted.unflatten(0, (len(image), -1)).squeeze(2))
            for parts, part in ((offsets, seen.offset), (margins, seen.margin_logit)):
                if part is not None:
                    parts.append(part.unflatten(0, (len(image), -1)))
        aux = {"object_boxes": look.boxes}
        aux |= {
            name: torch.cat(parts, dim=1)
            for name, parts in (("offset", offsets), ("margin_logit", margins))
            if parts
        }
        return Prediction(torch.cat(logits, dim=1), aux)

    # --- training and the rest

    def forward(self, clip: Clip) -> Prediction:
        """:meth:`step` through the frames of a clip, with crops that are somewhat off.

        The first frame is looked at as the previous masks say, all others as the predictions do,
        without a gradient through these.
        """
        state = self.new_state(clip.template_image)
        state = self.add_objects(state, clip.template_image, clip.template_masks)
        size = (clip.images.shape[-2], clip.images.shape[-1])
        everything = whole_frame(len(clip.objects), size, clip.images.device)[:, None, 2:]
        sides = everything.expand_as(state.sides).to(state.sides.dtype)
        previous = clip.previous_masks
        state = state._replace(
            probabilities=previous, sides=sides, centre=sides / 2, last_masks=previous
        )
        predictions = []
        for image, off in zip(clip.images.unbind(1), clip.crop_jitter.unbind(1), strict=True):
            look = self.look(state)
            state = self._told(state, look)
            prediction = self._predict(state, image, self._jittered(look, off, size))
            predictions.append(prediction)
            scores = add_background(prediction.logits.detach(), clip.objects).softmax(dim=1)
            state = state._replace(probabilities=scores[:, 1:])
        return stack_frames(predictions)

    def _jittered(self, look: Look, off: Tensor, size: tuple[int, int]) -> Look:
        """Other boxes, by factors on the sides and shifts in units of them, B×4.

        While the network learns, the centres that votes are compared with are off as well, or not
        known (our choice): an object's centre moves from frame to frame.
        """
        factors, shifts = off[:, None, :2], off[:, None, 2:]
        middle = (look.centre + shifts * look.sides).flatten(0, 1)
        boxes = self._boxes(middle, (factors * look.sides).flatten(0, 1), size)
        look = look._replace(boxes=boxes.unflatten(0, look.boxes.shape[:2]))
        if not self.training or self.offset is None:
            return look
        sides = look.boxes[..., 2:] - look.boxes[..., :2]
        noise = self.centre_noise * torch.randn_like(look.centre) * sides
        known = torch.rand_like(look.centre[..., 0]) >= self.centre_dropout
        return look._replace(centre=look.centre + noise, found=look.found & known)

    def sees(self, state: DMVOSState) -> Tensor:
        """See :class:`.VOSMethod`: whether anything of the object is in its template."""
        return state.template_masks.amax(dim=(0, 2, 3)) > 0

    def parameters_of(self, part: str) -> list[nn.Parameter]:
        """See :class:`.VOSMethod`; what is compared, and the votes, are not the decoder's."""
        if part != "decoder":
            return super().parameters_of(part)
        return [*self.fuse.parameters(), *self.decoder.parameters()]

    @property
    def forgetful_parts(self) -> Sequence[nn.Module]:
        """See :class:`.VOSMethod`: levels of the decoder."""
        return self.decoder.level16, self.decoder.level8, self.decoder.level4

    def check_explains(self) -> None:
        """See :class:`.VOSMethod`; RANetError without a correlation or votes to show."""
        if self.architecture["correlation"] != "isometric" or self.offset is None:
            raise self._offers_no("explanation without its isometric correlation or its votes")

    def explain(self, watched: Watched, object_id: int, points: Sequence[tuple[int, int]]) -> Any:
        """See :class:`.VOSMethod`."""
        from ranet.methods.dmvos.explain import explained  # draws, which nothing else here does

        return explained(self, watched, object_id, points)
