"""The method: proposals, templates from the memory, alignment, matching, refinement, in order.

A DMN-AOA-style method: the order is the paper's (abstract), what stands between is told in each
module. The whole frame is seen, never a crop. Training takes the truth for proposals, inference
what a source of proposals gives.

B videos, K targets, P proposals, c channels, q positions of a region, H×W the frames, h×w what the
network sees of them. Boxes are in pixels of that.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ranet.errors import RANetError
from ranet.methods.backbones import create_backbone
from ranet.methods.base import Options, Prediction, VOSMethod, Watched, stack_frames
from ranet.methods.crops import crop_resize_nearest, whole_frame
from ranet.methods.dmn_aoa.alignment import AdaptiveAlignment
from ranet.methods.dmn_aoa.config import DMNAOAConfig
from ranet.methods.dmn_aoa.cost import costs, soft_iou
from ranet.methods.dmn_aoa.light import OBJECTS
from ranet.methods.dmn_aoa.matching import check_solver, one_column_each, solve
from ranet.methods.dmn_aoa.memory import (
    MASK_STRIDE,
    STRIDE,
    DynamicMemory,
    FirstFrame,
    Memory,
    empty_memory,
    remember,
    with_places,
    with_targets,
)
from ranet.methods.dmn_aoa.proposals import (
    Proposals,
    ProposalSource,
    best_overlaps,
    truth_proposals,
)
from ranet.methods.dmn_aoa.pyramid import FeaturePyramid, Pyramid
from ranet.methods.dmn_aoa.refine import RefineNet
from ranet.methods.dmn_aoa.roi import boxes_of, paste, roi_align, scale_boxes
from ranet.methods.dmn_aoa.sources import create_source
from ranet.methods.layers import average_pool, no_autocast, normalise_image, resize
from ranet.methods.objects import FUSIONS, to_labels
from ranet.structures import Clip, Skips, one_hot_masks

_LOOKED_AT = 1.5
"""Sides of the region where a target is looked for, over those of its last box."""

_WIDER = 1.25
"""The factor on them for every frame since that box."""

_WIDEST = 20
"""Such frames that count: the region is the whole frame long before."""

_NEIGHBOURS = 4
"""Objects beside the chosen ones that have proposals in training, at most."""

_IN_THE_MIX = 0.01
"""Smallest entry of the assignment whose mask counts, in training (DMM-Net's)."""

_FIRST_IOU_WEIGHT = 0.3
"""λ before it has learned: DMM-Net's constant."""

_FIRST_THRESHOLD = 0.3
"""θ, likewise (our choice)."""

_SURE = 1e-4
"""How near to 0 and 1 coarse masks come as probabilities, where nothing refines them."""


class DMNAOAState(NamedTuple):
    """What is known of B videos."""

    probabilities: Tensor
    """B×K×H×W: of the last frame."""
    memory: Memory
    last_masks: Tensor
    """B×K×⌈h/4⌉×⌈w/4⌉ in [0, 1], of the last frame in which there was anything of the target."""
    boxes: Tensor
    """B×K×4 float, of that frame."""
    missing: Tensor
    """B×K int64: frames since that frame."""


class Encoded(NamedTuple):
    """What is seen of a frame, whatever its targets."""

    image: Tensor
    """B×3×h×w."""
    skips: Skips
    """Of the backbone."""
    pyramid: Pyramid
    """Its embedding is B×c×⌈h/8⌉×⌈w/8⌉."""

    @property
    def size(self) -> tuple[int, int]:
        """(h, w)."""
        return self.image.shape[-2], self.image.shape[-1]


class Match(NamedTuple):
    """Which proposal is taken for which target of a frame, and what that is decided by."""

    looked_at: Tensor
    """B×K×4: where the target was looked for."""
    template: tuple[Tensor, Tensor]
    """B×K×c×q, and cover B×K×q."""
    features: Tensor
    """B×P×c×q, of the proposals."""
    masks: Tensor
    """B×P×⌈h/4⌉×⌈w/4⌉ in [0, 1], of the proposals."""
    similarity: Tensor
    """B×K×P."""
    overlap: Tensor
    """B×K×P, with the last masks."""
    cost: Tensor
    """B×K×(P+K)."""
    assignment: Tensor
    """B×K×(P+K) in [0, 1]."""
    chosen: Tensor
    """B×K×(P+K) of 0 and 1: what each target takes."""
    keeps_last: Tensor
    """B×K bool: whether it takes no proposal, but its last mask."""
    coarse: Tensor
    """B×K×⌈h/4⌉×⌈w/4⌉ in [0, 1]."""

    @property
    def found(self) -> Tensor:
        """B×K bool: whether it took a proposal, or its last mask."""
        return (self.chosen[:, :, : self.masks.shape[1]].amax(dim=2) > 0) | self.keeps_last


class DMNAOA(VOSMethod):
    """Dynamic memory, adaptive object alignment, matching layer, RefineNet.

    Args:
        architecture: the fields of :class:`.DMNAOAConfig`; all have defaults.

    Raises:
        ValueError: there is no such argument, or it has no such value.
        RANetError: scipy is missing, which ``matching="hungarian"`` needs.

    Attributes:
        detector: the source of proposals whose weights are the network's, if it has such a one.
        source: what proposes in :meth:`step` in its place; None: the detector does.
        solver: what matches.
    """

    Config = DMNAOAConfig
    state_types = (DMNAOAState, Memory)
    # It sees all of a frame, and a mask of its own making.
    reads_options = frozenset(Options._fields) - {
        "crop_scale",
        "smallest_crop",
        "crop_smoothing",
        "previous_mask",
    }
    parts_left_out = ("memory.", "alignment.", "iou_logit", "refine.")  # by ablations
    exact_parts = ("memory", "alignment")  # softmaxes over all that is remembered
    label = "DMN-AOA-style"

    def __init__(self, **architecture: Any) -> None:
        arguments = DMNAOAConfig(**architecture)
        super().__init__(arguments.model_dump(exclude={"name"}))
        self.arguments = arguments
        if arguments.memory != "all":  # whose frames are told
            self.reads_options -= {"memory_limit"}
        made = create_source(arguments.source, arguments.channels)
        self.detector = made if isinstance(made, nn.Module) else None
        self.source: ProposalSource | None = None if self.detector is not None else made
        self.solver = check_solver(arguments.matching)
        channels, side = arguments.channels, arguments.region_side
        self.backbone = create_backbone(arguments.backbone, arguments.norm, arguments.frozen_stages)
        self.pyramid = FeaturePyramid(self.backbone.channels, channels)
        if arguments.memory == "first":
            self.memory: DynamicMemory | FirstFrame = FirstFrame(side)
        else:
            self.memory = DynamicMemory(channels, arguments.key_channels, side)
        self.alignment = AdaptiveAlignment(channels, soft=arguments.alignment == "soft")
        if arguments.iou_weight is None:
            self.iou_logit = nn.Parameter(torch.tensor(_FIRST_IOU_WEIGHT).logit())
        self.threshold = nn.Parameter(torch.tensor(_FIRST_THRESHOLD))
        if arguments.refine:
            self.refine = RefineNet(
                self.backbone.channels, channels, arguments.width, arguments.finest_stride
            )

    @property
    def has_idle_parameters(self) -> bool:
        """See :class:`.VOSMethod`: without a gradient through matching, some have one of a loss of
        their own at most, which need not be there; and a detector learns alone, not at all, or by
        losses that may be 0.
        """
        return self.arguments.matching != "layer" or self.detector is not None

    @property
    def memory_limit(self) -> int | None:
        """M, the places of the memory; None: it grows."""
        fixed = {"first": 1, "first_last": 2}
        return fixed.get(self.arguments.memory, self.options.memory_limit)

    @property
    def state_grows(self) -> bool:
        """See :class:`.VOSMethod`."""
        return self.memory_limit is None

    # --- The seam

    def for_inference(self, options: Options) -> Self:
        """See :class:`.VOSMethod`.

        Raises:
            ConfigError: there is no such source, or no such way of matching.
            RANetError: it learns with a network, and this one has not learned it.
        """
        used = super().for_inference(options)
        arguments = self.arguments
        usual = arguments.inference_matching or arguments.matching
        used.solver = check_solver(options.matching or usual)
        if options.source not in (None, arguments.source):
            source = create_source(options.source, arguments.channels)
            if isinstance(source, nn.Module):
                raise RANetError(
                    f"source={options.source} learns with a network, and this one learned with "
                    f"source={arguments.source}: train one with model.source={options.source}."
                )
            used.source = source
        return used

    def new_state(self, image: Tensor) -> DMNAOAState:
        """See :class:`.VOSMethod`."""
        height, width = self.size_seen(image.shape[-2:])
        masks = image.new_zeros(len(image), 0, -(-height // MASK_STRIDE), -(-width // MASK_STRIDE))
        channels = (self.memory.key_channels, self.arguments.channels)
        memory = empty_memory(
            image, self.memory_limit or 0, channels, self.arguments.region_side**2
        )
        return DMNAOAState(
            probabilities=image.new_zeros(len(image), 0, *image.shape[-2:]),
            memory=memory,
            last_masks=masks,
            boxes=masks.new_zeros(len(image), 0, 4),
            missing=masks.new_zeros(len(image), 0, dtype=torch.int64),
        )

    def add_objects(self, state: DMNAOAState, image: Tensor, masks: Tensor) -> DMNAOAState:
        """See :class:`.VOSMethod`; the frame is the first that is remembered of them."""
        encoded = self.encode(image)
        last_masks, boxes = self.located(state, masks)
        with no_autocast(image.device.type):
            entry = self.memory.entry(encoded.pyramid.embedding, boxes, last_masks)
        covered = masks.amax(dim=1, keepdim=True)
        kept = 1 - last_masks.amax(dim=1, keepdim=True)
        return DMNAOAState(
            torch.cat([state.probabilities * (1 - covered), masks], dim=1),
            with_targets(state.memory, entry),
            torch.cat([state.last_masks * kept, last_masks], dim=1),
            torch.cat([state.boxes, boxes], dim=1),
            torch.cat([state.missing, state.missing.new_zeros(boxes.shape[:2])], dim=1),
        )

    def keep_objects(self, state: DMNAOAState, index: Sequence[int]) -> DMNAOAState:
        """See :class:`.VOSMethod`."""
        kept = list(index)
        return pytree.tree_map(lambda of_targets: of_targets[:, kept], state)

    def stack(self, states: Sequence[DMNAOAState]) -> DMNAOAState:
        """See :class:`.VOSMethod`; memories get the places of the largest."""
        places = max(state.memory.stored.shape[2] for state in states)
        memories = [with_places(state.memory, places) for state in states]
        return super().stack(
            [state._replace(memory=m) for state, m in zip(states, memories, strict=True)]
        )

    def sees(self, state: DMNAOAState) -> Tensor:
        """See :class:`.VOSMethod`: whether anything of the object is in its mask."""
        return state.last_masks.amax(dim=(0, 2, 3)) > 0

    def step(self, state: DMNAOAState, image: Tensor) -> tuple[Prediction, DMNAOAState]:
        """See :class:`.VOSMethod`; :attr:`source` proposes, or :attr:`detector`."""
        return self.follow(state, image)

    def forward(self, clip: Clip) -> Prediction:
        """Go through the frames of a clip, with the truth of each, disturbed, as its proposals.

        Where the objects were before the first of them is told by the clip. A detector that is
        trained looks at each frame by itself, and all that is annotated is its truth.
        """
        if self.arguments.train == "detector":
            return self._detections(clip)
        state = self.new_state(clip.template_image)
        state = self.add_objects(state, clip.template_image, clip.template_masks)
        numbers = torch.arange(state.boxes.shape[1], device=clip.objects.device)
        exists = numbers < clip.objects[:, None]  # B×K
        last_masks, boxes = self.located(state, clip.previous_masks)
        state = state._replace(last_masks=last_masks, boxes=boxes)
        predictions = []
        for number, image in enumerate(clip.images.unbind(dim=1)):
            encoded, proposals, aux = self.encode(image), None, {}
            if clip.current_labels is not None:
                labels = self._labels_seen(clip.current_labels[:, number])
                proposals = self._truth(labels, state)
                if self.arguments.train == "all":
                    aux = self._learned(encoded, labels)
            proposals = self._some_proposed(encoded, proposals)
            prediction, state = self._followed(state, image, encoded, proposals, exists)
            predictions.append(prediction._replace(aux={**prediction.aux, **aux}))
        return stack_frames(predictions)

    def figures(self, clip: Clip) -> dict[str, Tensor]:
        """See :class:`.VOSMethod`: of each annotated object of the first frames, how well the best
        proposals cover it.
        """
        if self.arguments.source == "none":
            return {}
        with torch.no_grad():
            proposals = self.propose(self.encode(clip.images[:, 0]))
            masks = one_hot_masks(self._labels_seen(clip.current_labels[:, 0]), OBJECTS)
            boxes, index = best_overlaps(proposals, masks)
        exists = masks.flatten(2).amax(dim=2) > 0
        return {"proposed_box_iou": boxes[exists], "oracle_j": index[exists]}

    def _detections(self, clip: Clip) -> Prediction:
        """What the detector's losses read of all frames; logits of nothing."""
        shape, images = clip.images.shape[:2], clip.images.flatten(0, 1)
        encoded = self.encode(images)
        aux = self._learned(encoded, self._labels_seen(clip.current_labels.flatten(0, 1)))
        aux |= self._boxes_seen(images)
        aux = {name: tensor.unflatten(0, shape) for name, tensor in aux.items()}
        logits = images.new_zeros(*shape, clip.template_masks.shape[1], *encoded.size)
        return Prediction(logits, aux)

    def _learned(self, encoded: Encoded, labels: Tensor) -> dict[str, Tensor]:
        """What the detector's losses read of a frame."""
        return self.detector.learn(encoded.pyramid, encoded.size, one_hot_masks(labels, OBJECTS))

    def _some_proposed(self, encoded: Encoded, truth: Proposals | None) -> Proposals:
        """The truth, or what the source proposes, frame by frame, as chance has it."""
        share = self.arguments.truth_share
        if truth is not None and share == 1:
            return truth
        with torch.no_grad():
            proposed = self.propose(encoded)
        if truth is None:
            return proposed
        takes_truth = torch.rand(len(encoded.image), device=encoded.image.device) < share
        return Proposals(
            *(
                torch.where(takes_truth.view(-1, *[1] * (ours.ndim - 1)), ours, theirs)
                for ours, theirs in zip(truth, proposed, strict=True)
            )
        )

    def check_exports(self) -> None:
        """See :class:`.VOSMethod`."""
        source = self.detector if self.source is None else self.source
        if reason := getattr(source, "no_graph", None):
            name = self.options.source or self.arguments.source
            raise RANetError(f"source={name} {reason}: export with another source.")
        if self.solver == "hungarian":
            raise RANetError(
                "matching=hungarian runs scipy, which no graph can hold: export with "
                "matching=layer or matching=greedy."
            )

    def check_explains(self) -> None:
        """See :class:`.VOSMethod`."""

    def explain(self, watched: Watched, object_id: int, points: Sequence[tuple[int, int]]) -> Any:
        """See :class:`.VOSMethod`."""
        from ranet.methods.dmn_aoa.explain import explained  # draws, which nothing else here does

        return explained(self, watched, object_id, points)

    # --- A frame

    def follow(
        self,
        state: DMNAOAState,
        image: Tensor,
        proposals: Proposals | None = None,
        exists: Tensor | None = None,
    ) -> tuple[Prediction, DMNAOAState]:
        """Go on to the next frame, as :meth:`step` does, with proposals that are given.

        Args:
            state: of the frame before.
            image: B×3×H×W RGB in [0, 1].
            proposals: P of each image, in pixels of what the network sees of it; None: what
                :attr:`source` gives, or :attr:`detector`.
            exists: B×K bool, which targets there are; None: all.

        Returns:
            The prediction, and the state of this frame. Beside the logits B×K×h×w: ``coarse``
            B×K×⌈h/4⌉×⌈w/4⌉, ``similarity`` B×K×P, ``assignment`` B×K×(P+K), the proposals' masks
            in the frame, ``proposals`` B×P×⌈h/4⌉×⌈w/4⌉, and ``valid`` B×P.
        """
        encoded = self.encode(image)
        if proposals is None:
            proposals = self.propose(encoded)
        return self._followed(state, image, encoded, proposals, exists)

    def _followed(
        self,
        state: DMNAOAState,
        image: Tensor,
        encoded: Encoded,
        proposals: Proposals,
        exists: Tensor | None,
    ) -> tuple[Prediction, DMNAOAState]:
        """See :meth:`follow`."""
        with no_autocast(image.device.type):
            match = self.match(state, encoded, proposals, exists)
        logits = self._refined(encoded, state, match)
        aux = {
            "coarse": match.coarse,
            "similarity": match.similarity,
            "assignment": match.assignment,
            "proposals": match.masks,
            "valid": proposals.valid,
            **self._boxes_seen(image),
        }
        with no_autocast(image.device.type):
            after = self._state_after(state, encoded, match, logits.detach(), image, exists)
        return Prediction(logits, aux), after

    def match(
        self,
        state: DMNAOAState,
        encoded: Encoded,
        proposals: Proposals,
        exists: Tensor | None = None,
    ) -> Match:
        """Which proposal is which target, and the coarse masks that come of it.

        Args:
            state: of the frame before.
            encoded: the frame.
            proposals: in it.
            exists: as in :meth:`follow`.
        """
        embedding, count = encoded.pyramid.embedding, proposals.boxes.shape[1]
        widened = _LOOKED_AT * _WIDER ** state.missing.clamp(max=_WIDEST)
        looked_at = scale_boxes(state.boxes, widened, encoded.size)
        template, cover = self.memory.read(state.memory, embedding, looked_at)
        boxes = torch.cat([proposals.boxes, state.boxes], dim=1)  # each target's own last one, too
        features = roi_align(embedding, boxes, self.arguments.region_side, STRIDE).flatten(3)
        similarity = self.alignment(template, cover, features)  # B×K×(P+K)
        of_itself = similarity[:, :, count:].diagonal(dim1=1, dim2=2)  # B×K
        similarity = similarity[:, :, :count]

        masks = paste(proposals.masks, proposals.boxes, state.last_masks.shape[-2:], MASK_STRIDE)
        overlap = soft_iou(state.last_masks, masks)
        cost = costs(similarity, overlap, self._iou_weight, self.threshold, proposals.valid, exists)
        assignment = solve(cost.float(), self.solver, self.arguments.readout)
        dummies = torch.eye(cost.shape[1], device=cost.device)
        dummies = torch.cat([dummies.new_zeros(cost.shape[1], count), dummies], dim=1)
        chosen = one_column_each(assignment.detach(), dummies)
        took_one = chosen[:, :, :count].amax(dim=2) > 0  # B×K
        keeps_last = ~took_one & (of_itself >= self.threshold) & self.arguments.self_proposals

        shares = chosen
        if self.training:
            shares = assignment * (assignment > _IN_THE_MIX)
        coarse = torch.einsum("bkp,bphw->bkhw", shares[:, :, :count], masks).clamp(0, 1)
        coarse = torch.where(keeps_last[..., None, None], state.last_masks, coarse)
        if exists is not None:
            coarse = coarse * exists[..., None, None]
        return Match(
            looked_at=looked_at,
            template=(template, cover),
            features=features[:, :count],
            masks=masks,
            similarity=similarity,
            overlap=overlap,
            cost=cost,
            assignment=assignment,
            chosen=chosen,
            keeps_last=keeps_last,
            coarse=coarse,
        )

    @property
    def _iou_weight(self) -> Tensor | float:
        weight = self.arguments.iou_weight
        return self.iou_logit.sigmoid() if weight is None else weight

    def _refined(self, encoded: Encoded, state: DMNAOAState, match: Match) -> Tensor:
        """Logits B×K×h×w."""
        if not self.arguments.refine:
            coarse = match.coarse.clamp(_SURE, 1 - _SURE)
            return resize(coarse.logit(), encoded.size, align_corners=False)
        with self.in_half(encoded.image.device):
            logits = self.refine(
                encoded.skips,
                encoded.pyramid.embedding,
                match.coarse,
                state.last_masks,
                match.template,
                encoded.size,
                self.options.objects_at_once,
            )
        return logits.float()

    def _state_after(
        self,
        state: DMNAOAState,
        encoded: Encoded,
        match: Match,
        logits: Tensor,
        image: Tensor,
        exists: Tensor | None,
    ) -> DMNAOAState:
        """What is known after a frame; masks and boxes without a gradient, the memory with one."""
        if exists is not None:
            logits = logits.masked_fill(~exists[..., None, None], -torch.inf)
        fusion = FUSIONS[self.options.fusion]
        probabilities = fusion.to_probabilities(logits)
        won = one_hot_masks(to_labels(fusion, [probabilities]), logits.shape[1])  # B×K×h×w
        there = won.flatten(2).amax(dim=2) > 0  # B×K
        masks = average_pool(probabilities * won, state.last_masks.shape[-2:])
        masks = torch.where(there[..., None, None], masks, state.last_masks)
        boxes = torch.where(there[..., None], boxes_of(won > 0), state.boxes)
        memory = state.memory
        if self.memory_limit != 1:  # else the annotated frame has the only place
            entry = self.memory.entry(encoded.pyramid.embedding, boxes, masks)
            memory = remember(memory, entry, match.found & there, self.memory_limit)
        return DMNAOAState(
            resize(probabilities, image.shape[-2:], align_corners=False),
            memory,
            masks,
            boxes,
            torch.where(there, 0, state.missing + 1),
        )

    # --- What the network sees

    def encode(self, image: Tensor) -> Encoded:
        """All of a frame B×3×H×W, at the network's size."""
        seen = self.laid_out(resize(image, self.size_seen(image.shape[-2:]), align_corners=False))
        with self.in_half(seen.device):
            skips = self.backbone(normalise_image(seen, self.backbone.mean, self.backbone.std))
            pyramid = self.pyramid(skips)
        return Encoded(seen, skips, pyramid)

    def propose(self, encoded: Encoded) -> Proposals:
        """What :attr:`source`, or :attr:`detector`, finds in a frame."""
        source = self.detector if self.source is None else self.source
        with self.in_half(encoded.image.device):
            return source(encoded.image, encoded.pyramid, self.arguments.proposals)

    def _boxes_seen(self, image: Tensor) -> dict[str, Tensor]:
        """The part of frames that logits are of, where they may be of another size."""
        if self.options.crop is None:
            return {}
        return {"boxes": whole_frame(len(image), tuple(image.shape[-2:]), image.device)}

    def _labels_seen(self, labels: Tensor) -> Tensor:
        """Labels B×H×W at the network's size: B×h×w."""
        size = self.size_seen(labels.shape[-2:])
        if size == tuple(labels.shape[-2:]):
            return labels
        box = whole_frame(len(labels), tuple(labels.shape[-2:]), labels.device)
        return crop_resize_nearest(labels[:, None].float(), box, size)[:, 0].round()

    def located(self, state: DMNAOAState, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Masks B×k×H×W of a frame, as a state has them, and their boxes.

        Where a mask is empty, the box is all of the frame: the target may be anywhere in it.
        """
        height, width = self.size_seen(masks.shape[-2:])
        scale = masks.new_tensor([height / masks.shape[-2], width / masks.shape[-1]]).repeat(2)
        empty = masks.flatten(2).amax(dim=2) == 0
        whole = masks.new_tensor([0, 0, height, width])
        boxes = torch.where(empty[..., None], whole, boxes_of(masks > 0) * scale)
        return average_pool(masks, state.last_masks.shape[-2:]), boxes

    def _truth(self, labels: Tensor, state: DMNAOAState) -> Proposals:
        """Labels B×h×w as proposals; ids above the objects' are neighbours."""
        masks = one_hot_masks(labels, state.boxes.shape[1] + _NEIGHBOURS)
        limit = self.arguments.proposals
        return truth_proposals(masks[:, :limit], limit, self.arguments.truth_jitter)
