"""Proposals by torchvision's Mask R-CNN, with its COCO weights: for use, not for training.

What has learned from COCO breaks a comparison without extra data; results name the source. Of each
region the likeliest class counts, whichever it is (our choice). Its layers are torchvision's plain
modules; what selects, pools and suppresses between them is ours, as torchvision's own needs
compiled operators.

B frames, N regions of one, C channels, R×R the grid of a region.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from ranet.errors import CheckpointError
from ranet.methods.checkpoint_files import check_names_and_shapes, read_checkpoint_file
from ranet.methods.dmn_aoa.proposals import MASK_SIDE, Proposals
from ranet.methods.dmn_aoa.pyramid import Pyramid
from ranet.methods.dmn_aoa.roi import best_apart, clip_boxes, non_maximum_suppression, roi_align
from ranet.methods.imagenet import NO_DOWNLOAD
from ranet.methods.torchvision_import import import_torchvision_models

_COUNT = "num_batches_tracked"
"""Of batch norms: the file has none."""

_REGIONS = 1000
"""Regions a level before suppression, and in all after it (torchvision's)."""
_SAME_REGION = 0.7
_SMALLEST = 1e-3  # pixels of a side

_LEAST_SCORE = 0.05
_SAME_OBJECT = 0.7
"""Of whatever class; torchvision's is 0.5, within one."""

_CANONICAL = 224
"""Root of the area of a region that is pooled at stride 16."""
_EPSILON = 1e-6

_SWAPPED = [1, 0, 3, 2]
"""Our boxes as torchvision's, which begin with x, and the other way round."""


class MaskRCNN:
    """A :class:`.ProposalSource`, which loads its network when it is first asked.

    Args:
        channels: of the method's own pyramid, which it does not look at.
        file: its weights; empty: torchvision's, which it downloads once.
    """

    no_graph = "finds as many regions as there are, which no graph holds"

    def __init__(self, channels: int, file: str = "") -> None:
        self._file = file

    @cached_property
    def network(self) -> nn.Module:
        """torchvision's, with weights.

        Raises:
            CheckpointError: they cannot be read, or downloaded.
        """
        weights, network = _weights(self._file), empty_network()
        expected = {k: v for k, v in network.state_dict().items() if not k.endswith(_COUNT)}
        check_names_and_shapes(weights, expected, self._file or "torchvision's file")
        network.load_state_dict(weights, strict=False)
        return network

    @torch.no_grad()
    def __call__(self, image: Tensor, pyramid: Pyramid, limit: int) -> Proposals:
        """See :class:`.ProposalSource`."""
        network = self.network.to(image.device)
        found = [_proposed(network, one, limit) for one in image.split(1)]
        return Proposals(*map(torch.cat, zip(*found, strict=True)))


def empty_network() -> nn.Module:
    """torchvision's network with random weights, as it computes with those that it brings."""
    detection = import_torchvision_models().detection
    network: nn.Module = detection.maskrcnn_resnet50_fpn(weights=None, weights_backbone=None)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eps = 0.0  # what these weights were made for
    return network.eval().requires_grad_(False)


def _weights(file: str) -> dict[str, Tensor]:
    if file:
        return read_checkpoint_file(file)
    coco = import_torchvision_models().detection.MaskRCNN_ResNet50_FPN_Weights.COCO_V1
    try:
        return dict(coco.get_state_dict(progress=True, check_hash=True))
    except NO_DOWNLOAD as error:
        raise CheckpointError(
            f"Cannot get the weights of Mask R-CNN from {coco.url} ({error}). Download the file "
            "where there is a network, and name it: source=maskrcnn:FILE."
        ) from error


def _proposed(network: nn.Module, image: Tensor, limit: int) -> Proposals:
    """In an image 1×3×H×W."""
    images, _ = network.transform([*image])
    size = images.image_sizes[0]
    features = network.backbone(images.tensors)
    levels, heads = [features[str(number)] for number in range(4)], network.roi_heads
    boxes = regions(network, images, features)
    logits, changes = heads.box_predictor(heads.box_head(pool(levels, boxes, 7)))
    scores, kind = logits.softmax(dim=1)[:, 1:].max(dim=1)  # the first is none of all
    kind = kind + 1
    boxes = _decoded(heads.box_coder, changes, boxes, size)[torch.arange(len(kind)), kind]
    kept, valid = best_apart(boxes[None], scores[None], _SAME_OBJECT, limit)
    boxes, scores, kind = boxes[kept[0]], scores[kept], kind[kept[0]]
    logits = heads.mask_predictor(heads.mask_head(pool(levels, boxes, MASK_SIDE // 2)))
    masks = logits[torch.arange(limit), kind].sigmoid()
    scale = boxes.new_tensor([of / by for of, by in zip(image.shape[2:], size, strict=True)])
    valid = valid & (scores > _LEAST_SCORE)
    return Proposals((boxes * scale.repeat(2))[None], masks[None], scores * valid, valid)


def regions(network: nn.Module, images: Any, features: Mapping[str, Tensor]) -> Tensor:
    """What the network's region proposal network finds in an image: N×4, best first.

    Args:
        network: of :func:`empty_network`.
        images: of its ``transform``, one.
        features: of its ``backbone``.
    """
    rpn, maps = network.rpn, [*features.values()]
    anchors = rpn.anchor_generator(images, maps)[0][:, _SWAPPED]
    boxes, scores = [], []
    for logits, changes in zip(*rpn.head(maps), strict=True):  # 1×A×h×w and 1×(A·4)×h×w
        of_level = logits[0].permute(1, 2, 0).flatten()
        changes = changes[0].unflatten(0, (-1, 4)).permute(2, 3, 0, 1).flatten(0, 2)
        around, anchors = anchors[: len(of_level)], anchors[len(of_level) :]
        of_level, best = of_level.topk(min(_REGIONS, len(of_level)))
        found = _decoded(rpn.box_coder, changes[best], around[best], images.image_sizes[0])[:, 0]
        large = (found[:, 2:] - found[:, :2] >= _SMALLEST).all(dim=1)
        found, of_level = found[large], of_level[large].sigmoid()
        kept = non_maximum_suppression(found, of_level, _SAME_REGION)
        boxes.append(found[kept])
        scores.append(of_level[kept])
    best = torch.cat(scores).argsort(descending=True, stable=True)[:_REGIONS]
    return torch.cat(boxes)[best]


def pool(levels: Sequence[Tensor], boxes: Tensor, side: int) -> Tensor:
    """torchvision's pooling of regions, each at the level that its size asks for.

    Args:
        levels: 1×C×h×w each, at strides 4, 8, 16 and 32.
        boxes: N×4.
        side: R.

    Returns:
        N×C×R×R.
    """
    root = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1).sqrt()
    asked = (4 + torch.log2(root / _CANONICAL) + _EPSILON).floor().clamp(2, 5)
    pooled = boxes.new_zeros(len(boxes), levels[0].shape[1], side, side)
    for number, features in enumerate(levels, start=2):
        stride, here = 2**number, (asked == number).nonzero()[:, 0]
        if len(here) == 0:
            continue
        low = boxes[here, :2]
        sides = (boxes[here, 2:] - low).clamp(min=stride)
        # Its centres of features lie half a feature before ours.
        shifted = torch.cat([low, low + sides], dim=1) + stride / 2
        pooled[here] = roi_align(features, shifted[None], side, stride)[0]
    return pooled


def _decoded(coder: Any, changes: Tensor, boxes: Tensor, size: Sequence[int]) -> Tensor:
    """Boxes N×4 as a network changes them, for each of L classes: N×L×4, in the image."""
    decoded = coder.decode_single(changes, boxes[:, _SWAPPED]).unflatten(1, (-1, 4))
    return clip_boxes(decoded[..., _SWAPPED], size)
